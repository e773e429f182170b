// A walk over the keys of a range as they were at one revision, in either direction, and the count of such a range.
//
// Positions in the ordered keys hold only while the index is not changed. A walk that has to let other work run in
// between calls `suspend()` first and `resume()` afterwards; it goes on behind the last key it has visited, whether or
// not that key is still there.

import { compareBytes, copyBytes, EMPTY_BYTES } from "#base";
import { KeyRevision } from "./key-history.js";
import type { KeyIndex } from "./key-index.js";

/** A half-open range of keys; no `end` means up to the last key. */
export class KeyRange {
  start: Uint8Array = EMPTY_BYTES;
  end: Uint8Array | undefined = undefined;
}

export class KeyCursor {
  /** The key that `next` has found. */
  ref = 0;
  /** What it was at the revision. */
  readonly revision = new KeyRevision();
  /** Keys that the last `countLeaf` had to look at. */
  lookedAt = 0;
  private start: Uint8Array = EMPTY_BYTES;
  private end: Uint8Array | undefined = undefined;
  private atRevision = 0;
  private descending = false;
  private words: Uint32Array = NO_WORDS;
  private base = 0;
  // The rest of the current leaf is [low, high); the rest of the range are the leaves up to (or down to) `lastLeaf`.
  private low = 0;
  private high = 0;
  private leaf = 0;
  private lastLeaf = 0;
  private lastBound = 0;
  private visited = 0;
  /** The near end of the range is a key that was visited already. */
  private started = false;

  constructor(public index: KeyIndex) {}

  /** Goes to the begin of [start, end), or to its end if `descending`. The bytes must stay as they are. */
  seek(start: Uint8Array, end: Uint8Array | undefined, atRevision: number, descending: boolean): void {
    this.start = start;
    this.end = end;
    this.atRevision = atRevision;
    this.descending = descending;
    this.started = false;
    this.position();
  }

  /** Goes to the next key that existed at the revision. False at the end. */
  next(): boolean {
    const index = this.index;
    for (;;) {
      while (this.low < this.high) {
        const ref = this.words[this.base + (this.descending ? this.high-- : ++this.low)]; // the length comes first
        this.visited = ref;
        if (index.resolve(ref, this.atRevision, this.revision)) {
          this.ref = ref;
          return true;
        }
      }
      if (!this.nextLeaf()) return false;
    }
  }

  /** Counts the keys of the rest of one leaf; -1 at the end. Ascending only. */
  countLeaf(): number {
    this.lookedAt = 1;
    while (this.low === this.high) if (!this.nextLeaf()) return -1;
    const order = this.index.order;
    const whole = this.low === 0 && this.high === this.words[this.base];
    this.visited = this.words[this.base + this.high];
    if (whole && this.atRevision >= order.changedAt(this.leaf)) {
      this.low = this.high;
      return order.liveCount(this.leaf);
    }
    let count = 0;
    this.lookedAt = this.high - this.low;
    while (this.low < this.high) {
      if (this.index.resolve(this.words[this.base + ++this.low], this.atRevision, this.revision)) count++;
    }
    return count;
  }

  /** Call before the index may change. */
  suspend(): void {
    if (this.visited === 0) return;
    this.started = true;
    const key = copyBytes(this.index.entries.keyView(this.visited));
    if (this.descending) this.end = key;
    else this.start = key;
  }

  /** Call after the index may have changed. */
  resume(): void {
    this.position();
  }

  private nextLeaf(): boolean {
    if (this.leaf === this.lastLeaf) return false;
    this.leaf += this.descending ? -1 : 1;
    this.enterLeaf();
    return true;
  }

  private enterLeaf(): void {
    const { order } = this.index;
    this.words = order.leafMemory(this.leaf);
    this.base = order.leafStart(this.leaf);
    this.low = this.descending && this.leaf === this.lastLeaf ? this.lastBound : 0;
    this.high = !this.descending && this.leaf === this.lastLeaf ? this.lastBound : this.words[this.base];
  }

  /** Finds both ends of what is left of the range. */
  private position(): void {
    const order = this.index.order;
    this.visited = 0;
    if (order.leafCount === 0 || (this.end !== undefined && compareBytes(this.end, this.start) <= 0)) {
      this.leaf = this.lastLeaf = this.low = this.high = 0;
      return;
    }
    const found = order.locate(this.start);
    const startLeaf = order.leafAt;
    const startSlot = order.slotAt + (found && this.started && !this.descending ? 1 : 0);
    let endLeaf = order.leafCount - 1;
    let endSlot = order.keyCount(endLeaf);
    if (this.end !== undefined) {
      order.locate(this.end);
      endLeaf = order.leafAt;
      endSlot = order.slotAt;
    }
    this.leaf = this.descending ? endLeaf : startLeaf;
    this.lastLeaf = this.descending ? startLeaf : endLeaf;
    this.lastBound = this.descending ? startSlot : endSlot;
    this.enterLeaf();
    if (this.descending) this.high = endSlot;
    else this.low = startSlot;
  }
}

const NO_WORDS = new Uint32Array(1);
