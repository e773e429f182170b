// The window of appends that a follower has been sent and has not acknowledged: a ring of (last index, payload bytes),
// bounded by count and, optionally, by bytes. The byte bound is soft: the append that crosses it is still admitted, the next
// one is not. The arrays grow on demand, since most followers never come near the bound.

import { panic } from "#base";

export class Inflights {
  private readonly countMax: number;
  private readonly bytesMax: number;
  private indexes: number[] = [];
  private sizes: number[] = [];
  private start = 0;
  private used = 0;
  private bytes = 0;

  /** @param bytesMax 0 or Infinity for no limit */
  constructor(countMax: number, bytesMax: number) {
    this.countMax = countMax;
    this.bytesMax = bytesMax;
  }

  get count(): number {
    return this.used;
  }

  isFull(): boolean {
    return this.used === this.countMax || (this.bytesMax !== 0 && this.bytes >= this.bytesMax);
  }

  /** Records an append whose last entry is `lastIndex`; indexes come in ascending order. */
  add(lastIndex: number, bytes: number): void {
    if (this.isFull()) panic("too many appends in flight", { count: this.used, bytes: this.bytes });
    if (this.used === this.indexes.length) this.grow();
    const at = (this.start + this.used) % this.indexes.length;
    this.indexes[at] = lastIndex;
    this.sizes[at] = bytes;
    this.used++;
    this.bytes += bytes;
  }

  /** Frees every append whose last entry is at or before `index`. */
  freeUpTo(index: number): void {
    while (this.used > 0 && this.indexes[this.start] <= index) {
      this.bytes -= this.sizes[this.start];
      this.start = (this.start + 1) % this.indexes.length;
      this.used--;
    }
  }

  reset(): void {
    this.start = 0;
    this.used = 0;
    this.bytes = 0;
  }

  private grow(): void {
    const size = Math.min(this.countMax, Math.max(4, this.indexes.length * 2));
    const indexes: number[] = [];
    const sizes: number[] = [];
    for (let i = 0; i < size; i++) {
      const from = (this.start + i) % Math.max(1, this.indexes.length);
      indexes.push(i < this.used ? this.indexes[from] : 0);
      sizes.push(i < this.used ? this.sizes[from] : 0);
    }
    this.indexes = indexes;
    this.sizes = sizes;
    this.start = 0;
  }

  describe(): string {
    return this.used === 0 ? "" : `inflight=${this.used}${this.isFull() ? "[full]" : ""}`;
  }
}
