// Records that were read lately, so that reading them again costs neither a search in the tree nor a check of their sum:
// lists of the same keys are read over and over. A record of the revision log never changes: it is deleted, or all of them are
// replaced.
//
// The records lie in a ring of bytes in the order in which they were read; a table that holds one entry per place says
// where. The ring overwrites its oldest records, and an entry whose bytes are overwritten is known by its position. Both
// grow with use up to their bound (bench: `get --prefix` rows of `npm run bench`).

const RING_BYTES_MIN = 1 << 20;
const RING_BYTES_MAX = 1 << 25;
/** The table has a place for records of this size on average. */
const RECORD_BYTES = 256;
/** Of no record. */
const NO_MAIN = -1;
/** Larger records are not kept: they would push out too many others, and the tree is quick for them. */
const RECORD_BYTES_MAX = 16 * 1024;

export class RecordCache {
  private ring = new Uint8Array(0);
  /** Bytes ever written, and so the position of the next record; its place in the ring is the remainder. */
  private written = 0;
  private mask = 0;
  private mains = new Float64Array(0);
  private subs = new Uint32Array(0);
  private positions = new Float64Array(0);
  private lengths = new Uint32Array(0);

  /** The record as a view that the next `add` may overwrite, or undefined. */
  get(main: number, sub: number): Uint8Array | undefined {
    if (this.ring.length === 0) return undefined;
    const slot = this.slotOf(main, sub);
    if (this.mains[slot] !== main || this.subs[slot] !== sub) return undefined;
    const position = this.positions[slot];
    if (this.written - position > this.ring.length) return undefined;
    const at = position % this.ring.length;
    return new Uint8Array(this.ring.buffer, at, this.lengths[slot]);
  }

  /** Keeps a copy of `bytes[start, end)`. */
  add(main: number, sub: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > RECORD_BYTES_MAX) return;
    if (this.written + length > this.ring.length && this.ring.length < RING_BYTES_MAX) this.grow();
    // A record is not divided between the end of the ring and its beginning.
    const rest = this.ring.length - (this.written % this.ring.length);
    if (length > rest) this.written += rest;
    const position = this.written;
    this.ring.set(bytes.subarray(start, end), position % this.ring.length);
    this.written = position + length;
    const slot = this.slotOf(main, sub);
    this.mains[slot] = main;
    this.subs[slot] = sub;
    this.positions[slot] = position;
    this.lengths[slot] = length;
  }

  delete(main: number, sub: number): void {
    if (this.ring.length === 0) return;
    const slot = this.slotOf(main, sub);
    if (this.mains[slot] === main && this.subs[slot] === sub) this.mains[slot] = NO_MAIN;
  }

  clear(): void {
    this.resize(0);
  }

  private grow(): void {
    this.resize(this.ring.length === 0 ? RING_BYTES_MIN : this.ring.length * 2);
  }

  /** Starts anew with another size: what was kept is soon read again if it is in use. */
  private resize(bytes: number): void {
    const slots = bytes / RECORD_BYTES;
    this.ring = new Uint8Array(bytes);
    this.written = 0;
    this.mask = Math.max(0, slots - 1);
    this.mains = new Float64Array(slots).fill(NO_MAIN);
    this.subs = new Uint32Array(slots);
    this.positions = new Float64Array(slots);
    this.lengths = new Uint32Array(slots);
  }

  private slotOf(main: number, sub: number): number {
    return (Math.imul((main + sub * 0x9e3779b9) | 0, 0x85ebca6b) >>> 7) & this.mask;
  }
}
