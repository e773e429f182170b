// All keys in order: a B+tree of height two. A leaf is 256 words, its length and up to 255 refs of key blocks in key
// order; the directory above is one array of leaves with the ref of each leaf's first key beside it, so that the
// search through the directory reads no leaf. Ten million keys are some 60,000 leaves; a split then moves at most
// 480 KB of directory, once in more than a hundred inserts, which is cheaper than further levels would be.
//
// Each leaf also knows how many of its keys are live (their newest revision is not a tombstone), and the last revision
// at which one of them came to life or died. So a count adds up leaves instead of visiting keys, at the newest revision
// and at any older one after which the leaf's keys stayed the same. Rewriting a live key changes nothing here, and
// does not touch this structure at all.
//
// Positions (`leafAt`, `slotAt`, set by `locate`) are valid until the next insert or remove.

import type { KeyEntries } from "./key-entry.js";

const LEAF_WORDS = 256;
const LEAF_BITS = 8;
export const LEAF_KEYS_MAX = LEAF_WORDS - 1;
/** A leaf with fewer keys is joined with its neighbour if both together fill no more than three quarters of one. */
const MERGE_BELOW = 64;
const CHUNK_LEAVES_BITS = 6;
const CHUNK_LEAVES = 1 << CHUNK_LEAVES_BITS;

export class OrderedKeys {
  /** Leaves in use; directory positions are [0, leafCount). */
  leafCount = 0;
  /** Result of `locate`: directory position of the leaf. */
  leafAt = 0;
  /** Result of `locate`: index of the key in that leaf, or where it would go (may be one past the last). */
  slotAt = 0;
  private readonly chunks: Uint32Array[] = [];
  private leafOf = new Uint32Array(16);
  private firstOf = new Uint32Array(16);
  private liveOf = new Uint32Array(16); // by leaf, not by position
  private changedOf = new Float64Array(16); // by leaf
  private readonly freeLeaves: number[] = [];
  private leavesMade = 0;

  constructor(private readonly entries: KeyEntries) {}

  keyCount(position: number): number {
    const leaf = this.leafOf[position];
    return this.chunks[leaf >>> CHUNK_LEAVES_BITS][(leaf & (CHUNK_LEAVES - 1)) << LEAF_BITS];
  }

  refAt(position: number, slot: number): number {
    const leaf = this.leafOf[position];
    return this.chunks[leaf >>> CHUNK_LEAVES_BITS][((leaf & (CHUNK_LEAVES - 1)) << LEAF_BITS) + 1 + slot];
  }

  /** The words of a leaf: its length, then its refs. Valid until the next insert or remove. */
  leafWords(position: number): Uint32Array {
    const leaf = this.leafOf[position];
    const start = (leaf & (CHUNK_LEAVES - 1)) << LEAF_BITS;
    return this.chunks[leaf >>> CHUNK_LEAVES_BITS].subarray(start, start + LEAF_WORDS);
  }

  /** Live keys of a leaf as of its last change. */
  liveCount(position: number): number {
    return this.liveOf[this.leafOf[position]];
  }

  /** The last main revision at which a key of the leaf came to life or died. */
  changedAt(position: number): number {
    return this.changedOf[this.leafOf[position]];
  }

  /** Finds `key`, or the place where it belongs. Sets `leafAt` and `slotAt`. True when the key is there. */
  locate(key: Uint8Array): boolean {
    if (this.leafCount === 0) {
      this.leafAt = 0;
      this.slotAt = 0;
      return false;
    }
    const position = this.leafFor(key);
    this.leafAt = position;
    const words = this.chunks[this.leafOf[position] >>> CHUNK_LEAVES_BITS];
    const base = ((this.leafOf[position] & (CHUNK_LEAVES - 1)) << LEAF_BITS) + 1;
    const entries = this.entries;
    let low = 0;
    let high = words[base - 1];
    let lowMatched = 0;
    let highMatched = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = entries.compare(words[base + middle], key, Math.min(lowMatched, highMatched));
      if (order === 0) {
        this.slotAt = middle;
        return true;
      }
      if (order < 0) {
        low = middle + 1;
        lowMatched = entries.matched;
      } else {
        high = middle;
        highMatched = entries.matched;
      }
    }
    this.slotAt = low;
    return false;
  }

  /** Adds a key that is not there; it counts as live since `main` if `live`. */
  insert(key: Uint8Array, ref: number, live: boolean, main: number): void {
    this.locate(key);
    if (this.leafCount === 0) this.insertLeaf(0, this.takeLeaf());
    if (this.keyCount(this.leafAt) === LEAF_KEYS_MAX) this.split();
    const position = this.leafAt;
    const slot = this.slotAt;
    const words = this.leafWords(position);
    const count = words[0];
    words.copyWithin(slot + 2, slot + 1, count + 1);
    words[slot + 1] = ref;
    words[0] = count + 1;
    if (slot === 0) this.firstOf[position] = ref;
    if (live) this.noteLife(position, 1, main);
  }

  /** A key of the leaf at `position` came to life (+1) or died (-1) at revision `main`. */
  noteLife(position: number, change: number, main: number): void {
    const leaf = this.leafOf[position];
    this.liveOf[leaf] += change;
    this.changedOf[leaf] = main;
  }

  /** Removes the key at a position; it must not be live. */
  removeAt(position: number, slot: number): void {
    const words = this.leafWords(position);
    const count = words[0] - 1;
    words.copyWithin(slot + 1, slot + 2, count + 2);
    words[0] = count;
    if (slot === 0 && count > 0) this.firstOf[position] = words[1];
  }

  /** After removals: drops an empty leaf, joins a sparse one with its right neighbour. True if a leaf went away. */
  tidy(position: number): boolean {
    const words = this.leafWords(position);
    const count = words[0];
    if (count === 0) {
      this.removeLeaf(position);
      return true;
    }
    if (count >= MERGE_BELOW || position + 1 === this.leafCount) return false;
    const right = this.leafWords(position + 1);
    if (count + right[0] > (LEAF_KEYS_MAX * 3) / 4) return false;
    words.set(right.subarray(1, right[0] + 1), count + 1);
    words[0] = count + right[0];
    const leaf = this.leafOf[position];
    const rightLeaf = this.leafOf[position + 1];
    this.liveOf[leaf] += this.liveOf[rightLeaf];
    this.changedOf[leaf] = Math.max(this.changedOf[leaf], this.changedOf[rightLeaf]);
    this.removeLeaf(position + 1);
    return true;
  }

  /** Bytes held by leaves and directory. */
  get bytes(): number {
    return (
      this.chunks.length * CHUNK_LEAVES * LEAF_WORDS * 4 + this.leafOf.length * 8 + this.liveOf.length * 12
    );
  }

  /** The last leaf whose first key is not after `key`; the first leaf if there is none. */
  private leafFor(key: Uint8Array): number {
    const entries = this.entries;
    let low = 0;
    let high = this.leafCount;
    let lowMatched = 0;
    let highMatched = 0;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const order = entries.compare(this.firstOf[middle], key, Math.min(lowMatched, highMatched));
      if (order <= 0) {
        low = middle;
        lowMatched = entries.matched;
      } else {
        high = middle;
        highMatched = entries.matched;
      }
    }
    return low;
  }

  /** Splits the full leaf at `leafAt` and moves the position to the half where the key belongs. */
  private split(): void {
    const position = this.leafAt;
    const leaf = this.leafOf[position];
    const right = this.takeLeaf();
    // Keys that arrive in order leave full leaves behind them.
    const appending = position === this.leafCount - 1 && this.slotAt === LEAF_KEYS_MAX;
    const keep = appending ? LEAF_KEYS_MAX : (LEAF_KEYS_MAX + 1) >>> 1;
    this.insertLeaf(position + 1, right);
    const words = this.leafWords(position);
    const rightWords = this.leafWords(position + 1);
    rightWords.set(words.subarray(keep + 1, LEAF_WORDS), 1);
    rightWords[0] = LEAF_KEYS_MAX - keep;
    words[0] = keep;
    this.firstOf[position + 1] = rightWords[1];
    let live = 0;
    for (let slot = 1; slot <= rightWords[0]; slot++) if (!this.entries.isTombstone(rightWords[slot])) live++;
    this.liveOf[right] = live;
    this.liveOf[leaf] -= live;
    this.changedOf[right] = this.changedOf[leaf];
    if (this.slotAt > keep || appending) {
      this.leafAt = position + 1;
      this.slotAt -= keep;
    }
  }

  private takeLeaf(): number {
    const leaf = this.freeLeaves.pop() ?? this.leavesMade++;
    const chunk = leaf >>> CHUNK_LEAVES_BITS;
    if (chunk === this.chunks.length) this.chunks.push(new Uint32Array(CHUNK_LEAVES * LEAF_WORDS));
    if (leaf >= this.liveOf.length) {
      this.liveOf = grown(this.liveOf, new Uint32Array(this.liveOf.length * 2));
      this.changedOf = grown(this.changedOf, new Float64Array(this.changedOf.length * 2));
    }
    this.chunks[chunk][(leaf & (CHUNK_LEAVES - 1)) << LEAF_BITS] = 0;
    this.liveOf[leaf] = 0;
    this.changedOf[leaf] = 0;
    return leaf;
  }

  private insertLeaf(position: number, leaf: number): void {
    if (this.leafCount === this.leafOf.length) {
      this.leafOf = grown(this.leafOf, new Uint32Array(this.leafCount * 2));
      this.firstOf = grown(this.firstOf, new Uint32Array(this.leafCount * 2));
    }
    this.leafOf.copyWithin(position + 1, position, this.leafCount);
    this.firstOf.copyWithin(position + 1, position, this.leafCount);
    this.leafOf[position] = leaf;
    this.leafCount++;
  }

  private removeLeaf(position: number): void {
    this.freeLeaves.push(this.leafOf[position]);
    this.leafOf.copyWithin(position, position + 1, this.leafCount);
    this.firstOf.copyWithin(position, position + 1, this.leafCount);
    this.leafCount--;
  }
}

function grown<T extends Uint32Array | Float64Array>(old: T, bigger: T): T {
  bigger.set(old);
  return bigger;
}
