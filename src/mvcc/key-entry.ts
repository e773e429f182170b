// One block of slab memory per key: its bytes and its newest revision. Everything that a read of the newest revision
// needs lies in one or two cache lines.
//
//   unit  content
//   0     f64  main revision of the newest change
//   1     f64  create revision of the newest generation; 0 when the newest change is a tombstone
//   2     f64  version in that generation; 0 for a tombstone
//   3     u32  (sub revision << 1) | tombstone        u32  lease slot, 0 for none
//   4     u32  ref of the older revisions, 0 for none  u32  key length in bytes
//   5..   key bytes
//
// The ref of the block is the identity of the key for as long as the index holds it. A ref may not be kept across
// calls that can remove keys: the block may belong to another key by then.

import { offsetOf, Slabs } from "./slabs.js";

const HEADER_UNITS = 5;
const HEADER_BYTES = HEADER_UNITS * 8;

export class KeyEntries {
  readonly memory = new Slabs();
  /** Bytes that the last `compare` found equal. */
  matched = 0;

  /** A block for `key` with no revision yet. */
  create(key: Uint8Array): number {
    return this.createFrom(key, 0, key.length);
  }

  /** A block for the key `source[from, to)` with no revision yet. */
  createFrom(source: Uint8Array, from: number, to: number): number {
    const length = to - from;
    const ref = this.memory.allocate(unitsFor(length));
    const slab = this.memory.slabOf(ref);
    const at = offsetOf(ref);
    const words = slab.u32;
    for (let i = at * 2, end = i + HEADER_UNITS * 2 - 1; i < end; i++) words[i] = 0;
    words[at * 2 + 9] = length;
    const bytes = slab.u8;
    const start = at * 8 + HEADER_BYTES;
    for (let i = 0; i < length; i++) bytes[start + i] = source[from + i];
    return ref;
  }

  /** Where the key's bytes begin in its slab. */
  keyStart(ref: number): number {
    return offsetOf(ref) * 8 + HEADER_BYTES;
  }

  destroy(ref: number): void {
    this.memory.release(ref, unitsFor(this.keyLength(ref)));
  }

  keyLength(ref: number): number {
    return this.memory.slabOf(ref).u32[offsetOf(ref) * 2 + 9];
  }

  /** The key's bytes, as a view that is valid until the key is removed. */
  keyView(ref: number): Uint8Array {
    const start = offsetOf(ref) * 8 + HEADER_BYTES;
    return this.memory.slabOf(ref).u8.subarray(start, start + this.keyLength(ref));
  }

  equals(ref: number, key: Uint8Array): boolean {
    const slab = this.memory.slabOf(ref);
    const at = offsetOf(ref);
    const length = key.length;
    if (slab.u32[at * 2 + 9] !== length) return false;
    const bytes = slab.u8;
    const start = at * 8 + HEADER_BYTES;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== key[i]) return false;
    return true;
  }

  /**
   * Negative, zero or positive as the block's key sorts before, with or after `key`.
   * @param from bytes known to be equal already; the search through sorted keys saves most of its work that way
   */
  compare(ref: number, key: Uint8Array, from: number): number {
    const slab = this.memory.slabOf(ref);
    const at = offsetOf(ref);
    const length = slab.u32[at * 2 + 9];
    const shared = Math.min(length, key.length);
    const bytes = slab.u8;
    const start = at * 8 + HEADER_BYTES;
    let i = from;
    while (i < shared && bytes[start + i] === key[i]) i++;
    this.matched = i;
    return i < shared ? bytes[start + i] - key[i] : length - key.length;
  }

  /** Four bytes of the key from `from` on as a big-endian number; zeros where it ends. */
  fourBytes(ref: number, from: number): number {
    const slab = this.memory.slabOf(ref);
    const at = offsetOf(ref);
    const left = slab.u32[at * 2 + 9] - from;
    const bytes = slab.u8;
    const start = at * 8 + HEADER_BYTES + from;
    const a = left > 0 ? bytes[start] : 0;
    const b = left > 1 ? bytes[start + 1] : 0;
    const c = left > 2 ? bytes[start + 2] : 0;
    const d = left > 3 ? bytes[start + 3] : 0;
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  }

  /** Six bytes of the key from `from` on as a big-endian number; zeros where it ends. */
  sixBytes(ref: number, from: number): number {
    return this.fourBytes(ref, from) * 0x10000 + (this.fourBytes(ref, from + 4) >>> 16);
  }

  /** The number of first bytes that two keys share, up to `max`. */
  sharedBytes(a: number, b: number, max: number): number {
    const slabA = this.memory.slabOf(a);
    const slabB = this.memory.slabOf(b);
    const wordA = (offsetOf(a) + HEADER_UNITS) * 2;
    const wordB = (offsetOf(b) + HEADER_UNITS) * 2;
    const end = Math.min(slabA.u32[wordA - 1], slabB.u32[wordB - 1], max);
    let i = 0;
    for (const last = end - 4; i <= last; i += 4) {
      if (slabA.u32[wordA + (i >>> 2)] !== slabB.u32[wordB + (i >>> 2)]) break;
    }
    while (i < end && slabA.u8[wordA * 4 + i] === slabB.u8[wordB * 4 + i]) i++;
    return i;
  }

  /** Negative or positive as the key of block `a` sorts before or after that of block `b`. */
  compareKeys(a: number, b: number): number {
    const lengthA = this.keyLength(a);
    const lengthB = this.keyLength(b);
    const at = this.sharedBytes(a, b, lengthA);
    return at < lengthA && at < lengthB ? this.byteAt(a, at) - this.byteAt(b, at) : lengthA - lengthB;
  }

  main(ref: number): number {
    return this.memory.slabOf(ref).f64[offsetOf(ref)];
  }

  created(ref: number): number {
    return this.memory.slabOf(ref).f64[offsetOf(ref) + 1];
  }

  version(ref: number): number {
    return this.memory.slabOf(ref).f64[offsetOf(ref) + 2];
  }

  /** (sub << 1) | tombstone */
  subAndTombstone(ref: number): number {
    return this.memory.slabOf(ref).u32[offsetOf(ref) * 2 + 6];
  }

  isTombstone(ref: number): boolean {
    return (this.subAndTombstone(ref) & 1) === 1;
  }

  leaseSlot(ref: number): number {
    return this.memory.slabOf(ref).u32[offsetOf(ref) * 2 + 7];
  }

  older(ref: number): number {
    return this.memory.slabOf(ref).u32[offsetOf(ref) * 2 + 8];
  }

  setNewest(ref: number, main: number, subAndTombstone: number, created: number, version: number): void {
    const slab = this.memory.slabOf(ref);
    const at = offsetOf(ref);
    slab.f64[at] = main;
    slab.f64[at + 1] = created;
    slab.f64[at + 2] = version;
    slab.u32[at * 2 + 6] = subAndTombstone;
  }

  setLeaseSlot(ref: number, slot: number): void {
    this.memory.slabOf(ref).u32[offsetOf(ref) * 2 + 7] = slot;
  }

  setOlder(ref: number, older: number): void {
    this.memory.slabOf(ref).u32[offsetOf(ref) * 2 + 8] = older;
  }

  private byteAt(ref: number, at: number): number {
    return this.memory.slabOf(ref).u8[offsetOf(ref) * 8 + HEADER_BYTES + at];
  }
}

function unitsFor(keyBytes: number): number {
  return HEADER_UNITS + ((keyBytes + 7) >>> 3);
}
