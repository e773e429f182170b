// A contiguous run of log entries, [firstIndex, endIndex), in a power-of-two ring addressed by the low bits of the log
// index. Appending, cutting the tail off (a conflict) and dropping the head (a compaction, or entries that became stable)
// touch only the entries concerned, and nothing is ever shifted. Both the unstable log and the in-memory storage are one.
// Slots outside the run hold a placeholder, so that a dropped entry can be collected.

import { panic, slotsOf } from "#base";
import { Entry, NO_ENTRIES } from "#proto";

const VACANT: Entry = Object.freeze(new Entry());

export class EntryWindow {
  /** Index of the first entry, or of the entry that an append must start with when the window is empty. */
  firstIndex: number;
  private count = 0;
  private slots: Entry[];
  private mask: number;

  /** @param capacity a power of two; the ring doubles when it is full */
  constructor(firstIndex: number, capacity = 64) {
    this.firstIndex = firstIndex;
    this.slots = slotsOf(capacity, VACANT);
    this.mask = capacity - 1;
  }

  get length(): number {
    return this.count;
  }

  /** One past the index of the last entry. */
  get endIndex(): number {
    return this.firstIndex + this.count;
  }

  /** The entry at `index`, which must be inside the window. */
  at(index: number): Entry {
    if (index < this.firstIndex || index >= this.endIndex) this.outside(index, index + 1);
    return this.slots[index & this.mask];
  }

  /** Appends entries whose indexes continue the window, from `entries[from]` on. */
  append(entries: readonly Entry[], from = 0): void {
    const added = entries.length - from;
    if (added === 0) return;
    if (entries[from].index !== this.endIndex) {
      panic("log entries are not contiguous", { next: this.endIndex, got: entries[from].index });
    }
    if (this.count + added > this.slots.length) this.grow(this.count + added);
    const slots = this.slots;
    const mask = this.mask;
    let at = this.endIndex;
    for (let i = from; i < entries.length; i++) slots[at++ & mask] = entries[i];
    this.count += added;
  }

  /** Forgets every entry at or after `index`. */
  truncateFrom(index: number): void {
    for (let i = Math.max(index, this.firstIndex); i < this.endIndex; i++) this.slots[i & this.mask] = VACANT;
    this.count = Math.min(this.count, Math.max(0, index - this.firstIndex));
  }

  /** Forgets every entry before `index`, which is at most `endIndex`. */
  dropBefore(index: number): void {
    if (index <= this.firstIndex) return;
    if (index > this.endIndex) this.outside(index, index);
    for (let i = this.firstIndex; i < index; i++) this.slots[i & this.mask] = VACANT;
    this.count -= index - this.firstIndex;
    this.firstIndex = index;
  }

  /** Forgets everything; the next append starts at `firstIndex`. */
  reset(firstIndex: number): void {
    this.truncateFrom(this.firstIndex);
    this.firstIndex = firstIndex;
  }

  /** The entries in [lo, hi) as an array that never changes. */
  slice(lo: number, hi: number): readonly Entry[] {
    if (lo < this.firstIndex || hi > this.endIndex || lo > hi) this.outside(lo, hi);
    if (lo === hi) return NO_ENTRIES;
    const start = lo & this.mask;
    const end = start + (hi - lo);
    if (end <= this.slots.length) return this.slots.slice(start, end);
    return this.slots.slice(start).concat(this.slots.slice(0, end & this.mask));
  }

  private grow(needed: number): void {
    let size = this.slots.length;
    while (size < needed) size *= 2;
    const slots = slotsOf(size, VACANT);
    for (let i = this.firstIndex; i < this.endIndex; i++) slots[i & (size - 1)] = this.slots[i & this.mask];
    this.slots = slots;
    this.mask = size - 1;
  }

  private outside(lo: number, hi: number): never {
    panic("log index outside the window", { lo, hi, firstIndex: this.firstIndex, endIndex: this.endIndex });
  }
}
