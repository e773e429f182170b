// Checkpoints of leases from the flag to the disk: how much was left survives a restart, a renewal makes it worthless.

import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import type { Clock, Timer } from "#base";
import { rpcpb } from "#proto";
import { NODE_CLOCK } from "#rpc";
import { MemoryDisk } from "#storage";
import { LeaderGuard } from "./api/leader-guard.js";
import { LeaseService } from "./api/lease.js";
import { Operation } from "./request.js";
import { Life, until } from "./testkit.js";

const ID = 7n;
const TTL = 3600;
const CHECKPOINTS = { LeaseCheckpoint: true };

/** The real clock, and time can be skipped. */
class SkippingClock implements Clock {
  private skippedMs = 0;

  skip(ms: number): void {
    this.skippedMs += ms;
  }

  now(): number {
    return NODE_CLOCK.now() + this.skippedMs;
  }

  wallTime(): number {
    return NODE_CLOCK.wallTime() + this.skippedMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return NODE_CLOCK.setTimer(delayMs, callback);
  }

  clearTimer(timer: Timer): void {
    NODE_CLOCK.clearTimer(timer);
  }

  setNext(callback: () => void): void {
    NODE_CLOCK.setNext(callback);
  }
}

async function grant(life: Life): Promise<void> {
  const request = create(rpcpb.LeaseGrantRequestSchema, { ID, TTL: BigInt(TTL) });
  expect(
    await life.propose(Operation.LeaseGrant, toBinary(rpcpb.LeaseGrantRequestSchema, request)),
  ).toBeUndefined();
}

/** Seconds that the member says are left. */
function left(life: Life, clock: Clock): number {
  const { lessor } = life.running.member;
  const lease = lessor.lookup(ID);
  return lease === undefined ? -1 : lessor.timeToLive(lease, clock.now());
}

function checkpointOf(life: Life): number {
  return life.running.member.lessor.lookup(ID)?.remainingTtl ?? -1;
}

/** Renews over a stream of the service. @returns the TTL of the answer */
function renew(life: Life): Promise<number> {
  const { member } = life.running;
  const service = new LeaseService(member, new LeaderGuard(member, member.clock, 1000));
  return new Promise((resolve, reject) => {
    const stream = service.keepAlive({
      cancelled: false,
      send: (message) => {
        resolve(message.length);
        return true;
      },
      end: () => undefined,
      fail: (_code, text) => reject(new Error(text)),
    });
    const request = create(rpcpb.LeaseKeepAliveRequestSchema, { ID });
    stream.onMessage(toBinary(rpcpb.LeaseKeepAliveRequestSchema, request));
  });
}

describe("checkpoints", () => {
  let life: Life | undefined;
  afterEach(() => life?.running.stop());

  async function begin(disk: MemoryDisk, clock: Clock, featureGates: Record<string, boolean>): Promise<Life> {
    life = await Life.begin(disk, { clock, config: { featureGates } });
    return life;
  }

  async function beginWithCheckpoint(disk: MemoryDisk, clock: SkippingClock): Promise<Life> {
    const first = await begin(disk, clock, CHECKPOINTS);
    await until(() => first.running.member.cluster.storesCheckpoints, "the cluster has a version");
    await grant(first);
    clock.skip(1_200_000);
    await until(() => checkpointOf(first) > 0, "a checkpoint comes back through the log");
    return first;
  }

  it("are stored once the cluster is of a version that has them, so that a restart goes on from there", async () => {
    const disk = new MemoryDisk();
    const clock = new SkippingClock();
    const first = await beginWithCheckpoint(disk, clock);
    expect(left(first, clock)).toBeLessThanOrEqual(2400);
    await first.running.stop();

    const second = await begin(disk, clock, CHECKPOINTS);
    expect(checkpointOf(second)).toBeGreaterThan(2300);
    expect(left(second, clock)).toBeGreaterThan(2300);
    expect(left(second, clock)).toBeLessThanOrEqual(2401);
  });

  it("are cleared by a renewal before it is answered", async () => {
    const disk = new MemoryDisk();
    const clock = new SkippingClock();
    const first = await beginWithCheckpoint(disk, clock);
    await renew(first);
    expect(checkpointOf(first)).toBe(0);
    await first.running.stop();

    const second = await begin(disk, clock, CHECKPOINTS);
    expect(checkpointOf(second)).toBe(0);
    expect(left(second, clock)).toBeGreaterThanOrEqual(TTL - 1);
  });

  it("are not made without the gate: a restart gives the whole time again", async () => {
    const disk = new MemoryDisk();
    const clock = new SkippingClock();
    const first = await begin(disk, clock, {});
    await grant(first);
    clock.skip(1_200_000);
    // Whatever would come of a due checkpoint has come once this has gone the same way.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await first.put("k");
    expect(checkpointOf(first)).toBe(0);
    await first.running.stop();

    const second = await begin(disk, clock, {});
    expect(left(second, clock)).toBeGreaterThanOrEqual(TTL - 1);
  });
});
