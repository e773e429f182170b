// Commits the backend: every interval, or earlier when many operations are pending.
//
// Unless the interval was chosen, a commit of less than is worth a sync waits some intervals for more. Each commit syncs a
// file, and the log's syncs, which clients wait for, stand behind it in the disk's queue; the log has everything that is not
// committed. Not when much of the quota would be used: it looks at a size that only commits move.
//
// Applied index and term are written at the start of every commit, whoever asked for it, so that they are always in the
// same transaction as the effects up to them: after a crash the log is replayed from exactly there, and nothing is applied
// twice or skipped.

import type { Clock, Timer } from "#base";
import type { StorageBackend } from "#storage";
import type { Histogram } from "./histogram.js";
import { COMMIT_INTERVAL_MS, COMMIT_INTERVALS_MAX, COMMIT_WORTHWHILE_BYTES } from "./limits.js";
import { mutations } from "./mutations.js";
import type { Quota } from "./quota.js";

const CONSISTENT_INDEX = new TextEncoder().encode("consistent_index");
const TERM = new TextEncoder().encode("term");

/** Applied index and term as the backend has them; zeros for a new backend. */
export function readConsistentIndex(backend: StorageBackend): { index: number; term: number } {
  return {
    index: readUint64(backend.get("meta", CONSISTENT_INDEX)),
    term: readUint64(backend.get("meta", TERM)),
  };
}

function readUint64(value: Uint8Array | undefined): number {
  if (value === undefined || value.length !== 8) return 0;
  return Number(new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0));
}

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

export class Committer {
  private readonly backend: StorageBackend;
  private readonly clock: Clock;
  private readonly intervalMs: number;
  private readonly isIntervalChosen: boolean;
  private readonly quota: Quota;
  private readonly pendingMax: number;
  private readonly durations: Histogram;
  private readonly fatal: (error: unknown) => void;
  private timer: Timer | undefined;
  private stopped = false;
  private committing = false;
  /** Intervals for which the present content has waited to be committed. */
  private intervalsWaited = 0;
  /** The backend is being replaced: what is known here of the applied index belongs to neither side. */
  private held = false;
  private savedIndex: number;
  private savedTerm: number;

  /** Set by the apply loop after each batch: what the backend's content corresponds to. */
  appliedIndex: number;
  appliedTerm: number;

  constructor(parts: {
    backend: StorageBackend;
    clock: Clock;
    /** Milliseconds; 0 leaves the choice to the committer. */
    intervalMs: number;
    quota: Quota;
    /** Operations that start a commit before the interval is over. */
    pendingMax: number;
    durations: Histogram;
    fatal: (error: unknown) => void;
  }) {
    this.backend = parts.backend;
    this.clock = parts.clock;
    this.isIntervalChosen = parts.intervalMs > 0;
    this.intervalMs = this.isIntervalChosen ? parts.intervalMs : COMMIT_INTERVAL_MS;
    this.quota = parts.quota;
    this.pendingMax = parts.pendingMax;
    this.durations = parts.durations;
    this.fatal = parts.fatal;
    const saved = readConsistentIndex(parts.backend);
    this.savedIndex = saved.index;
    this.savedTerm = saved.term;
    this.appliedIndex = saved.index;
    this.appliedTerm = saved.term;
    if (!mutations.appliedIndexOutsideTransaction) this.backend.beforeCommit = () => this.markAppliedIndex();
  }

  start(): void {
    this.timer = this.clock.setTimer(this.intervalMs, () => this.tick());
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== undefined) this.clock.clearTimer(this.timer);
    this.timer = undefined;
  }

  /** From now on the applied index is kept out of commits, until `release` says what it is. */
  hold(): void {
    this.held = true;
  }

  /** The backend has the state of this index. */
  release(index: number, term: number): void {
    this.held = false;
    this.appliedIndex = index;
    this.appliedTerm = term;
  }

  /** To be called after each applied batch. */
  onApplied(): void {
    if (this.backend.pendingWrites >= this.pendingMax && !this.committing) this.commitInBackground();
  }

  /** Makes everything applied so far durable. */
  async commit(): Promise<void> {
    if (mutations.appliedIndexOutsideTransaction) {
      await this.backend.commit();
      this.markAppliedIndex();
    }
    const began = this.clock.now();
    await this.backend.commit();
    this.durations.observe((this.clock.now() - began) / 1000);
  }

  private tick(): void {
    if (this.stopped) return;
    this.timer = this.clock.setTimer(this.intervalMs, () => this.tick());
    const dirty = this.backend.pendingWrites > 0 || this.appliedIndex !== this.savedIndex;
    if (!dirty || this.committing) return;
    this.intervalsWaited++;
    if (!this.mayWait()) this.commitInBackground();
  }

  private mayWait(): boolean {
    if (this.isIntervalChosen || this.intervalsWaited >= COMMIT_INTERVALS_MAX) return false;
    const { pendingWrites, pendingBytes } = this.backend;
    if (this.quota.isHalfUsedWith(pendingBytes)) return false;
    return pendingWrites < this.pendingMax && pendingBytes < COMMIT_WORTHWHILE_BYTES;
  }

  private commitInBackground(): void {
    this.committing = true;
    this.intervalsWaited = 0;
    this.commit().then(
      () => {
        this.committing = false;
        if (!this.stopped) this.onApplied();
      },
      (error: unknown) => {
        this.committing = false;
        if (!this.stopped) this.fatal(error);
      },
    );
  }

  private markAppliedIndex(): void {
    if (this.held) return;
    if (this.appliedIndex !== this.savedIndex) {
      this.savedIndex = this.appliedIndex;
      this.backend.put("meta", CONSISTENT_INDEX, uint64(this.appliedIndex));
    }
    if (this.appliedTerm !== this.savedTerm) {
      this.savedTerm = this.appliedTerm;
      this.backend.put("meta", TERM, uint64(this.appliedTerm));
    }
  }
}
