// How long applying took, by operation and outcome. One histogram for each pair that has occurred; finding it is two array
// reads, because this runs for every entry.

import { exponentialBounds, Histogram } from "./histogram.js";
import type { HistogramSample } from "./metrics.js";
import { Operation } from "./request.js";

/** Operations beyond this field number are rare; they share a map. */
const COMMON_MAX = 16;

const NAMES: ReadonlyMap<number, string> = new Map([
  ...Object.entries(Operation).map(([name, field]) => [field, name] as const),
]);

class Outcomes {
  readonly succeeded = new Histogram(exponentialBounds(0.0001, 2, 20));
  readonly failed = new Histogram(exponentialBounds(0.0001, 2, 20));
}

export class ApplyDurations {
  private readonly common: (Outcomes | undefined)[] = new Array(COMMON_MAX).fill(undefined);
  private readonly rare = new Map<number, Outcomes>();

  /** @param field one of `Operation` */
  observe(field: number, succeeded: boolean, seconds: number): void {
    const outcomes = (field < COMMON_MAX ? this.common[field] : this.rare.get(field)) ?? this.add(field);
    (succeeded ? outcomes.succeeded : outcomes.failed).observe(seconds);
  }

  samples(): HistogramSample[] {
    const samples: HistogramSample[] = [];
    const list = (field: number, { succeeded, failed }: Outcomes): void => {
      const op = NAMES.get(field) ?? "unknown";
      if (succeeded.count > 0)
        samples.push({ labels: { version: "v3", op, success: "true" }, histogram: succeeded });
      if (failed.count > 0)
        samples.push({ labels: { version: "v3", op, success: "false" }, histogram: failed });
    };
    this.common.forEach((outcomes, field) => {
      if (outcomes !== undefined) list(field, outcomes);
    });
    for (const [field, outcomes] of this.rare) list(field, outcomes);
    return samples;
  }

  private add(field: number): Outcomes {
    const outcomes = new Outcomes();
    if (field < COMMON_MAX) this.common[field] = outcomes;
    else this.rare.set(field, outcomes);
    return outcomes;
  }
}
