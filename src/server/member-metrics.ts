// What a member counts beside what its rooms count themselves. Plain fields; metrics-table.ts names them.

import type { Entry } from "#proto";
import { ApplyDurations } from "./apply-durations.js";
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
  readonly walWrite = new Histogram(exponentialBounds(0.001, 2, 14));
  readonly snapSave = new Histogram(exponentialBounds(0.001, 2, 14));
  readonly backendSnapshot = new Histogram(exponentialBounds(0.01, 2, 17));
  readonly hash = new Histogram(exponentialBounds(0.01, 2, 15));
  readonly hashRevision = new Histogram(exponentialBounds(0.01, 2, 15));
  readonly leaseTtl = new Histogram(exponentialBounds(1, 2, 24));
  readonly applies = new ApplyDurations();
  openViews = 0;
  defragmentsInFlight = 0;
  readonly defragment = new Histogram(exponentialBounds(0.1, 2, 13));
  proposalsFailed = 0;
  slowApplies = 0;
  leaderChanges = 0;
  private lastLeader = 0n;
  private appliedAt = 0;
  /** Applied entries get a response even if nobody waits for it. */
  readonly wantsBodies: boolean;
  private readonly appliedHook: AppliedHook | undefined;

  constructor(appliedHook?: AppliedHook) {
    this.appliedHook = appliedHook;
    this.wantsBodies = appliedHook?.wantsBodies === true;
  }

  onApplyBegins(now: number): void {
    this.appliedAt = now;
  }

  /** What passed since the entry before counts as the time that this one took. */
  observeApply(field: number, outcome: EntryOutcome, now: number): void {
    this.applies.observe(field, outcome.error === undefined, (now - this.appliedAt) / 1000);
    this.appliedAt = now;
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
