// Exact lookup of a key: extendible hashing (Fagin, Nievergelt, Pippenger and Strong, 1979). The upper bits of the
// hash choose a segment through a directory; the lower bits choose a slot, and collisions go to the next slots. A
// segment that fills up doubles until it has 16 Ki slots, then splits in two by one more upper bit. So the table never
// moves more than one segment at once, and growing to any size never holds up a request.
//
// A slot is two words: the hash and the ref of the key's block, so that a lookup reads other keys' blocks only when
// all 32 bits of the hash are the same.
//
// Nobody can make it slow by choosing keys: a key that finds no free slot within PROBES_MAX steps stays out of the
// table and its segment is marked. Lookups that miss in a marked segment are settled by the ordered keys, which hold
// everything. Honest keys never get there.

import type { KeyEntries } from "./key-entry.js";

const FIRST_SLOTS = 64;
const SEGMENT_SLOTS_MAX = 1 << 14;
/** Together with the 14 bits of the slot this uses all 32 bits of the hash. */
const DEPTH_MAX = 18;
const PROBES_MAX = 128;

/** The lookup found nothing, and the key may still exist: ask the ordered keys. */
export const UNSETTLED = -1;

class Segment {
  readonly slots: Uint32Array; // [hash, ref] pairs; ref 0 is an empty slot
  readonly mask: number;
  /** Keys in the table; at most 5/8 of the slots. */
  count = 0;
  /** A key that belongs here was left out. */
  overflowed = false;

  constructor(
    readonly slotCount: number,
    /** Upper hash bits that all keys of this segment share. */
    readonly depth: number,
  ) {
    this.slots = new Uint32Array(slotCount * 2);
    this.mask = slotCount - 1;
  }

  insert(hash: number, ref: number): void {
    const slots = this.slots;
    let slot = hash & this.mask;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      if (slots[slot * 2 + 1] === 0) {
        slots[slot * 2] = hash;
        slots[slot * 2 + 1] = ref;
        this.count++;
        return;
      }
      slot = (slot + 1) & this.mask;
    }
    this.overflowed = true;
  }

  /** Empties a slot and moves later keys of the same chain back, so that no chain has a hole. */
  removeAt(slot: number): void {
    const slots = this.slots;
    const mask = this.mask;
    let hole = slot;
    for (let next = (hole + 1) & mask; slots[next * 2 + 1] !== 0; next = (next + 1) & mask) {
      const home = slots[next * 2] & mask;
      if (((next - home) & mask) < ((next - hole) & mask)) continue; // it would land before its home
      slots[hole * 2] = slots[next * 2];
      slots[hole * 2 + 1] = slots[next * 2 + 1];
      hole = next;
    }
    slots[hole * 2 + 1] = 0;
    this.count--;
  }
}

export class KeyTable {
  private directory: Segment[];
  /** log2 of the directory's length; at least 1, since a shift by 32 is none. */
  private depth = 1;
  /** What `touch` read; kept so that no compiler can leave the reads out. */
  touched = 0;

  constructor(private readonly entries: KeyEntries) {
    const first = new Segment(FIRST_SLOTS, 0);
    this.directory = [first, first];
  }

  /** The key's ref, 0 when it does not exist, or UNSETTLED. @param hash `hashBytes(key)` */
  find(key: Uint8Array, hash: number): number {
    const segment = this.directory[hash >>> (32 - this.depth)];
    const slots = segment.slots;
    const mask = segment.mask;
    let slot = hash & mask;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const ref = slots[slot * 2 + 1];
      if (ref === 0) break;
      if (slots[slot * 2] === hash && this.entries.equals(ref, key)) return ref;
      slot = (slot + 1) & mask;
    }
    return segment.overflowed ? UNSETTLED : 0;
  }

  /** As `find`, for the key of a block that is not in the table. @param hash `hashKey(entries, ref)` */
  findSame(ref: number, hash: number): number {
    const { entries } = this;
    const { slots, mask, overflowed } = this.directory[hash >>> (32 - this.depth)];
    const length = entries.keyLength(ref);
    let slot = hash & mask;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const other = slots[slot * 2 + 1];
      if (other === 0) break;
      const isSame = slots[slot * 2] === hash && entries.keyLength(other) === length;
      if (isSame && entries.sharedBytes(ref, other, length) === length) return other;
      slot = (slot + 1) & mask;
    }
    return overflowed ? UNSETTLED : 0;
  }

  /** Reads where lookups of these hashes will begin, all at once, so that they find it in the cache. */
  touch(hashes: Uint32Array, count: number): void {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const segment = this.directory[hashes[i] >>> (32 - this.depth)];
      sum ^= segment.slots[(hashes[i] & segment.mask) * 2 + 1];
    }
    this.touched = sum;
  }

  /** Adds a key that is not in the table. */
  insert(hash: number, ref: number): void {
    let segment = this.directory[hash >>> (32 - this.depth)];
    while ((segment.count + 1) * 8 > segment.slotCount * 5 && this.makeRoom(segment, hash)) {
      segment = this.directory[hash >>> (32 - this.depth)];
    }
    segment.insert(hash, ref);
  }

  /** Removes a key; one that was left out of the table is not there to be removed. */
  remove(hash: number, ref: number): void {
    const segment = this.directory[hash >>> (32 - this.depth)];
    let slot = hash & segment.mask;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const found = segment.slots[slot * 2 + 1];
      if (found === 0) return;
      if (found === ref) return segment.removeAt(slot);
      slot = (slot + 1) & segment.mask;
    }
  }

  /** Bytes held by the segments. */
  get bytes(): number {
    let total = 0;
    for (let at = 0; at < this.directory.length; ) {
      const segment = this.directory[at];
      total += segment.slots.byteLength;
      at += 1 << (this.depth - segment.depth);
    }
    return total;
  }

  /** Doubles or splits the segment; false when neither is possible. */
  private makeRoom(segment: Segment, hash: number): boolean {
    if (segment.slotCount < SEGMENT_SLOTS_MAX) {
      const bigger = new Segment(segment.slotCount * 2, segment.depth);
      copySlots(segment, bigger, bigger, 0);
      this.replace(segment, hash, bigger, bigger);
      return true;
    }
    if (segment.depth === DEPTH_MAX) return false;
    if (segment.depth === this.depth) this.doubleDirectory();
    const depth = segment.depth + 1;
    const low = new Segment(SEGMENT_SLOTS_MAX, depth);
    const high = new Segment(SEGMENT_SLOTS_MAX, depth);
    copySlots(segment, low, high, 32 - depth);
    this.replace(segment, hash, low, high);
    return true;
  }

  /** Points the directory's lower and upper half of `segment`'s places to `low` and `high`. */
  private replace(segment: Segment, hash: number, low: Segment, high: Segment): void {
    const places = 1 << (this.depth - segment.depth);
    const first = (hash >>> (32 - this.depth)) & ~(places - 1);
    for (let i = 0; i < places; i++) this.directory[first + i] = i < places / 2 ? low : high;
    // A key that was left out stays out: its ref is known only to the ordered keys.
    if (segment.overflowed) low.overflowed = high.overflowed = true;
  }

  private doubleDirectory(): void {
    const old = this.directory;
    const directory: Segment[] = new Array(old.length * 2);
    for (let i = 0; i < old.length; i++) {
      directory[i * 2] = old[i];
      directory[i * 2 + 1] = old[i];
    }
    this.directory = directory;
    this.depth++;
  }
}

function copySlots(from: Segment, low: Segment, high: Segment, bit: number): void {
  const slots = from.slots;
  for (let slot = 0; slot < from.slotCount; slot++) {
    const ref = slots[slot * 2 + 1];
    if (ref === 0) continue;
    const hash = slots[slot * 2];
    ((hash >>> bit) & 1 ? high : low).insert(hash, ref);
  }
}

/** A 32-bit hash of the bytes: multiply-rotate over four bytes a step, then avalanche (MurmurHash3's constants). */
export function hashBytes(bytes: Uint8Array): number {
  return hashRange(bytes, 0, bytes.length);
}

/** `hashBytes` of a block's key. */
export function hashKey(entries: KeyEntries, ref: number): number {
  const start = entries.keyStart(ref);
  return hashRange(entries.memory.slabOf(ref).u8, start, start + entries.keyLength(ref));
}

function hashRange(bytes: Uint8Array, start: number, end: number): number {
  let h = end - start;
  let i = start;
  for (const last = end - 4; i <= last; i += 4) {
    h = mix(h, bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24));
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (i < end) {
    let tail = 0;
    for (let shift = 0; i < end; i++, shift += 8) tail |= bytes[i] << shift;
    h = mix(h, tail);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function mix(h: number, word: number): number {
  const k = Math.imul(word, 0xcc9e2d51);
  return h ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}
