// A histogram that costs a hot path one small loop and two additions. prom-client formats it at scrape time; nothing of
// prom-client runs per observation.

/** Bucket bounds `start * factor^i` for i in [0, count). */
export function exponentialBounds(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * factor ** i);
}

export class Histogram {
  readonly bounds: readonly number[];
  /** Observations per bucket, not cumulated; the last one is for values above every bound. */
  readonly counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.bounds;
    let i = 0;
    while (i < bounds.length && value > bounds[i]) i++;
    this.counts[i]++;
    this.sum += value;
    this.count++;
  }
}
