// All keys in order: a B+tree of height two. A leaf holds up to 127 refs of key blocks in key order; the directory
// above is one array of leaves with the ref of each leaf's first key beside it, so that the search through the
// directory reads no leaf. Ten million keys are some 110,000 leaves; a split then moves at most 900 KB of directory,
// once in some sixty inserts, which is cheaper than further levels would be.
//
//   word       content of a leaf
//   0          number of keys
//   1 .. 127   refs of the keys' blocks
//   128        bytes that all keys of the leaf are known to share
//   129 ..     per key its next four bytes, as a big-endian number, zeros where the key ends
//
// Keys lie scattered in memory, and every one that a search looks at is a cache miss. The four bytes, which mostly tell
// the keys of a leaf apart, save nearly all of these. A search also tries the leaf of the one before it first.
//
// Each leaf also knows how many of its keys are live (their newest revision is not a tombstone), and the last revision
// at which one of them came to life or died. So a count adds up leaves instead of visiting keys, at the newest revision
// and at any older one after which the leaf's keys stayed the same. Rewriting a live key changes nothing here, and
// does not touch this structure at all.
//
// Positions (`leafAt`, `slotAt`, set by `locate`) are valid until the next insert or remove.

import type { KeyEntries } from "./key-entry.js";

const LEAF_BITS = 8;
const LEAF_WORDS = 1 << LEAF_BITS;
const SHARED_AT = LEAF_WORDS / 2;
const LEAF_KEYS_MAX = SHARED_AT - 1;
/** A leaf with fewer keys is joined with its neighbour if both together fill no more than three quarters of one. */
const MERGE_BELOW = 32;
const CHUNK_LEAVES_BITS = 6; // 64 KiB
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

  /** The memory that holds a leaf; its length is at `leafStart`, its refs follow. Valid until the next insert. */
  leafMemory(position: number): Uint32Array {
    return this.chunks[this.leafOf[position] >>> CHUNK_LEAVES_BITS];
  }

  leafStart(position: number): number {
    return (this.leafOf[position] & (CHUNK_LEAVES - 1)) << LEAF_BITS;
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
    this.slotAt = 0;
    if (this.leafCount === 0) {
      this.leafAt = 0;
      return false;
    }
    const position = this.leafFor(key);
    this.leafAt = position;
    const order = this.entries.compare(this.firstOf[position], key, 0);
    if (order >= 0) return order === 0;
    const words = this.leafMemory(position);
    const leaf = this.leafStart(position);
    const shared = words[leaf + SHARED_AT];
    if (this.entries.matched < shared) {
      // The key comes after the first one and differs in what all keys of the leaf share: it comes after all of them.
      this.slotAt = words[leaf];
      return false;
    }
    return this.searchLeaf(words, leaf, key, shared);
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
    let shared = key.length;
    if (count > 0) {
      this.entries.compare(words[1], key, 0);
      shared = Math.min(words[SHARED_AT], this.entries.matched);
    }
    words.copyWithin(slot + 2, slot + 1, count + 1);
    words[slot + 1] = ref;
    words[0] = count + 1;
    if (slot === 0) this.firstOf[position] = ref;
    if (shared === words[SHARED_AT]) {
      words.copyWithin(SHARED_AT + slot + 2, SHARED_AT + slot + 1, SHARED_AT + count + 1);
      words[SHARED_AT + slot + 1] = this.entries.fourBytes(ref, shared);
    } else this.tag(words, shared);
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
    words.copyWithin(SHARED_AT + slot + 1, SHARED_AT + slot + 2, SHARED_AT + count + 2);
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
    this.retag(words);
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
    const hint = this.leafAt;
    let low = 0;
    let high = this.leafCount;
    let lowMatched = 0;
    let highMatched = 0;
    if (hint < high) {
      if (entries.compare(this.firstOf[hint], key, 0) <= 0) {
        low = hint;
        lowMatched = entries.matched;
        if (hint + 1 === high || entries.compare(this.firstOf[hint + 1], key, 0) > 0) return hint;
        low = hint + 1;
        lowMatched = entries.matched;
      } else {
        high = hint;
        highMatched = entries.matched;
      }
    }
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

  /** Finds the key among those of a leaf that it shares the first `shared` bytes with. */
  private searchLeaf(words: Uint32Array, leaf: number, key: Uint8Array, shared: number): boolean {
    const entries = this.entries;
    const tags = leaf + SHARED_AT + 1;
    const wanted = fourBytesOf(key, shared);
    let low = 0;
    let high = words[leaf];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (words[tags + middle] < wanted) low = middle + 1;
      else high = middle;
    }
    high = words[leaf];
    // Keys with the same four bytes are rare and lie together; the search doubles its steps to their end.
    let step = 1;
    while (low + step < high && words[tags + low + step] === wanted) step *= 2;
    high = Math.min(high, low + step);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order =
        words[tags + middle] > wanted ? 1 : entries.compare(words[leaf + 1 + middle], key, shared);
      if (order === 0) {
        this.slotAt = middle;
        return true;
      }
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    this.slotAt = low;
    return false;
  }

  /** Finds out what all keys of a leaf share, and writes their four bytes. */
  private retag(words: Uint32Array): void {
    this.entries.compare(words[1], this.entries.keyView(words[words[0]]), 0);
    this.tag(words, this.entries.matched);
  }

  private tag(words: Uint32Array, shared: number): void {
    words[SHARED_AT] = shared;
    for (let slot = 1; slot <= words[0]; slot++) {
      words[SHARED_AT + slot] = this.entries.fourBytes(words[slot], shared);
    }
  }

  /** The words of a leaf. */
  private leafWords(position: number): Uint32Array {
    const start = this.leafStart(position);
    return this.leafMemory(position).subarray(start, start + LEAF_WORDS);
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
    rightWords.set(words.subarray(keep + 1, SHARED_AT), 1);
    rightWords[0] = LEAF_KEYS_MAX - keep;
    words[0] = keep;
    if (!appending) {
      this.retag(words);
      this.retag(rightWords);
    }
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

/** Four bytes of the key from `at` on as a big-endian number; zeros where it ends. */
function fourBytesOf(key: Uint8Array, at: number): number {
  const a = at < key.length ? key[at] : 0;
  const b = at + 1 < key.length ? key[at + 1] : 0;
  const c = at + 2 < key.length ? key[at + 2] : 0;
  const d = at + 3 < key.length ? key[at + 3] : 0;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
