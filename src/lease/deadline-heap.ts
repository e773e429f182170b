// A binary heap of leases by deadline, in which every entry knows its place: a renewal moves its entry in O(log n),
// and a lease that ends takes its entry with it. One timer of the owner serves all leases.

import { panic } from "#base";
import type { Lease } from "./lease.js";

/** A lease's place in a heap. */
export class Deadline {
  readonly lease: Lease;
  atMs = 0;
  /** Index in the heap, -1 while it is in none. */
  index = -1;

  constructor(lease: Lease) {
    this.lease = lease;
  }
}

export class DeadlineHeap {
  private items: Deadline[] = [];

  get size(): number {
    return this.items.length;
  }

  /** The earliest entry. */
  get first(): Deadline | undefined {
    return this.items[0];
  }

  /** Puts the entry in, or moves it to another time. */
  set(item: Deadline, atMs: number): void {
    item.atMs = atMs;
    if (item.index < 0) {
      item.index = this.items.length;
      this.items.push(item);
    }
    this.settle(item);
  }

  /** Takes the entry out, if it is in. */
  remove(item: Deadline): void {
    const index = item.index;
    if (index < 0) return;
    if (this.items[index] !== item) panic("lease deadline is in another heap", { id: item.lease.id });
    item.index = -1;
    const last = this.items.pop();
    if (last === undefined || last === item) return;
    last.index = index;
    this.items[index] = last;
    this.settle(last);
  }

  clear(): void {
    for (const item of this.items) item.index = -1;
    this.items = [];
  }

  /** Moves an entry, whose time may be wrong for its place, to where it belongs. */
  private settle(item: Deadline): void {
    this.rise(item);
    this.sink(item);
  }

  private rise(item: Deadline): void {
    const items = this.items;
    let at = item.index;
    while (at > 0) {
      const parent = items[(at - 1) >> 1];
      if (parent.atMs <= item.atMs) break;
      const freed = parent.index;
      this.place(parent, at);
      at = freed;
    }
    this.place(item, at);
  }

  private sink(item: Deadline): void {
    const items = this.items;
    const count = items.length;
    let at = item.index;
    for (let child = at * 2 + 1; child < count; child = at * 2 + 1) {
      if (child + 1 < count && items[child + 1].atMs < items[child].atMs) child++;
      if (items[child].atMs >= item.atMs) break;
      this.place(items[child], at);
      at = child;
    }
    this.place(item, at);
  }

  private place(item: Deadline, at: number): void {
    this.items[at] = item;
    item.index = at;
  }
}
