// A first-in first-out queue over one power-of-two array: no shifting, no allocation per item once it has grown.

export class Ring<T> {
  private slots: (T | undefined)[];
  private mask: number;
  private head = 0;
  private count = 0;

  /** @param capacity first size, rounded up to a power of two; the ring doubles when it is full */
  constructor(capacity = 16) {
    let size = 2;
    while (size < capacity) size *= 2;
    this.slots = new Array(size).fill(undefined);
    this.mask = size - 1;
  }

  get length(): number {
    return this.count;
  }

  push(item: T): void {
    if (this.count === this.slots.length) this.grow();
    this.slots[(this.head + this.count) & this.mask] = item;
    this.count++;
  }

  /** Removes and returns the oldest item, or undefined when empty. */
  shift(): T | undefined {
    if (this.count === 0) return undefined;
    const item = this.slots[this.head];
    this.slots[this.head] = undefined;
    this.head = (this.head + 1) & this.mask;
    this.count--;
    return item;
  }

  /** The item at `offset` from the oldest (0-based), or undefined past the end. */
  peek(offset = 0): T | undefined {
    return offset < this.count ? this.slots[(this.head + offset) & this.mask] : undefined;
  }

  clear(): void {
    this.slots.fill(undefined);
    this.head = 0;
    this.count = 0;
  }

  private grow(): void {
    const old = this.slots;
    const size = old.length * 2;
    const slots: (T | undefined)[] = new Array(size).fill(undefined);
    for (let i = 0; i < this.count; i++) slots[i] = old[(this.head + i) & this.mask];
    this.slots = slots;
    this.mask = size - 1;
    this.head = 0;
  }
}
