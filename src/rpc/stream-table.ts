// The open streams of one connection, by id: open addressing with linear probing, and deletion that moves later entries
// back (Knuth, TAOCP 6.4, algorithm R), so that there are no tombstones and nothing is ever rebuilt but to change size.
//
// A Map does the same, but builds its table anew after every few deletions. Old tables that the collector has moved to the
// old space go on naming the calls that were open then and keep them, and each other, alive until a full collection: with
// many short calls nearly every call got old, which cost more than the call itself (bench: put rows of `npm run bench`).
//
// The peer chooses the ids. A secret multiplier places them (Dietzfelbinger's multiply-shift), so that nobody can choose
// ids that all fall into one place.

import { randomBytes } from "node:crypto";
import { slotsOf } from "#base";
import type { Http2Stream } from "./stream.js";

const BITS_MIN = 5;
/** A larger table gives its memory back when most of it is unused. */
const BITS_KEPT = 8;
const MULTIPLIER = randomBytes(4).readUInt32LE() | 1;

export class StreamTable {
  private bits = BITS_MIN;
  private slots: (Http2Stream | undefined)[] = slotsOf(1 << BITS_MIN, undefined);
  private mask = (1 << BITS_MIN) - 1;
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(id: number): Http2Stream | undefined {
    const { slots, mask } = this;
    let at = this.home(id);
    for (;;) {
      const stream = slots[at];
      if (stream === undefined || stream.id === id) return stream;
      at = (at + 1) & mask;
    }
  }

  /** Adds a stream whose id is not in the table. */
  add(stream: Http2Stream): void {
    if ((this.count + 1) * 2 > this.slots.length) this.resize(this.bits + 1);
    this.insert(stream);
    this.count++;
  }

  delete(id: number): void {
    const { slots, mask } = this;
    let hole = this.home(id);
    for (;;) {
      const stream = slots[hole];
      if (stream === undefined) return;
      if (stream.id === id) break;
      hole = (hole + 1) & mask;
    }
    this.count--;
    // Whatever stands behind the hole moves into it, unless its own place lies between the two.
    let at = (hole + 1) & mask;
    for (;;) {
      const stream = slots[at];
      if (stream === undefined) break;
      if (((at - this.home(stream.id)) & mask) >= ((at - hole) & mask)) {
        slots[hole] = stream;
        hole = at;
      }
      at = (at + 1) & mask;
    }
    slots[hole] = undefined;
    if (this.bits > BITS_KEPT && this.count * 8 < slots.length) this.resize(this.bits - 1);
  }

  /** All streams as they are now, in ascending order of their ids: the table may change while they are walked. */
  all(): Http2Stream[] {
    const streams: Http2Stream[] = [];
    for (const stream of this.slots) if (stream !== undefined) streams.push(stream);
    return streams.sort((a, b) => a.id - b.id);
  }

  private home(id: number): number {
    return Math.imul(id, MULTIPLIER) >>> (32 - this.bits);
  }

  private insert(stream: Http2Stream): void {
    const { slots, mask } = this;
    let at = this.home(stream.id);
    while (slots[at] !== undefined) at = (at + 1) & mask;
    slots[at] = stream;
  }

  private resize(bits: number): void {
    const old = this.slots;
    this.bits = bits;
    this.slots = slotsOf(1 << bits, undefined);
    this.mask = (1 << bits) - 1;
    for (const stream of old) if (stream !== undefined) this.insert(stream);
  }
}
