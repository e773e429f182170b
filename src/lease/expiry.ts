// Which leases have expired, and which of them may be revoked now. Expiry is only a proposal: a lease lives until its
// revocation comes back through the log, so what was proposed is remembered and, if it does not come back in time,
// proposed again. Two brakes keep a million leases that end at once from filling the log: few leases are taken up per
// pass, and few revocations are under way at a time.

import { Ring } from "#base";
import type { LeaseId } from "#proto";
import { DeadlineHeap } from "./deadline-heap.js";
import { FOREVER, type Lease } from "./lease.js";
import { EXPIRED_PER_PASS_MAX, EXPIRY_PASS_MS, REVOKES_IN_FLIGHT_MAX } from "./limits.js";

export class Expiry {
  private readonly deadlines = new DeadlineHeap();
  /** Found expired, not proposed yet. May hold leases that have ended since. */
  private readonly due = new Ring<Lease>();
  /** Proposed: lease -> when to propose again. */
  private readonly inFlight = new Map<Lease, number>();
  private readonly retryMs: number;
  private nextPassMs = 0;
  /** Leases found expired since start. */
  expiredTotal = 0;

  /** @param retryMs how long a proposed revocation that nothing is heard of may take before it is proposed again */
  constructor(retryMs: number) {
    this.retryMs = retryMs;
  }

  /** Sets or moves the end of a lease. */
  schedule(lease: Lease, atMs: number): void {
    lease.expiryMs = atMs;
    this.deadlines.set(lease.expiry, atMs);
  }

  /** The lease has ended. */
  forget(lease: Lease): void {
    this.deadlines.remove(lease.expiry);
    this.inFlight.delete(lease);
    lease.expiryMs = FOREVER;
  }

  clear(): void {
    this.deadlines.clear();
    this.due.clear();
    this.inFlight.clear();
    this.nextPassMs = 0;
  }

  /** When `take` may have something to do again, if nothing changes. */
  get nextMs(): number {
    if (this.due.length > 0) return this.nextPassMs;
    const first = this.deadlines.first;
    let next = first === undefined ? FOREVER : Math.max(first.atMs, this.nextPassMs);
    for (const retryMs of this.inFlight.values()) next = Math.min(next, retryMs);
    return next;
  }

  /** The leases to revoke now: expired, and within the brakes. @param limit most leases to return */
  take(nowMs: number, limit: number): LeaseId[] {
    this.requeueUnconfirmed(nowMs);
    if (nowMs >= this.nextPassMs) {
      this.nextPassMs = nowMs + EXPIRY_PASS_MS;
      this.pass(nowMs);
    }
    const ids: LeaseId[] = [];
    while (ids.length < limit && this.inFlight.size < REVOKES_IN_FLIGHT_MAX) {
      const lease = this.due.shift();
      if (lease === undefined) break;
      if (lease.expiryMs > nowMs) continue; // ended by other means meanwhile
      this.inFlight.set(lease, nowMs + this.retryMs);
      ids.push(lease.id);
    }
    return ids;
  }

  /** The revocation proposed for the lease was refused: it may be proposed again after a pass, when the reason, a leadership
   *  that is being handed over, may be gone. */
  refused(lease: Lease, nowMs: number): void {
    if (this.inFlight.has(lease)) this.inFlight.set(lease, nowMs + EXPIRY_PASS_MS);
  }

  private pass(nowMs: number): void {
    for (let found = 0; found < EXPIRED_PER_PASS_MAX; found++) {
      const first = this.deadlines.first;
      if (first === undefined || first.atMs > nowMs) return;
      this.deadlines.remove(first);
      this.due.push(first.lease);
      this.expiredTotal++;
    }
  }

  private requeueUnconfirmed(nowMs: number): void {
    for (const [lease, retryMs] of this.inFlight) {
      if (retryMs > nowMs) continue;
      this.inFlight.delete(lease);
      this.due.push(lease);
    }
  }
}
