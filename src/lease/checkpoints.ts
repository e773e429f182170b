// Checkpoints: the primary tells the others every few minutes how much of a long lease is left, so that a new primary
// goes on from there instead of granting the whole TTL again; with frequent elections a lease would never end. Only
// leases that live longer than the interval take part. A renewal makes the last checkpoint wrong (too short), which is
// why the server clears it through the log before it answers the renewal.

import type { LeaseId } from "#proto";
import { DeadlineHeap } from "./deadline-heap.js";
import type { Lease } from "./lease.js";
import { CHECKPOINT_BATCH_MS, CHECKPOINTS_PER_BATCH_MAX } from "./limits.js";

/** leasepb's LeaseCheckpoint: seconds left of a lease. */
export interface LeaseCheckpoint {
  readonly id: LeaseId;
  readonly remainingTtl: number;
}

export class Checkpoints {
  private readonly deadlines = new DeadlineHeap();
  private readonly intervalMs: number;
  private nextBatchMs = 0;

  constructor(intervalMs: number) {
    this.intervalMs = intervalMs;
  }

  /** Plans the next checkpoint of a lease, if it lives long enough to need one. */
  schedule(lease: Lease, nowMs: number): void {
    if (lease.effectiveTtl * 1000 > this.intervalMs) {
      this.deadlines.set(lease.checkpoint, nowMs + this.intervalMs);
    } else {
      this.deadlines.remove(lease.checkpoint);
    }
  }

  forget(lease: Lease): void {
    this.deadlines.remove(lease.checkpoint);
  }

  clear(): void {
    this.deadlines.clear();
    this.nextBatchMs = 0;
  }

  /** The checkpoints to propose now as one entry; empty when none is due. */
  take(nowMs: number): LeaseCheckpoint[] {
    const batch: LeaseCheckpoint[] = [];
    if (nowMs < this.nextBatchMs) return batch;
    while (batch.length < CHECKPOINTS_PER_BATCH_MAX) {
      const first = this.deadlines.first;
      if (first === undefined || first.atMs > nowMs) break;
      const { lease } = first;
      const remainingTtl = Math.ceil((lease.expiryMs - nowMs) / 1000);
      // One that has expired is about to be revoked.
      if (remainingTtl <= 0) {
        this.deadlines.remove(first);
        continue;
      }
      // Unconfirmed, or no different from no checkpoint: look again after an interval. A confirmed one is planned anew.
      this.deadlines.set(first, nowMs + this.intervalMs);
      if (remainingTtl < lease.ttl) batch.push({ id: lease.id, remainingTtl });
    }
    if (batch.length > 0) this.nextBatchMs = nowMs + CHECKPOINT_BATCH_MS;
    return batch;
  }
}
