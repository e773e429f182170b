// What the leader knows of one member's log, and how it therefore sends to it (thesis §10.2.1 on pipelining):
//
//   Probe      the match is a guess: at most one append per heartbeat interval, until one is answered
//   Replicate  the match is known: appends are pipelined, `next` runs ahead optimistically, the in-flight window limits
//   Snapshot   the entries it needs are gone: a snapshot is on its way and nothing else is sent
//
//   Probe --ack--> Replicate --reject or unreachable--> Probe
//   Probe, Replicate --needs compacted entries--> Snapshot --ack that reaches our log--> Replicate
//                                                 Snapshot --reported sent or failed--> Probe
//
// Invariant: match < next.

import { panic } from "#base";
import type { MemberId } from "#proto";
import type { Inflights } from "./inflights.js";

export const ProgressState = { Probe: 0, Replicate: 1, Snapshot: 2 } as const;
export type ProgressState = (typeof ProgressState)[keyof typeof ProgressState];

export const PROGRESS_STATE_NAMES: readonly string[] = ["probe", "replicate", "snapshot"];

export class Progress {
  readonly id: MemberId;
  /** Highest index up to which this member's log, on its disk, is known to equal the leader's. */
  match = 0;
  /** Index of the next entry to send. */
  next: number;
  /** Highest commit index sent; it may go back when an append may have been lost. */
  sentCommit = 0;
  state: ProgressState = ProgressState.Probe;
  /** Index of the snapshot on its way, in state Snapshot. */
  pendingSnapshot = 0;
  /** Heard from since the last check of the quorum. Always true for the leader itself. */
  recentActive: boolean;
  /** No more appends until an answer or a heartbeat's answer: a probe is out, or the window is full. */
  appendPaused = false;
  isLearner: boolean;
  inflights: Inflights;

  constructor(id: MemberId, next: number, isLearner: boolean, recentActive: boolean, inflights: Inflights) {
    this.id = id;
    this.next = next;
    this.isLearner = isLearner;
    this.recentActive = recentActive;
    this.inflights = inflights;
  }

  /** Back to what a new term begins with: nothing known, probing from the end of the own log. */
  resetForTerm(match: number, next: number, inflights: Inflights): void {
    this.match = match;
    this.next = next;
    this.sentCommit = 0;
    this.state = ProgressState.Probe;
    this.pendingSnapshot = 0;
    this.recentActive = false;
    this.appendPaused = false;
    this.inflights = inflights;
  }

  becomeProbe(): void {
    // After a snapshot that was sent successfully, go on behind it even though its receipt is not acknowledged.
    const sent = this.state === ProgressState.Snapshot ? this.pendingSnapshot : 0;
    this.enter(ProgressState.Probe);
    this.next = Math.max(this.match, sent) + 1;
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.enter(ProgressState.Replicate);
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.enter(ProgressState.Snapshot);
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  private enter(state: ProgressState): void {
    this.state = state;
    this.pendingSnapshot = 0;
    this.appendPaused = false;
    this.inflights.reset();
  }

  /** An append of `count` entries from `next` on has been sent. */
  sentEntries(count: number, bytes: number): void {
    if (this.state === ProgressState.Replicate) {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      this.appendPaused = this.inflights.isFull();
    } else if (this.state === ProgressState.Probe) {
      if (count > 0) this.appendPaused = true;
    } else {
      panic("append sent to a member that waits for a snapshot", { progress: this.describe() });
    }
  }

  /** Would sending this commit index now tell the member anything? It can use one up to next - 1. */
  canBumpCommit(commit: number): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** The member acknowledged its log up to `index`. Returns false if that is old news. */
  acknowledge(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.appendPaused = false;
    return true;
  }

  /**
   * The member rejected an append that followed `rejected`; by the hint, its log may agree up to `hint`. Returns false for
   * a rejection that is out of date (messages may be duplicated and reordered).
   */
  backOff(rejected: number, hint: number): boolean {
    // What was acknowledged cannot be rejected, unless the member lost its disk: that is not for us to repair.
    if (rejected <= this.match) return false;
    if (this.state === ProgressState.Replicate) {
      this.next = this.match + 1;
    } else {
      // A probe is about exactly next - 1.
      if (this.next - 1 !== rejected) return false;
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
      this.appendPaused = false;
    }
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    return true;
  }

  isPaused(): boolean {
    return this.state === ProgressState.Snapshot || this.appendPaused;
  }

  describe(): string {
    let text = `${PROGRESS_STATE_NAMES[this.state]} match=${this.match} next=${this.next}`;
    if (this.isLearner) text += " learner";
    if (this.isPaused()) text += " paused";
    if (this.pendingSnapshot > 0) text += ` pendingSnapshot=${this.pendingSnapshot}`;
    if (!this.recentActive) text += " inactive";
    if (this.inflights.count > 0) text += ` ${this.inflights.describe()}`;
    return text;
  }
}
