// Which lease a key has, in one 32-bit word per key: a slot number, 0 for none. Few leases have many keys each, so ids
// are kept once per lease, with a count of the keys that use the slot.

import { type LeaseId, NO_LEASE } from "#proto";

export class LeaseSlots {
  private readonly slotOf = new Map<LeaseId, number>();
  private readonly ids: LeaseId[] = [NO_LEASE];
  private readonly users: number[] = [0];
  private readonly free: number[] = [];

  /** No key has a lease. */
  get isEmpty(): boolean {
    return this.slotOf.size === 0;
  }

  /** The lease in a slot; NO_LEASE for slot 0. */
  id(slot: number): LeaseId {
    return this.ids[slot];
  }

  /** The slot of a lease, with one user more. */
  acquire(lease: LeaseId): number {
    if (lease === NO_LEASE) return 0;
    let slot = this.slotOf.get(lease);
    if (slot === undefined) {
      slot = this.free.pop() ?? this.ids.length;
      this.slotOf.set(lease, slot);
      this.ids[slot] = lease;
      this.users[slot] = 0;
    }
    this.users[slot]++;
    return slot;
  }

  /** One user less; the last one frees the slot. */
  release(slot: number): void {
    if (slot === 0 || --this.users[slot] > 0) return;
    this.slotOf.delete(this.ids[slot]);
    this.free.push(slot);
  }
}
