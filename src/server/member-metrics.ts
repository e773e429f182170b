// What a member counts beside what its rooms count themselves. Plain fields; metrics-table.ts names them.

import type { Entry } from "#proto";
import { exponentialBounds, Histogram } from "./histogram.js";
import type { EntryOutcome } from "./waiters.js";

/** Hears of every applied entry; the simulator compares hashes of them. */
export interface AppliedHook {
  /** Whether outcomes have a body also where no client waits for one. */
  readonly wantsBodies: boolean;
  onApplied(entry: Entry, outcome: EntryOutcome): void;
  /** A snapshot from the leader took the place of all entries up to `index`. */
  onInstalled(index: number): void;
}

export class MemberMetrics {
  readonly walFsync = new Histogram(exponentialBounds(0.001, 2, 14));
  readonly backendCommit = new Histogram(exponentialBounds(0.001, 2, 14));
  readonly snapFsync = new Histogram(exponentialBounds(0.001, 2, 14));
  readonly defragment = new Histogram(exponentialBounds(0.1, 2, 13));
  proposalsFailed = 0;
  slowApplies = 0;
  leaderChanges = 0;
  private lastLeader = 0n;
  /** Applied entries get a response even if nobody waits for it. */
  readonly wantsBodies: boolean;
  private readonly appliedHook: AppliedHook | undefined;

  constructor(appliedHook?: AppliedHook) {
    this.appliedHook = appliedHook;
    this.wantsBodies = appliedHook?.wantsBodies === true;
  }

  onEntryApplied(entry: Entry, outcome: EntryOutcome): void {
    if (this.appliedHook !== undefined) this.appliedHook.onApplied(entry, outcome);
  }

  onSnapshotInstalled(index: number): void {
    if (this.appliedHook !== undefined) this.appliedHook.onInstalled(index);
  }

  onLeadership(leader: bigint, hasLeader: boolean): void {
    if (!hasLeader || leader === this.lastLeader) return;
    this.lastLeader = leader;
    this.leaderChanges++;
  }
}
