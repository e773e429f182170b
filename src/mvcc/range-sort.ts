// Results of a range in the order of something else than the key. They come in key order, are sorted in runs of a
// bounded size while they come, and the runs are merged through a heap when the results go out: no step takes long,
// however large the range. Equal elements stay in key order (etcd promises none, but sorts small results stably).

import { compareBytes, copyBytes } from "#base";

const RUN_KEYS = 4096;

export class RangeSort {
  private readonly mains: number[] = [];
  private readonly subs: number[] = [];
  private readonly numbers: number[] = [];
  private readonly values: Uint8Array[] = [];
  private readonly runs: Uint32Array[] = [];
  private readonly nextInRun: number[] = [];
  /** Heap of runs by their next element. */
  private readonly heap: number[] = [];
  private runStart = 0;

  constructor(private readonly descending: boolean) {}

  get length(): number {
    return this.mains.length;
  }

  addNumber(sortBy: number, main: number, sub: number): void {
    this.numbers.push(sortBy);
    this.add(main, sub);
  }

  /** @param sortBy is copied */
  addValue(sortBy: Uint8Array, main: number, sub: number): void {
    this.values.push(copyBytes(sortBy));
    this.add(main, sub);
  }

  mainOf(element: number): number {
    return this.mains[element];
  }

  subOf(element: number): number {
    return this.subs[element];
  }

  /** Call after the last `add` and before the first `next`. */
  finish(): void {
    if (this.runStart < this.mains.length) this.closeRun();
    for (let run = 0; run < this.runs.length; run++) {
      this.nextInRun.push(0);
      this.heap.push(run);
    }
    for (let at = (this.heap.length >>> 1) - 1; at >= 0; at--) this.sink(at);
  }

  /** The next element in order, -1 after the last. */
  next(): number {
    if (this.heap.length === 0) return -1;
    const run = this.heap[0];
    const element = this.runs[run][this.nextInRun[run]++];
    if (this.nextInRun[run] === this.runs[run].length) {
      const last = this.heap.pop() ?? run;
      if (this.heap.length > 0) this.heap[0] = last;
    }
    this.sink(0);
    return element;
  }

  private add(main: number, sub: number): void {
    this.mains.push(main);
    this.subs.push(sub);
    if (this.mains.length - this.runStart === RUN_KEYS) this.closeRun();
  }

  private closeRun(): void {
    const run = new Uint32Array(this.mains.length - this.runStart);
    for (let i = 0; i < run.length; i++) run[i] = this.runStart + i;
    run.sort((a, b) => this.order(a, b));
    this.runs.push(run);
    this.runStart = this.mains.length;
  }

  private order(a: number, b: number): number {
    const order =
      this.values.length > 0
        ? compareBytes(this.values[a], this.values[b])
        : this.numbers[a] - this.numbers[b];
    if (order === 0) return a - b;
    return this.descending ? -order : order;
  }

  private sink(at: number): void {
    const heap = this.heap;
    for (;;) {
      let least = at;
      for (let child = at * 2 + 1; child <= at * 2 + 2 && child < heap.length; child++) {
        if (this.order(this.head(heap[child]), this.head(heap[least])) < 0) least = child;
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least], heap[at]];
      at = least;
    }
  }

  private head(run: number): number {
    return this.runs[run][this.nextInRun[run]];
  }
}
