// One lease: how long it was granted for, when it ends if this member is the one who judges that, and the keys that go
// with it. Keys are held as latin1 strings, one byte per byte, whose order is the order of the bytes.

import { printable } from "#base";
import type { LeaseId } from "#proto";
import { Deadline } from "./deadline-heap.js";

/** The deadline of a lease on a member that does not judge expiry. */
export const FOREVER = Number.POSITIVE_INFINITY;

export class Lease {
  readonly id: LeaseId;
  /** Granted seconds, after the minimum was applied. */
  readonly ttl: number;
  /** Seconds that were left at the last checkpoint; 0 when there is none, or a renewal cleared it. */
  remainingTtl: number;
  /** When it ends, on the lessor's clock in milliseconds; FOREVER on a member that is not primary. */
  expiryMs = FOREVER;
  readonly expiry: Deadline;
  readonly checkpoint: Deadline;
  private keySet: Set<string> | undefined = undefined;

  constructor(id: LeaseId, ttl: number, remainingTtl: number) {
    this.id = id;
    this.ttl = ttl;
    this.remainingTtl = remainingTtl;
    this.expiry = new Deadline(this);
    this.checkpoint = new Deadline(this);
  }

  /** Seconds that a new primary grants it: what the last checkpoint left, otherwise all. */
  get effectiveTtl(): number {
    return this.remainingTtl > 0 ? this.remainingTtl : this.ttl;
  }

  get keyCount(): number {
    return this.keySet === undefined ? 0 : this.keySet.size;
  }

  attach(key: Uint8Array): void {
    if (this.keySet === undefined) this.keySet = new Set();
    this.keySet.add(latin1(key));
  }

  detach(key: Uint8Array): void {
    this.keySet?.delete(latin1(key));
  }

  /** The attached keys in no particular order. */
  keys(): Uint8Array[] {
    return this.keySet === undefined ? [] : Array.from(this.keySet, bytesOf);
  }

  sortedKeys(): Uint8Array[] {
    return this.keySet === undefined ? [] : Array.from(this.keySet).sort().map(bytesOf);
  }

  /** @param nowMs the lessor's clock */
  describe(nowMs: number): string {
    const left = this.expiryMs === FOREVER ? "forever" : `${this.expiryMs - nowMs}ms`;
    const checkpointed = this.remainingTtl > 0 ? ` remaining=${this.remainingTtl}` : "";
    const keys = this.sortedKeys().map(printable).join(",");
    return `${this.id} ttl=${this.ttl}${checkpointed} ends=${left}${keys === "" ? "" : ` keys=${keys}`}`;
  }
}

function latin1(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}
