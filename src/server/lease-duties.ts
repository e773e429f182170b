// What a member does for leases beside applying what the log says: it gives out ids, and as the leader it judges which leases
// have expired, has them revoked, and lets renewals wait for a revocation that is under way.

import type { Clock } from "#base";
import { type Lessor, leaseIdOf } from "#lease";
import type { LeaseId, MemberId } from "#proto";
import type { Revoker } from "./revoker.js";

export class LeaseDuties {
  private readonly lessor: Lessor;
  private readonly revoker: Revoker;
  private readonly clock: Clock;
  private readonly localId: MemberId;
  private readonly startedAt: number;
  private readonly electionTimeoutMs: number;
  private readonly waiting = new Map<LeaseId, (() => void)[]>();
  private ids = 0;

  constructor(parts: {
    lessor: Lessor;
    revoker: Revoker;
    clock: Clock;
    localId: MemberId;
    /** Milliseconds of the time of day; tells ids of this start from those of earlier ones. */
    startedAt: number;
    electionTimeoutMs: number;
  }) {
    this.lessor = parts.lessor;
    this.revoker = parts.revoker;
    this.clock = parts.clock;
    this.localId = parts.localId;
    this.startedAt = parts.startedAt;
    this.electionTimeoutMs = parts.electionTimeoutMs;
  }

  nextId(): LeaseId {
    this.ids++;
    return leaseIdOf(this.localId, this.startedAt, this.ids);
  }

  /** To be called after each batch of entries while this member leads: a new leader knows every lease that there is once it
   *  has applied an entry of its own term. */
  onAppliedAsLeader(appliedTerm: number, term: number): void {
    if (!this.lessor.isPrimary && appliedTerm === term)
      this.lessor.promote(this.clock.now(), this.electionTimeoutMs);
  }

  onLeadershipLost(): void {
    if (!this.lessor.isPrimary) return;
    this.lessor.demote();
    // Renewals that waited for a revocation by this member must ask the new leader.
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const callbacks of all) for (const callback of callbacks) callback();
  }

  /** Calls back once a lease that has expired is revoked; at once if it is gone already. */
  onceGone(id: LeaseId, callback: () => void): void {
    if (!this.lessor.exists(id)) return callback();
    const waiting = this.waiting.get(id);
    if (waiting === undefined) this.waiting.set(id, [callback]);
    else waiting.push(callback);
  }

  onRevoked(id: LeaseId): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    for (const callback of waiting) callback();
  }

  /** Proposes what is due: revocations, checkpoints. */
  tick(): void {
    this.revoker.tick();
    this.revoker.tickCheckpoints();
  }
}
