// Linearizable reads by ReadIndex (Raft thesis §6.4): the leader confirms that it still leads, and the read is served
// once everything committed by then has been applied. All reads that wait at one moment share one confirmation; only one
// confirmation is under way at a time, and each attempt has an id of its own, so that an answer to an attempt that was
// given up can never serve a later read.

import { Ring } from "#base";
import { ErrLeaderChanged, ErrTimeout, type RpcError } from "#proto";
import { READ_INDEX_RETRY_MS } from "./limits.js";
import { mutations } from "./mutations.js";

/** Somebody who wants to read the latest state. Exactly one of the methods is called, once. */
export abstract class ReadWaiter {
  /** Set by `LinearizableReads.add`. */
  deadline = 0;
  /** False: enough that this member still leads (or knows who does); what is applied does not matter. */
  readonly wantsApplied: boolean = true;

  /** The applied state now contains everything acknowledged before the read was asked for. */
  abstract onReady(): void;
  abstract onFailed(error: RpcError): void;
}

export class LinearizableReads {
  /** Waiting for the next attempt to begin. */
  private queued: ReadWaiter[] = [];
  /** Covered by the attempt under way. */
  private asked: ReadWaiter[] = [];
  private attempt = 0;
  private attemptAt = 0;
  /** Confirmed, waiting for the apply loop to reach an index. */
  private readonly confirmed = new Ring<ConfirmedReads>();
  private confirmedCount = 0;
  /** Since the leader last changed: when the newest attempt that was confirmed had been begun. */
  private confirmedAt = Number.NEGATIVE_INFINITY;
  private readonly patienceMs: number;
  slowReads = 0;
  failedReads = 0;

  constructor(patienceMs: number) {
    this.patienceMs = patienceMs;
  }

  /** Everybody who waits, for raft's answer or for entries to be applied. */
  get waiting(): number {
    return this.queued.length + this.asked.length + this.confirmedCount;
  }

  /** Whether some attempt has been confirmed since the leader last changed, as far as this member knows. */
  get wasConfirmed(): boolean {
    return this.confirmedAt !== Number.NEGATIVE_INFINITY;
  }

  /** Whether whoever leads has been confirmed, as of some moment in the last `ms` before `now`. */
  wasConfirmedWithin(ms: number, now: number): boolean {
    return now - this.confirmedAt <= ms;
  }

  add(waiter: ReadWaiter, now: number): void {
    waiter.deadline = now + this.patienceMs;
    this.queued.push(waiter);
  }

  /**
   * The id of an attempt that raft should now be asked about, or 0 when there is nothing to ask. A second attempt for
   * the same reads follows when the first stays unanswered for too long.
   */
  nextAttempt(now: number): number {
    const isRepeated = this.asked.length > 0;
    if (isRepeated) {
      if (now - this.attemptAt < READ_INDEX_RETRY_MS) return 0;
      this.slowReads++;
    } else if (this.queued.length === 0) return 0;
    if (this.queued.length > 0) {
      this.asked = this.asked.length === 0 ? this.queued : this.asked.concat(this.queued);
      this.queued = [];
    }
    if (!mutations.staleReadIndex || !isRepeated) this.attempt++;
    this.attemptAt = now;
    return this.attempt;
  }

  /** Raft could not take the attempt (no leader): it is tried again at the next retry. */
  get waitingForAnswer(): boolean {
    return this.asked.length > 0;
  }

  /** Raft confirmed an attempt: its reads may be served once `index` is applied. */
  onConfirmed(attempt: number, index: number, appliedIndex: number): void {
    if (attempt !== this.attempt || this.asked.length === 0) return;
    const reads = this.asked;
    this.asked = [];
    this.confirmedAt = this.attemptAt;
    const unapplied: ReadWaiter[] = [];
    for (const read of reads) {
      if (index <= appliedIndex || !read.wantsApplied) read.onReady();
      else unapplied.push(read);
    }
    if (unapplied.length === 0) return;
    this.confirmed.push({ index, reads: unapplied });
    this.confirmedCount += unapplied.length;
  }

  onApplied(appliedIndex: number): void {
    for (let head = this.confirmed.peek(); head !== undefined && head.index <= appliedIndex; ) {
      this.confirmed.shift();
      this.confirmedCount -= head.reads.length;
      for (const read of head.reads) read.onReady();
      head = this.confirmed.peek();
    }
  }

  /** The leader changed: what it had been asked can no longer be answered. */
  onLeaderChanged(): void {
    const reads = this.asked;
    this.asked = [];
    this.attempt++;
    this.confirmedAt = Number.NEGATIVE_INFINITY;
    this.failedReads += reads.length;
    for (const read of reads) read.onFailed(ErrLeaderChanged);
  }

  /** Fails the reads whose patience has run out. */
  expire(now: number): void {
    const late: ReadWaiter[] = [];
    this.queued = takeLate(this.queued, now, late);
    this.asked = takeLate(this.asked, now, late);
    this.takeLateConfirmed(now, late);
    this.failedReads += late.length;
    // Last, for whoever fails may ask again.
    for (const read of late) read.onFailed(ErrTimeout);
  }

  failAll(error: RpcError): void {
    const all = [...this.queued, ...this.asked];
    for (let head = this.confirmed.shift(); head !== undefined; head = this.confirmed.shift())
      for (const read of head.reads) all.push(read);
    this.queued = [];
    this.asked = [];
    this.confirmedCount = 0;
    for (const read of all) read.onFailed(error);
  }

  /** Everyone has the same patience, so those who were confirmed first are late first. */
  private takeLateConfirmed(now: number, late: ReadWaiter[]): void {
    for (let head = this.confirmed.peek(); head !== undefined; head = this.confirmed.peek()) {
      const before = head.reads.length;
      head.reads = takeLate(head.reads, now, late);
      this.confirmedCount -= before - head.reads.length;
      if (head.reads.length > 0) return;
      this.confirmed.shift();
    }
  }
}

/** Moves those whose deadline has passed to `late`. @returns the others */
function takeLate(reads: ReadWaiter[], now: number, late: ReadWaiter[]): ReadWaiter[] {
  if (reads.length === 0 || reads[0].deadline > now) return reads;
  const kept: ReadWaiter[] = [];
  for (const read of reads) (read.deadline > now ? kept : late).push(read);
  return kept;
}

interface ConfirmedReads {
  readonly index: number;
  /** Oldest first. */
  reads: ReadWaiter[];
}
