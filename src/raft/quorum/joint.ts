// Decisions while two configurations hold at once: each needs the majority of both. Outside a change the outgoing half is
// empty and never limits.
//
// Source: Raft paper §6, Raft thesis §4.3.

import type { MemberId } from "#proto";
import { type AckedIndexes, Majority, sortedIds, VoteResult } from "./majority.js";

export class JointQuorum {
  /** The configuration that is, or is becoming, the only one. */
  readonly incoming: Majority;
  /** The configuration that is being left; empty outside a joint change. */
  readonly outgoing: Majority;

  constructor(incoming: Majority, outgoing: Majority = Majority.EMPTY) {
    this.incoming = incoming;
    this.outgoing = outgoing;
  }

  get isJoint(): boolean {
    return this.outgoing.size > 0;
  }

  /** Every voter of either half, ascending. */
  ids(): readonly MemberId[] {
    return this.isJoint ? sortedIds([...this.incoming.ids, ...this.outgoing.ids]) : this.incoming.ids;
  }

  has(id: MemberId): boolean {
    return this.incoming.has(id) || this.outgoing.has(id);
  }

  /** The highest index committed in both halves. */
  committedIndex(acked: AckedIndexes): number {
    const incoming = this.incoming.committedIndex(acked);
    return this.isJoint ? Math.min(incoming, this.outgoing.committedIndex(acked)) : incoming;
  }

  /** Won if both halves are, lost as soon as one is. */
  voteResult(votes: ReadonlyMap<MemberId, boolean>): VoteResult {
    const incoming = this.incoming.voteResult(votes);
    const outgoing = this.outgoing.voteResult(votes);
    if (incoming === outgoing) return incoming;
    if (incoming === VoteResult.Lost || outgoing === VoteResult.Lost) return VoteResult.Lost;
    return VoteResult.Pending;
  }

  describe(): string {
    const incoming = this.incoming.describe();
    return this.isJoint ? `${incoming}&&${this.outgoing.describe()}` : incoming;
  }
}
