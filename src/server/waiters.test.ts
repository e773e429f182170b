// The ring of waiters against a Map that keeps insertion order.

import fc from "fast-check";
import { expect, test } from "vitest";
import { ErrStopped, ErrTimeout, type RpcError } from "#proto";
import { Waiter, Waiters } from "./waiters.js";

const PATIENCE_MS = 100;

class Listener extends Waiter {
  failedWith: RpcError | undefined = undefined;

  onApplied(): void {}

  onFailed(error: RpcError): void {
    expect(this.failedWith).toBeUndefined();
    this.failedWith = error;
  }
}

const steps = fc.array(
  fc.oneof(
    // Counters of refused requests are skipped.
    fc.record({ kind: fc.constant("add" as const), skip: fc.integer({ min: 0, max: 2000 }) }),
    fc.record({ kind: fc.constant("take" as const), which: fc.nat(3000) }),
    fc.record({ kind: fc.constant("expire" as const), elapsed: fc.nat(150) }),
    fc.record({ kind: fc.constant("stop" as const) }),
  ),
  { maxLength: 200 },
);

test("is a map in order of arrival", () => {
  fc.assert(
    fc.property(steps, (script) => {
      const waiters = new Waiters(PATIENCE_MS);
      const model = new Map<number, Listener>();
      let counter = 2 ** 40;
      let now = 0;
      for (const step of script) {
        if (step.kind === "add") {
          counter += 1 + step.skip;
          const listener = new Listener();
          waiters.add(counter, listener, now);
          model.set(counter, listener);
        } else if (step.kind === "take") {
          const wanted = [...model.keys()][step.which % Math.max(1, model.size)] ?? counter - step.which;
          expect(waiters.take(wanted)).toBe(model.get(wanted));
          model.delete(wanted);
          expect(waiters.take(wanted)).toBeUndefined();
        } else if (step.kind === "expire") {
          now += step.elapsed;
          const due = [...model].filter(([, { deadline }]) => deadline <= now);
          expect(waiters.expire(now, ErrTimeout)).toBe(due.length);
          for (const [gone, listener] of due) {
            expect(listener.failedWith).toBe(ErrTimeout);
            model.delete(gone);
          }
        } else {
          waiters.failAll(ErrStopped);
          for (const listener of model.values()) expect(listener.failedWith).toBe(ErrStopped);
          model.clear();
        }
        expect(waiters.size).toBe(model.size);
      }
    }),
  );
});

test("one that fails may make room for another", () => {
  const waiters = new Waiters(PATIENCE_MS);
  const later = new Listener();
  class Again extends Listener {
    override onFailed(error: RpcError): void {
      super.onFailed(error);
      waiters.add(2, later, 0);
    }
  }
  waiters.add(1, new Again(), 0);
  waiters.failAll(ErrStopped);
  expect(later.failedWith).toBeUndefined();
  expect(waiters.take(2)).toBe(later);
});
