// A queue from callbacks to one awaiting reader: items, an end, or a failure.

import { Ring } from "#base";

export class Queue<T> {
  private readonly items = new Ring<T>();
  private readonly dropAbove: number;
  private wake: (() => void) | undefined;
  private ended = false;
  private failure: Error | undefined;

  /** @param dropAbove items kept when nobody takes them: beyond that the oldest is dropped; default: all are kept */
  constructor(dropAbove = Number.POSITIVE_INFINITY) {
    this.dropAbove = dropAbove;
  }

  get length(): number {
    return this.items.length;
  }

  push(item: T): void {
    if (this.items.length >= this.dropAbove) this.items.shift();
    this.items.push(item);
    this.wake?.();
  }

  /** What is in the queue can still be taken; after that comes the end, or `failure` once and then the end. */
  end(failure?: Error): void {
    if (this.ended) return;
    this.ended = true;
    this.failure = failure;
    this.wake?.();
  }

  /** The next item, or undefined at the end. One taker at a time. */
  async take(): Promise<T | undefined> {
    while (this.items.length === 0) {
      const failure = this.failure;
      this.failure = undefined;
      if (failure !== undefined) throw failure;
      if (this.ended) return undefined;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
    }
    return this.items.shift();
  }
}
