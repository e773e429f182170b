// The wheel of deadlines against a plain list, on a clock that the test moves.

import fc from "fast-check";
import { expect, test } from "vitest";
import { ManualClock } from "#testing";
import { Deadline, DeadlineWheel } from "./deadlines.js";

class Probe extends Deadline {
  firedAt = -1;
  private readonly clock: ManualClock;

  constructor(clock: ManualClock) {
    super();
    this.clock = clock;
  }

  override onDeadline(): void {
    this.firedAt = this.clock.now();
  }
}

test("fires never early and at most a slot late, over many turns of the wheel", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ delay: fc.nat(30_000), disarmAfter: fc.nat(60_000) }), {
        minLength: 1,
        maxLength: 60,
      }),
      (plans) => {
        const clock = new ManualClock();
        const wheel = new DeadlineWheel(clock);
        const start = clock.now();
        const probes = plans.map(({ delay, disarmAfter }) => {
          const probe = new Probe(clock);
          wheel.arm(probe, start + delay);
          if (disarmAfter < 20_000) clock.setTimer(disarmAfter, () => wheel.disarm(probe));
          return { probe, due: start + delay, disarmedAt: start + disarmAfter };
        });
        clock.advance(31_000);
        for (const { probe, due, disarmedAt } of probes) {
          const disarmed = disarmedAt - start < 20_000 && disarmedAt < due;
          if (disarmed) expect(probe.firedAt).toBe(-1);
          else if (disarmedAt - start >= 20_000 || disarmedAt > due + 5) {
            expect(probe.firedAt).toBeGreaterThanOrEqual(due);
            expect(probe.firedAt).toBeLessThanOrEqual(due + 10);
          }
        }
        expect(wheel.armed).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});

test("no timer runs while nothing is armed, and one however much is", () => {
  const clock = new ManualClock();
  const wheel = new DeadlineWheel(clock);
  expect(clock.pending).toBe(0);
  const probes = Array.from({ length: 1_000 }, () => new Probe(clock));
  for (const [i, probe] of probes.entries()) wheel.arm(probe, clock.now() + 50 + i);
  expect(clock.pending).toBe(1);
  clock.advance(2_000);
  expect(probes.every((probe) => probe.firedAt >= 0)).toBe(true);
  expect(clock.pending).toBe(0);
});

test("arming again replaces the deadline", () => {
  const clock = new ManualClock();
  const wheel = new DeadlineWheel(clock);
  const probe = new Probe(clock);
  wheel.arm(probe, clock.now() + 100);
  wheel.arm(probe, clock.now() + 300);
  clock.advance(200);
  expect(probe.firedAt).toBe(-1);
  clock.advance(200);
  expect(probe.firedAt).toBeGreaterThan(0);
});

test("a deadline in the past fires at the next slot", () => {
  const clock = new ManualClock();
  const wheel = new DeadlineWheel(clock);
  const probe = new Probe(clock);
  wheel.arm(probe, clock.now() - 50);
  clock.advance(10);
  expect(probe.firedAt).toBeGreaterThan(0);
});

test("after a pause longer than a turn of the wheel everything due fires once", () => {
  const clock = new ManualClock();
  const wheel = new DeadlineWheel(clock);
  let fired = 0;
  class Counter extends Deadline {
    override onDeadline(): void {
      fired++;
    }
  }
  for (let i = 0; i < 100; i++) wheel.arm(new Counter(), clock.now() + i * 200);
  clock.advance(60_000);
  expect(fired).toBe(100);
});
