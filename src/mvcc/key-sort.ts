// Sorts the refs of many keys at once, for the start, where a search per key would cost more than everything else.
//
// A group of keys is sorted by what follows the bytes that all of them share: seven bytes and how many of these the key
// has, as one 64-bit number, by radix (least significant byte first; bytes in which all agree are passed over). Keys
// that are still the same form smaller groups, which are sorted in the same way further on. So the cost does not depend
// on where the keys begin to differ. Small groups are sorted by insertion.
//
// The number ends with the count so that a key comes before those that go on with zero bytes. No two keys are equal.

import type { KeyEntries } from "./key-entry.js";

const INSERTION_MAX = 24;
const TAG_KEY_BYTES = 7;
const TAG_BYTES = 8;

/** Sorts `refs` by the bytes of their keys. */
export function sortRefs(entries: KeyEntries, refs: Uint32Array): void {
  new RefSorter(entries, refs).sort();
}

/** Refs with the numbers that they are sorted by. */
class TaggedRefs {
  readonly high: Uint32Array;
  readonly low: Uint32Array;

  constructor(readonly refs: Uint32Array) {
    this.high = new Uint32Array(refs.length);
    this.low = new Uint32Array(refs.length);
  }

  copyFrom(other: TaggedRefs, start: number, end: number): void {
    this.refs.set(other.refs.subarray(start, end), start);
    this.high.set(other.high.subarray(start, end), start);
    this.low.set(other.low.subarray(start, end), start);
  }
}

class RefSorter {
  private readonly tagged: TaggedRefs;
  private readonly spare: TaggedRefs;
  private readonly next = new Uint32Array(256);
  /** Groups to be sorted: start, end, and bytes known to be shared. A list, since recursion could go too deep. */
  private readonly groups: number[] = [];

  constructor(
    private readonly entries: KeyEntries,
    refs: Uint32Array,
  ) {
    this.tagged = new TaggedRefs(refs);
    this.spare = new TaggedRefs(new Uint32Array(refs.length));
  }

  sort(): void {
    this.groups.push(0, this.tagged.refs.length, 0);
    while (this.groups.length > 0) {
      const known = this.groups.pop()!;
      const end = this.groups.pop()!;
      const start = this.groups.pop()!;
      if (end - start <= INSERTION_MAX) this.sortByInsertion(start, end);
      else this.sortGroup(start, end, known);
    }
  }

  private sortByInsertion(start: number, end: number): void {
    const { refs } = this.tagged;
    for (let i = start + 1; i < end; i++) {
      const ref = refs[i];
      let at = i;
      while (at > start && this.entries.compareKeys(refs[at - 1], ref) > 0) {
        refs[at] = refs[at - 1];
        at--;
      }
      refs[at] = ref;
    }
  }

  private sortGroup(start: number, end: number, known: number): void {
    const shared = this.sharedBytes(start, end, known);
    if (!this.tag(start, end, shared)) this.sortByTags(start, end);
    const { high, low } = this.tagged;
    for (let i = start, first = start; i < end; i++) {
      if (i + 1 < end && high[i + 1] === high[i] && low[i + 1] === low[i]) continue;
      if (i > first) this.groups.push(first, i + 1, shared + TAG_KEY_BYTES);
      first = i + 1;
    }
  }

  /** The number of bytes that all keys of a group share; at least `known`. */
  private sharedBytes(start: number, end: number, known: number): number {
    const { refs } = this.tagged;
    const first = refs[start];
    let shared = this.entries.keyLength(first);
    for (let i = start + 1; i < end && shared > known; i++) {
      shared = this.entries.sharedBytes(first, refs[i], shared);
    }
    return shared;
  }

  /** Writes the numbers of a group. True if they ascend already. */
  private tag(start: number, end: number, shared: number): boolean {
    const { entries } = this;
    const { refs, high, low } = this.tagged;
    let isAscending = true;
    let previousHigh = 0;
    let previousLow = 0;
    for (let i = start; i < end; i++) {
      const ref = refs[i];
      const h = entries.fourBytes(ref, shared);
      const left = Math.min(TAG_KEY_BYTES, entries.keyLength(ref) - shared);
      const l = ((entries.fourBytes(ref, shared + 4) & 0xffffff00) | left) >>> 0;
      if (h < previousHigh || (h === previousHigh && l < previousLow)) isAscending = false;
      high[i] = previousHigh = h;
      low[i] = previousLow = l;
    }
    return isAscending;
  }

  private sortByTags(start: number, end: number): void {
    let from = this.tagged;
    let to = this.spare;
    for (let byte = 0; byte < TAG_BYTES; byte++) {
      const digits = byte < 4 ? from.low : from.high;
      const shift = (byte & 3) * 8;
      if (!this.countDigits(digits, shift, start, end)) continue;
      scatter(from, to, digits, shift, this.next, start, end);
      [from, to] = [to, from];
    }
    if (from !== this.tagged) this.tagged.copyFrom(from, start, end);
  }

  /** Sets `next` to where the first item with each digit goes. False if all items have the same one. */
  private countDigits(digits: Uint32Array, shift: number, start: number, end: number): boolean {
    const { next } = this;
    next.fill(0);
    for (let i = start; i < end; i++) next[(digits[i] >>> shift) & 0xff]++;
    if (next[(digits[start] >>> shift) & 0xff] === end - start) return false;
    for (let digit = 0, at = start; digit < 256; digit++) {
      const count = next[digit];
      next[digit] = at;
      at += count;
    }
    return true;
  }
}

function scatter(
  from: TaggedRefs,
  to: TaggedRefs,
  digits: Uint32Array,
  shift: number,
  next: Uint32Array,
  start: number,
  end: number,
): void {
  const { refs, high, low } = from;
  const toRefs = to.refs;
  const toHigh = to.high;
  const toLow = to.low;
  for (let i = start; i < end; i++) {
    const at = next[(digits[i] >>> shift) & 0xff]++;
    toRefs[at] = refs[i];
    toHigh[at] = high[i];
    toLow[at] = low[i];
  }
}
