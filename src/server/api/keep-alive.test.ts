// A stream of renewals against a lessor of its own and a member that is played: it leads or not, for certain or not, and
// its reads are answered when the test says so.

import { create, toBinary } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, it } from "vitest";
import { WireWriter } from "#base";
import { Lessor } from "#lease";
import { ErrLeaderChanged, rpcpb } from "#proto";
import { ManualClock } from "#testing";
import type { ReadWaiter } from "../reads.js";
import { EntryOutcome, type Waiter } from "../waiters.js";
import { KeepAliveStream, type LeaseKeeper } from "./keep-alive.js";

class PlayedMember implements LeaseKeeper {
  readonly clock = new ManualClock();
  readonly lessor = new Lessor(
    { put: () => {}, delete: () => {}, scan: () => {} },
    { ttlMin: 2, revokeRetryMs: 7000, checkpoints: true, storesCheckpoints: () => true },
  );
  isLeader = true;
  leadsForCertain = true;
  readableNow = false;
  readonly reads: ReadWaiter[] = [];
  readonly proposals: Waiter[] = [];
  private readonly leaseWaiters: (() => void)[] = [];

  linearizableRead(waiter: ReadWaiter): void {
    if (this.readableNow) waiter.onReady();
    else this.reads.push(waiter);
  }

  onceLeaseGone(_id: bigint, callback: () => void): void {
    this.leaseWaiters.push(callback);
  }

  propose(_field: number, _body: Uint8Array, waiter: Waiter): void {
    this.proposals.push(waiter);
  }

  writeHeader(_out: WireWriter): void {}

  /** Ends an expired lease, as its revocation does. */
  revoke(id: bigint): void {
    this.lessor.revoke(id);
    for (const callback of this.leaseWaiters.splice(0)) callback();
  }
}

describe("KeepAliveStream", () => {
  let member: PlayedMember;
  let stream: KeepAliveStream;
  let answers: string[];
  let forgotten: number;

  beforeEach(() => {
    member = new PlayedMember();
    member.lessor.promote(member.clock.now(), 0);
    member.lessor.grant(1n, 10, member.clock.now());
    answers = [];
    forgotten = 0;
    const call = {
      cancelled: false,
      send: (message: Uint8Array): boolean => {
        // The header, which is the member's, is left out.
        const bytes = Buffer.from(message);
        answers.push(bytes.length === 0 ? "0: gone" : `${bytes[1]}: ${bytes.length > 2 ? bytes[3] : "gone"}`);
        return true;
      },
      end: () => void answers.push("end"),
      fail: (_code: number, text: string) => void answers.push(text),
    };
    stream = new KeepAliveStream(call, member, () => forgotten++);
  });

  function ask(...ids: number[]): void {
    for (const id of ids) {
      const request = create(rpcpb.LeaseKeepAliveRequestSchema, { ID: BigInt(id) });
      stream.onMessage(toBinary(rpcpb.LeaseKeepAliveRequestSchema, request));
    }
  }

  it("renews at once while the member leads for certain", () => {
    ask(1);
    expect([answers, member.reads.length]).toEqual([["1: 10"], 0]);
  });

  it("has leadership confirmed first when it is not certain, and keeps the order", () => {
    member.leadsForCertain = false;
    ask(1, 1);
    expect([answers, member.reads.length, member.reads[0].wantsApplied]).toEqual([[], 1, false]);
    member.leadsForCertain = true;
    member.reads[0].onReady();
    expect([answers, member.reads.length]).toEqual([["1: 10", "1: 10"], 1]);
  });

  it("does not acknowledge when another member leads by now", () => {
    member.leadsForCertain = false;
    ask(1);
    const before = member.lessor.lookup(1n)?.expiryMs;
    member.clock.advance(5000);
    member.reads[0].onFailed(ErrLeaderChanged);
    expect(answers).toEqual(["etcdserver: leader changed"]);
    expect(member.lessor.lookup(1n)?.expiryMs).toBe(before);
    // A late answer to anything finds the stream ended.
    stream.work();
    expect([answers.length, forgotten > 0]).toEqual([1, true]);
  });

  it("gives up when the confirmation took so long that it is worth nothing", () => {
    member.leadsForCertain = false;
    ask(1);
    member.reads[0].onReady();
    expect(answers).toEqual(["etcdserver: request timed out"]);
  });

  it("ends at once on a member that does not lead", () => {
    member.isLeader = false;
    member.leadsForCertain = false;
    ask(1);
    expect([answers, member.reads.length]).toEqual([["etcdserver: no leader"], 0]);
  });

  it("waits for what earlier leaders left before it denies a lease", () => {
    ask(2);
    expect([answers, member.reads.length, member.reads[0].wantsApplied]).toEqual([[], 1, true]);
    member.lessor.grant(2n, 30, member.clock.now());
    member.reads[0].onReady();
    expect(answers).toEqual(["2: 30"]);
  });

  it("waits for a new leader to know its leases", () => {
    member.lessor.demote();
    ask(1);
    expect(answers).toEqual([]);
    member.lessor.promote(member.clock.now(), 0);
    member.reads[0].onReady();
    expect(answers).toEqual(["1: 10"]);
  });

  it("clears a checkpoint before it renews", () => {
    member.lessor.checkpoint(1n, 5, member.clock.now());
    ask(1);
    expect([answers, member.proposals.length]).toEqual([[], 1]);
    member.lessor.checkpoint(1n, 0, member.clock.now());
    member.proposals[0].onApplied(new EntryOutcome(new WireWriter(16)));
    expect(answers).toEqual(["1: 10"]);
  });

  it("answers thousands of requests that waited behind one", () => {
    member.readableNow = true;
    member.clock.advance(10_000);
    ask(1, ...new Array<number>(9_000).fill(99));
    expect(answers).toEqual([]);
    member.revoke(1n);
    expect([answers.length, answers[0], answers[9000]]).toEqual([9001, "1: gone", "99: gone"]);
  });

  it("ends after the last answer when the client has finished asking", () => {
    member.leadsForCertain = false;
    ask(1);
    stream.onHalfClose();
    expect(answers).toEqual([]);
    member.leadsForCertain = true;
    member.reads[0].onReady();
    expect([answers, forgotten]).toEqual([["1: 10", "end"], 1]);
  });

  it("tells nothing after the client has gone", () => {
    member.leadsForCertain = false;
    ask(1);
    stream.onCancel();
    member.reads[0].onFailed(ErrLeaderChanged);
    expect(answers).toEqual([]);
  });
});
