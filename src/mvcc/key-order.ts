// All keys in order: a B+tree of height two. A leaf holds up to 127 refs of key blocks in key order; above is one flat
// directory of leaves (key-directory.ts).
//
//   word       content of a leaf
//   0          number of keys
//   1 .. 127   refs of the keys' blocks
//   128        bytes that all keys of the leaf are known to share
//   129 ..     per key its next four bytes, as a big-endian number, zeros where the key ends
//
// The four bytes mostly tell the keys of a leaf apart, so that a search looks at few keys themselves; they lie scattered
// in memory, and each is a cache miss. A search also tries the leaf of the one before it first.
//
// Each leaf also knows how many of its keys are live (their newest revision is not a tombstone), and the last revision
// at which one of them came to life or died. So a count adds up leaves instead of visiting keys, at the newest revision
// and at any older one after which the leaf's keys stayed the same. Rewriting a live key changes nothing here, and
// does not touch this structure at all.
//
// At start all keys are there before any is looked for. They are sorted and the leaves are filled one after the other.
//
// Positions (`leafAt`, `slotAt`, set by `locate`) are valid until the next insert or remove.

import { fourBytesOf, LeafDirectory } from "./key-directory.js";
import type { KeyEntries } from "./key-entry.js";
import { sortRefs } from "./key-sort.js";

const LEAF_BITS = 8;
const LEAF_WORDS = 1 << LEAF_BITS;
const SHARED_AT = LEAF_WORDS / 2;
const LEAF_KEYS_MAX = SHARED_AT - 1;
/** Keys that stay when a leaf is split. */
const LEFT_KEYS = (LEAF_KEYS_MAX + 1) >>> 1;
/** A leaf with fewer keys is joined with its neighbour if both together fill no more than three quarters of one. */
const MERGE_BELOW = 32;
/** Keys per leaf when many are put in at once: the first one that comes later should not have to split its leaf. */
const BUILD_KEYS = 104;
const CHUNK_LEAVES_BITS = 6; // 64 KiB
const CHUNK_LEAVES = 1 << CHUNK_LEAVES_BITS;

export class OrderedKeys {
  /** Result of `locate`: directory position of the leaf. */
  leafAt = 0;
  /** Result of `locate`: index of the key in that leaf, or where it would go (may be one past the last). */
  slotAt = 0;
  private readonly chunks: Uint32Array[] = [];
  private liveOf = new Uint32Array(16); // by leaf, not by position
  private changedOf = new Float64Array(16); // by leaf
  private readonly freeLeaves: number[] = [];
  private leavesMade = 0;
  private readonly directory: LeafDirectory;
  /** Result of `locate`: bytes that the key shares with the first one of the leaf. */
  private matchedFirst = 0;

  constructor(private readonly entries: KeyEntries) {
    this.directory = new LeafDirectory(entries);
  }

  /** Leaves in use; directory positions are [0, leafCount). */
  get leafCount(): number {
    return this.directory.count;
  }

  keyCount(position: number): number {
    const leaf = this.directory.leafAt(position);
    return this.chunks[leaf >>> CHUNK_LEAVES_BITS][(leaf & (CHUNK_LEAVES - 1)) << LEAF_BITS];
  }

  refAt(position: number, slot: number): number {
    const leaf = this.directory.leafAt(position);
    return this.chunks[leaf >>> CHUNK_LEAVES_BITS][((leaf & (CHUNK_LEAVES - 1)) << LEAF_BITS) + 1 + slot];
  }

  /** The memory that holds a leaf; its length is at `leafStart`, its refs follow. Valid until the next insert. */
  leafMemory(position: number): Uint32Array {
    return this.chunks[this.directory.leafAt(position) >>> CHUNK_LEAVES_BITS];
  }

  leafStart(position: number): number {
    return (this.directory.leafAt(position) & (CHUNK_LEAVES - 1)) << LEAF_BITS;
  }

  /** Live keys of a leaf as of its last change. */
  liveCount(position: number): number {
    return this.liveOf[this.directory.leafAt(position)];
  }

  /** The last main revision at which a key of the leaf came to life or died. */
  changedAt(position: number): number {
    return this.changedOf[this.directory.leafAt(position)];
  }

  /** Finds `key`, or the place where it belongs. Sets `leafAt` and `slotAt`. True when the key is there. */
  locate(key: Uint8Array): boolean {
    const { directory, entries } = this;
    this.slotAt = 0;
    if (directory.count === 0) {
      this.leafAt = 0;
      return false;
    }
    const position = directory.find(key, this.leafAt);
    this.leafAt = position;
    // The leaf is read before the key, so that the processor waits for both at once.
    const words = this.leafMemory(position);
    const leaf = this.leafStart(position);
    const shared = words[leaf + SHARED_AT];
    const order = entries.compare(directory.firstAt(position), key, directory.matched);
    this.matchedFirst = entries.matched;
    if (order >= 0) return order === 0;
    if (this.matchedFirst < shared) {
      // The key comes after the first one and differs in what all keys of the leaf share: it comes after all of them.
      this.slotAt = words[leaf];
      return false;
    }
    return this.searchLeaf(words, leaf, key, shared);
  }

  /** Adds a key that is not there; it counts as live since `main` if `live`. */
  insert(key: Uint8Array, ref: number, live: boolean, main: number): void {
    this.locate(key);
    const isFull = this.leafCount > 0 && this.keyCount(this.leafAt) === LEAF_KEYS_MAX;
    if (this.leafCount === 0) this.addLeaf(0, ref);
    else if (isFull && this.slotAt === LEAF_KEYS_MAX && this.leafAt === this.leafCount - 1) {
      // Keys that arrive in order leave full leaves behind them.
      this.addLeaf(++this.leafAt, ref);
    } else {
      if (isFull) this.split(ref);
      this.insertInLeaf(ref);
    }
    if (live) this.noteLife(this.leafAt, 1, main);
  }

  /** Puts many keys in at once, when there are none yet. Their newest revisions are there already. Sorts `refs`. */
  build(refs: Uint32Array): void {
    sortRefs(this.entries, refs);
    this.directory.reserve(Math.ceil(refs.length / BUILD_KEYS));
    for (let from = 0; from < refs.length; from += BUILD_KEYS) {
      this.buildLeaf(refs.subarray(from, Math.min(refs.length, from + BUILD_KEYS)));
    }
  }

  /** A key of the leaf at `position` came to life (+1) or died (-1) at revision `main`. */
  noteLife(position: number, change: number, main: number): void {
    const leaf = this.directory.leafAt(position);
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
    if (slot === 0 && count > 0) this.directory.setFirst(position, words[1]);
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
    const leaf = this.directory.leafAt(position);
    const rightLeaf = this.directory.leafAt(position + 1);
    this.liveOf[leaf] += this.liveOf[rightLeaf];
    this.changedOf[leaf] = Math.max(this.changedOf[leaf], this.changedOf[rightLeaf]);
    this.removeLeaf(position + 1);
    return true;
  }

  /** Bytes held by leaves and directory. */
  get bytes(): number {
    return (
      this.chunks.length * CHUNK_LEAVES * LEAF_WORDS * 4 + this.directory.bytes + this.liveOf.length * 12
    );
  }

  /** Inserts the key that was just located into its leaf, which is not full. */
  private insertInLeaf(ref: number): void {
    const words = this.leafMemory(this.leafAt);
    const leaf = this.leafStart(this.leafAt);
    const at = leaf + 1 + this.slotAt;
    const end = leaf + 1 + words[leaf]++;
    const shared = Math.min(words[leaf + SHARED_AT], this.matchedFirst);
    words.copyWithin(at + 1, at, end);
    words[at] = ref;
    if (shared === words[leaf + SHARED_AT]) {
      words.copyWithin(SHARED_AT + at + 1, SHARED_AT + at, SHARED_AT + end);
      words[SHARED_AT + at] = this.entries.fourBytes(ref, shared);
    } else this.tag(this.leafWords(this.leafAt), shared);
    if (this.slotAt === 0) this.directory.setFirst(this.leafAt, ref);
  }

  /** Adds a leaf with these keys, in order, to the end. */
  private buildLeaf(refs: Uint32Array): void {
    const { entries } = this;
    const position = this.leafCount;
    const leaf = this.addLeaf(position, refs[0]);
    const words = this.leafWords(position);
    words.set(refs, 1);
    words[0] = refs.length;
    // The short loop first: in it the processor waits for several cache misses at once.
    let live = 0;
    let changed = 0;
    for (let i = 0; i < refs.length; i++) {
      const isLive = !entries.isTombstone(refs[i]);
      if (isLive) live++;
      changed = Math.max(changed, isLive ? entries.created(refs[i]) : entries.main(refs[i]));
    }
    this.liveOf[leaf] = live;
    this.changedOf[leaf] = changed;
    this.retag(words);
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
    this.tag(words, this.entries.sharedBytes(words[1], words[words[0]], Number.POSITIVE_INFINITY));
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

  /** Splits the full leaf at `leafAt` and moves the position to the half where the located key belongs. */
  private split(ref: number): void {
    const position = this.leafAt;
    const left = this.directory.leafAt(position);
    const right = this.addLeaf(position + 1, this.refAt(position, LEFT_KEYS));
    const words = this.leafWords(position);
    const rightWords = this.leafWords(position + 1);
    rightWords.set(words.subarray(LEFT_KEYS + 1, SHARED_AT), 1);
    rightWords[0] = LEAF_KEYS_MAX - LEFT_KEYS;
    words[0] = LEFT_KEYS;
    this.retag(words);
    this.retag(rightWords);
    let live = 0;
    for (let slot = 1; slot <= rightWords[0]; slot++) if (!this.entries.isTombstone(rightWords[slot])) live++;
    this.liveOf[right] = live;
    this.liveOf[left] -= live;
    this.changedOf[right] = this.changedOf[left];
    if (this.slotAt > LEFT_KEYS) {
      this.leafAt = position + 1;
      this.slotAt -= LEFT_KEYS;
      this.matchedFirst = this.entries.sharedBytes(rightWords[1], ref, this.entries.keyLength(ref));
    }
  }

  /** A new leaf with one key. @returns its number */
  private addLeaf(position: number, ref: number): number {
    const leaf = this.freeLeaves.pop() ?? this.leavesMade++;
    if (leaf >>> CHUNK_LEAVES_BITS === this.chunks.length) {
      this.chunks.push(new Uint32Array(CHUNK_LEAVES * LEAF_WORDS));
    }
    if (leaf >= this.liveOf.length) {
      this.liveOf = grown(this.liveOf, new Uint32Array(this.liveOf.length * 2));
      this.changedOf = grown(this.changedOf, new Float64Array(this.changedOf.length * 2));
    }
    this.liveOf[leaf] = 0;
    this.changedOf[leaf] = 0;
    this.directory.insert(position, leaf, ref);
    const words = this.leafMemory(position);
    const start = this.leafStart(position);
    words[start] = 1;
    words[start + 1] = ref;
    words[start + SHARED_AT] = this.entries.keyLength(ref);
    words[start + SHARED_AT + 1] = 0;
    return leaf;
  }

  private removeLeaf(position: number): void {
    this.freeLeaves.push(this.directory.leafAt(position));
    this.directory.remove(position);
  }
}

function grown<T extends Uint32Array | Float64Array>(old: T, bigger: T): T {
  bigger.set(old);
  return bigger;
}
