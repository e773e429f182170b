// The revision log in memory: parallel arrays in ascending order. Appends go to the right edge; a deleted record leaves
// a hole that is closed when half of the log is holes. The values are never changed, so a copy of the arrays is a
// snapshot.

import { panic } from "#base";
import type { RevisionVisitor } from "./backend.js";

export class RevisionLog {
  /** Bytes of the live values. */
  bytes = 0;
  private holes = 0;

  constructor(
    private mains: number[] = [],
    private subs: number[] = [],
    private values: (Uint8Array | undefined)[] = [],
    private tombstones: boolean[] = [],
  ) {}

  /** Live records. */
  get count(): number {
    return this.mains.length - this.holes;
  }

  snapshot(): RevisionLog {
    const copy = new RevisionLog(
      this.mains.slice(),
      this.subs.slice(),
      this.values.slice(),
      this.tombstones.slice(),
    );
    copy.bytes = this.bytes;
    copy.holes = this.holes;
    return copy;
  }

  append(main: number, sub: number, tombstone: boolean, value: Uint8Array): void {
    const n = this.mains.length;
    if (n > 0 && (main < this.mains[n - 1] || (main === this.mains[n - 1] && sub <= this.subs[n - 1]))) {
      panic("revision appended out of order", {
        main,
        sub,
        lastMain: this.mains[n - 1],
        lastSub: this.subs[n - 1],
      });
    }
    this.mains.push(main);
    this.subs.push(sub);
    this.values.push(value);
    this.tombstones.push(tombstone);
    this.bytes += value.length;
  }

  read(main: number, sub: number): Uint8Array | undefined {
    const at = this.lowerBound(main, sub);
    return this.mains[at] === main && this.subs[at] === sub ? this.values[at] : undefined;
  }

  delete(main: number, sub: number): void {
    const at = this.lowerBound(main, sub);
    if (this.mains[at] !== main || this.subs[at] !== sub) return;
    const value = this.values[at];
    if (value === undefined) return;
    this.bytes -= value.length;
    this.values[at] = undefined;
    this.holes++;
    // The last record stays as a hole: it remembers where the right edge was.
    if (this.holes > 1024 && this.holes * 2 > this.mains.length) this.closeHoles();
  }

  scan(fromMain: number, fromSub: number, visit: RevisionVisitor): void {
    for (let i = this.lowerBound(fromMain, fromSub); i < this.mains.length; i++) {
      const value = this.values[i];
      if (value === undefined) continue;
      if (visit(this.mains[i], this.subs[i], this.tombstones[i], value) === false) return;
    }
  }

  /** Every live record in order; the log must not change meanwhile. */
  *records(): Generator<{ main: number; sub: number; tombstone: boolean; value: Uint8Array }> {
    for (let i = 0; i < this.mains.length; i++) {
      const value = this.values[i];
      if (value === undefined) continue;
      yield { main: this.mains[i], sub: this.subs[i], tombstone: this.tombstones[i], value };
    }
  }

  private lowerBound(main: number, sub: number): number {
    let low = 0;
    let high = this.mains.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.mains[mid] < main || (this.mains[mid] === main && this.subs[mid] < sub)) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  private closeHoles(): void {
    const last = this.mains.length - 1;
    let to = 0;
    for (let i = 0; i <= last; i++) {
      if (this.values[i] === undefined && i !== last) continue;
      this.mains[to] = this.mains[i];
      this.subs[to] = this.subs[i];
      this.values[to] = this.values[i];
      this.tombstones[to] = this.tombstones[i];
      to++;
    }
    this.mains.length = to;
    this.subs.length = to;
    this.values.length = to;
    this.tombstones.length = to;
    this.holes = this.values[to - 1] === undefined ? 1 : 0;
  }
}
