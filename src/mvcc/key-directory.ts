// The directory of the ordered keys: all leaves in key order, each with the ref of its first key. One flat array: ten
// million keys are some 110,000 leaves; a split then moves at most 1.8 MB of directory, once in some sixty inserts, which
// is cheaper than further levels would be.
//
// Keys lie scattered in memory, and every one that a search looks at is a cache miss. So the directory also has, per
// leaf, six bytes of its first key as a number: those after the bytes that all first keys share, zeros where the key
// ends. Only first keys with the same six bytes are compared themselves. When a key comes that shares fewer bytes, all
// numbers are made anew; that can happen as often as the shared bytes become fewer, and these are never made more.
//
// Invariants: `shared` <= the bytes that the first keys of all leaves share; numbers ascend, not strictly.

import type { KeyEntries } from "./key-entry.js";

export class LeafDirectory {
  /** Leaves; positions are [0, count). */
  count = 0;
  /** Result of `find`: bytes in which the key is known to agree with the first key of the leaf that was found. */
  matched = 0;
  private leaves = new Uint32Array(16);
  private firsts = new Uint32Array(16);
  private tags = new Float64Array(16);
  private shared = 0;

  constructor(private readonly entries: KeyEntries) {}

  /** The leaf at a position. */
  leafAt(position: number): number {
    return this.leaves[position];
  }

  /** The ref of the first key of the leaf at a position. */
  firstAt(position: number): number {
    return this.firsts[position];
  }

  /**
   * The last leaf whose first key is not after `key`; the first leaf if there is none. Not for an empty directory.
   * @param hint a position to try first
   */
  find(key: Uint8Array, hint: number): number {
    const { entries, tags, shared, count } = this;
    const order = entries.compare(this.firsts[0], key, 0);
    if (entries.matched < shared) {
      this.matched = entries.matched;
      return order < 0 ? count - 1 : 0;
    }
    this.matched = shared;
    const tag = sixBytesOf(key, shared);
    if (hint < count && tags[hint] < tag && (hint + 1 === count || tag < tags[hint + 1])) return hint;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (tags[middle] < tag) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, this.findAmongEqual(key, tag, low) - 1);
  }

  /** Adds a leaf with the given first key. */
  insert(position: number, leaf: number, first: number): void {
    if (this.count === this.leaves.length) this.grow(this.count * 2);
    if (this.count === 0) this.shared = this.entries.keyLength(first);
    this.leaves.copyWithin(position + 1, position, this.count);
    this.firsts.copyWithin(position + 1, position, this.count);
    this.tags.copyWithin(position + 1, position, this.count);
    this.leaves[position] = leaf;
    this.count++;
    this.setFirst(position, first);
  }

  /** The leaf at a position begins with another key. */
  setFirst(position: number, first: number): void {
    this.firsts[position] = first;
    // The keys between two first keys share at least what these do.
    const other = position === 0 ? this.firsts[this.count - 1] : this.firsts[0];
    const shared = this.entries.sharedBytes(first, other, this.shared);
    if (shared === this.shared) this.tags[position] = this.entries.sixBytes(first, shared);
    else this.tagAll(shared);
  }

  remove(position: number): void {
    this.leaves.copyWithin(position, position + 1, this.count);
    this.firsts.copyWithin(position, position + 1, this.count);
    this.tags.copyWithin(position, position + 1, this.count);
    this.count--;
  }

  /** Makes room for so many leaves. */
  reserve(leaves: number): void {
    if (leaves > this.leaves.length) this.grow(leaves);
  }

  get bytes(): number {
    return this.leaves.length * 16;
  }

  /** `from` is the first position whose number is not below `tag`: the first one whose first key is after `key`. */
  private findAmongEqual(key: Uint8Array, tag: number, from: number): number {
    const { tags, count } = this;
    let low = from;
    let step = 1;
    while (low + step < count && tags[low + step] === tag) step *= 2;
    let high = Math.min(count, low + step);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const isAfter = tags[middle] > tag || this.entries.compare(this.firsts[middle], key, this.shared) > 0;
      if (isAfter) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private tagAll(shared: number): void {
    this.shared = shared;
    for (let i = 0; i < this.count; i++) this.tags[i] = this.entries.sixBytes(this.firsts[i], shared);
  }

  private grow(length: number): void {
    const { leaves, firsts, tags } = this;
    this.leaves = new Uint32Array(length);
    this.firsts = new Uint32Array(length);
    this.tags = new Float64Array(length);
    this.leaves.set(leaves);
    this.firsts.set(firsts);
    this.tags.set(tags);
  }
}

/** Four bytes of the key from `at` on as a big-endian number; zeros where it ends. */
export function fourBytesOf(key: Uint8Array, at: number): number {
  const a = at < key.length ? key[at] : 0;
  const b = at + 1 < key.length ? key[at + 1] : 0;
  const c = at + 2 < key.length ? key[at + 2] : 0;
  const d = at + 3 < key.length ? key[at + 3] : 0;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function sixBytesOf(key: Uint8Array, at: number): number {
  return fourBytesOf(key, at) * 0x10000 + (fourBytesOf(key, at + 4) >>> 16);
}
