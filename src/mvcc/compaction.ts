// Compaction. `compact` only decides: from then on reads below the revision are refused, and the decision is on its
// way to disk. The deleting is done by `step`, called by the driver with pauses and commits in between: first
// the key index, key by key, then the revision log, record by record from its start, deleting what the index does not
// keep. On the way the log is hashed as it was before, for the comparison of members.
//
// What stays: per key the newest revision <= R, if that is a put; every tombstone exactly at R, since a watch that
// starts at R needs it; everything newer than R.
//
// The mark `scheduledCompactRev` reaches the disk with or before the first delete, and `finishedCompactRev` with or
// after the last one. After a crash anywhere the start finds the first mark, goes on, and takes the current revision
// to be at least the mark: the newest record may be one of those that were deleted.

import { ErrCompacted, ErrFutureRev, type RpcError } from "#proto";
import { type HashCache, RevisionHasher } from "./hash.js";
import { KeyCompaction } from "./key-compaction.js";
import { KeyRevision } from "./key-history.js";
import { writeFinishedCompaction, writeScheduledCompaction } from "./meta.js";
import { dropsLastTombstones } from "./mutations.js";
import { keyOfRecord } from "./record.js";
import type { StoreState } from "./state.js";

/** What a step has left behind. */
export const CompactionProgress = {
  /** Nothing to do. */
  Idle: 0,
  /** More to do: commit, pause, come again. */
  More: 1,
  /** A reader is still busy below the compaction revision: come again later. */
  Waiting: 2,
  /** One compaction is done; another may be waiting. */
  Finished: 3,
} as const;
export type CompactionProgress = (typeof CompactionProgress)[keyof typeof CompactionProgress];

class Job {
  readonly hasher = new RevisionHasher();
  nextMain = 0;
  nextSub = 0;
  indexDone = false;

  constructor(
    readonly revision: number,
    readonly previousRevision: number,
    /** Every record since the previous compaction will be hashed, so the hash means the same on every member. */
    readonly hashIsWhole: boolean,
    readonly keys: KeyCompaction,
  ) {}
}

export class Compactor {
  /** The revision up to which everything is deleted, -1 for none. */
  finishedRevision = -1;
  private jobs: Job[] = [];
  private left = 0;
  private readonly revision = new KeyRevision();
  private readonly doomedMains: number[] = [];
  private readonly doomedSubs: number[] = [];

  constructor(
    private readonly state: StoreState,
    private readonly hashes: HashCache,
  ) {}

  /** Takes note that everything before `revision` may go. Durable with the backend's next commit. */
  compact(revision: number): RpcError | undefined {
    if (revision <= this.state.compactedRevision) return ErrCompacted;
    if (revision > this.state.currentRevision) return ErrFutureRev;
    this.schedule(revision, this.jobs.length === 0 && this.finishedRevision === this.state.compactedRevision);
    return undefined;
  }

  /** After a restart: takes over the marks that were found, and what was left undone. */
  resume(finishedRevision: number, scheduledRevision: number): void {
    this.jobs = [];
    this.finishedRevision = finishedRevision;
    this.state.compactedRevision = finishedRevision;
    if (scheduledRevision > finishedRevision) this.schedule(scheduledRevision, false);
  }

  /**
   * Does a part of the pending work.
   * @param budget keys of the index, or records of the log, to look at
   */
  step(budget: number): CompactionProgress {
    const job = this.jobs[0];
    if (job === undefined) return CompactionProgress.Idle;
    if (this.state.isPinnedBelow(job.revision)) return CompactionProgress.Waiting;
    if (!job.indexDone) {
      job.indexDone = job.keys.step(budget);
      return CompactionProgress.More;
    }
    this.left = budget;
    this.state.backend.scanRevisions(job.nextMain, job.nextSub, this.visit);
    this.deleteDoomed();
    if (this.left === 0) return CompactionProgress.More;
    this.finish(job);
    return CompactionProgress.Finished;
  }

  private schedule(revision: number, hashIsWhole: boolean): void {
    const { state } = this;
    const keys = new KeyCompaction(state.index, revision);
    this.jobs.push(new Job(revision, state.compactedRevision, hashIsWhole, keys));
    state.compactedRevision = revision;
    writeScheduledCompaction(state.backend, revision);
  }

  private finish(job: Job): void {
    this.jobs.shift();
    this.finishedRevision = job.revision;
    writeFinishedCompaction(this.state.backend, job.revision);
    if (!job.hashIsWhole) return;
    this.hashes.add({
      hash: job.hasher.sum,
      revision: job.revision,
      compactRevision: job.previousRevision,
    });
  }

  private readonly visit = (main: number, sub: number, tombstone: boolean, value: Uint8Array): boolean => {
    const job = this.jobs[0];
    if (main > job.revision) return false;
    if (this.left === 0) return false;
    this.left--;
    job.nextMain = main;
    job.nextSub = sub + 1;
    const readable = this.isReadable(job.revision, main, sub, value);
    if (counts(job, main, tombstone, readable)) job.hasher.add(main, sub, tombstone, value);
    const neededByWatch = tombstone && main === job.revision && !dropsLastTombstones();
    if (!readable && !neededByWatch) {
      this.doomedMains.push(main);
      this.doomedSubs.push(sub);
    }
    return true;
  };

  /** True if a read at the compaction revision finds this record. */
  private isReadable(atRevision: number, main: number, sub: number, value: Uint8Array): boolean {
    const { revision } = this;
    return (
      this.state.index.get(keyOfRecord(value), atRevision, revision) &&
      revision.main === main &&
      revision.sub === sub
    );
  }

  private deleteDoomed(): void {
    for (let i = 0; i < this.doomedMains.length; i++) {
      this.state.backend.deleteRevision(this.doomedMains[i], this.doomedSubs[i]);
    }
    this.state.counters.compactedRevisions += this.doomedMains.length;
    this.doomedMains.length = 0;
    this.doomedSubs.length = 0;
  }
}

/** Whether a record counts for the hash that a compaction leaves; see hash.ts. */
function counts(job: Job, main: number, tombstone: boolean, readable: boolean): boolean {
  if (main > job.previousRevision) return true;
  if (main === job.previousRevision && tombstone) return false;
  return readable || !job.keys.keptAny;
}
