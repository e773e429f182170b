// Linearizable reads without a log entry (thesis §6.4, "ReadIndex"): the leader notes its commit index, makes sure by a round
// of heartbeats that it still was the leader after the request came in, and then answers with the noted index.
//
// Requests are numbered in order of arrival. A heartbeat carries the number of the newest one (8 bytes, little endian, as
// raft 3.7 sends it), followers return it verbatim, and an acknowledged number confirms all requests up to it. So any
// number of reads shares one round, a lost heartbeat costs nothing, and, the numbers being the leader's own, a client that
// repeats a request cannot be answered by the confirmation of its earlier one. The queue dies with the leadership.

import { EMPTY_BYTES, Ring } from "#base";
import type { MemberId, RaftMessage } from "#proto";
import type { JointQuorum } from "./quorum/joint.js";
import type { AckedIndexes } from "./quorum/majority.js";

/** A read that may be served once the state machine has applied `index`. */
export class ReadState {
  readonly index: number;
  /** The context given with the request. */
  readonly context: Uint8Array;

  constructor(index: number, context: Uint8Array) {
    this.index = index;
    this.context = context;
  }
}

/** A ReadIndex request and the commit index when it arrived. */
export class WaitingRead {
  readonly request: RaftMessage;
  readonly index: number;

  constructor(request: RaftMessage, index: number) {
    this.request = request;
    this.index = index;
  }
}

const CONTEXT_BYTES = 8;

export class ReadIndexQueue implements AckedIndexes {
  private readonly waiting = new Ring<WaitingRead>();
  /** Requests confirmed so far; the oldest waiting one has the number after it. */
  private confirmed = 0;
  private readonly acked = new Map<MemberId, number>();

  get length(): number {
    return this.waiting.length;
  }

  add(request: RaftMessage, commitIndex: number): void {
    this.waiting.push(new WaitingRead(request, commitIndex));
  }

  /** The context for the next heartbeats: number of the newest waiting request, or empty when none waits. */
  heartbeatContext(): Uint8Array {
    if (this.waiting.length === 0) return EMPTY_BYTES;
    const context = new Uint8Array(CONTEXT_BYTES);
    let rest = this.confirmed + this.waiting.length;
    for (let i = 0; i < CONTEXT_BYTES; i++) {
      context[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    return context;
  }

  /** A member returned this context: it took us for the leader after all requests up to that number had arrived. */
  acknowledge(from: MemberId, context: Uint8Array): void {
    if (context.length !== CONTEXT_BYTES) return;
    let number = 0;
    for (let i = CONTEXT_BYTES - 1; i >= 0; i--) number = number * 256 + context[i];
    // A number never handed out confirms nothing.
    if (number > this.confirmed + this.waiting.length) return;
    if (number > this.ackedIndex(from)) this.acked.set(from, number);
  }

  ackedIndex(id: MemberId): number {
    return this.acked.get(id) ?? 0;
  }

  /** Removes and returns the oldest request if a quorum has confirmed it. */
  takeConfirmed(voters: JointQuorum): WaitingRead | undefined {
    if (this.waiting.length === 0 || voters.committedIndex(this) <= this.confirmed) return undefined;
    this.confirmed++;
    return this.waiting.shift();
  }

  describe(): string {
    return `waiting=${this.waiting.length} confirmed=${this.confirmed}`;
  }
}
