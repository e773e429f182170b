// Automatic compaction over hours that a manual clock lets pass. The revision is the minute, so that what is kept can be
// read off the number.

import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { SILENT, WireWriter } from "#base";
import { ErrCompacted, ErrTimeout, type RpcError, rpcpb } from "#proto";
import { ManualClock } from "#testing";
import { AutoCompactor, type CompactingMember } from "./auto-compactor.js";
import type { ServerConfig } from "./config.js";
import { EntryOutcome, type Waiter } from "./waiters.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

class PlayedMember implements CompactingMember {
  readonly clock = new ManualClock();
  readonly logger = SILENT;
  readonly store = { currentRevision: 1 };
  readonly config: ServerConfig;
  isLeader = true;
  /** `minute: revision` of each compaction. */
  readonly compactions: string[] = [];
  /** What becomes of the next ones. */
  failure: RpcError | undefined;
  refusal: RpcError | undefined;
  minute = 0;

  constructor(mode: "periodic" | "revision", retention: number) {
    const config: Partial<ServerConfig> = {
      autoCompactionMode: mode,
      autoCompactionRetention: retention,
    };
    this.config = config as ServerConfig;
    AutoCompactor.create(this)?.start();
  }

  propose(_field: number, body: Uint8Array, waiter: Waiter): void {
    const { revision } = fromBinary(rpcpb.CompactionRequestSchema, body);
    this.compactions.push(`${this.minute}: ${revision}`);
    if (this.failure !== undefined) return waiter.onFailed(this.failure);
    const outcome = new EntryOutcome(new WireWriter(16));
    outcome.error = this.refusal;
    waiter.onApplied(outcome);
  }

  /** Lets minutes pass; each makes one revision. */
  pass(minutes: number): this {
    for (let i = 0; i < minutes; i++) {
      this.minute++;
      this.clock.advance(MINUTE);
      this.store.currentRevision++;
    }
    return this;
  }
}

describe("mode periodic", () => {
  it("compacts after a whole period to what was current when it began, then every period", () => {
    const member = new PlayedMember("periodic", 10 * MINUTE).pass(40);
    // From the second on the oldest sample is eleven steps old.
    expect(member.compactions).toEqual(["10: 1", "20: 9", "30: 19", "40: 29"]);
  });

  it("keeps several hours and compacts every hour", () => {
    const member = new PlayedMember("periodic", 5 * HOUR).pass(8 * 60);
    expect(member.compactions).toEqual(["300: 1", "360: 54", "420: 114", "480: 174"]);
  });

  it("compacts nothing twice", () => {
    const member = new PlayedMember("periodic", 10 * MINUTE).pass(5);
    for (let i = 0; i < 60; i++) member.clock.advance(MINUTE);
    const before = member.compactions.length;
    for (let i = 0; i < 60; i++) member.clock.advance(MINUTE);
    expect(member.compactions.length).toBe(before);
  });

  it("tries again at the next step when it failed, and takes 'compacted' for success", () => {
    const member = new PlayedMember("periodic", 10 * MINUTE).pass(19);
    member.failure = ErrTimeout;
    member.pass(2);
    member.failure = undefined;
    member.refusal = ErrCompacted;
    member.pass(12);
    expect(member.compactions).toEqual(["10: 1", "20: 9", "21: 10", "22: 11", "32: 21"]);
  });

  it("goes on sampling while another member leads", () => {
    const member = new PlayedMember("periodic", 10 * MINUTE);
    member.isLeader = false;
    member.pass(25);
    expect(member.compactions).toEqual([]);
    member.isLeader = true;
    member.pass(2);
    expect(member.compactions).toEqual(["26: 15"]);
  });
});

describe("mode revision", () => {
  it("keeps the newest revisions, every five minutes", () => {
    const member = new PlayedMember("revision", 7).pass(20);
    expect(member.compactions).toEqual(["10: 3", "15: 8", "20: 13"]);
  });
});
