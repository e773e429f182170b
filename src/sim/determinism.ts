// The same seeds twice, in different processes: every run must leave the same trace. One that does not depends on more than
// its seed, and no failure of it could be replayed.

import { Campaign } from "./campaign.js";
import { CampaignTotals } from "./campaign-totals.js";
import type { SeedReport } from "./seed-worker.js";

export interface DeterminismOptions {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly size: number;
  readonly cores: number | undefined;
  /** Called after each run with how many there were. */
  readonly onProgress: (runs: number) => void;
}

/** @returns the seeds whose two runs differ */
export async function findNondeterminism(options: DeterminismOptions): Promise<number[]> {
  const hashes = new Map<number, string>();
  const differing: number[] = [];
  let runs = 0;
  const round = (onReport: (report: SeedReport) => void): Promise<CampaignTotals> =>
    new Campaign({
      totals: new CampaignTotals(options.firstSeed),
      lastSeed: options.firstSeed + options.seeds - 1,
      forMs: Number.POSITIVE_INFINITY,
      size: options.size,
      bug: undefined,
      failuresMax: Number.POSITIVE_INFINITY,
      cores: options.cores,
      onReport: (report) => {
        onReport(report);
        options.onProgress(++runs);
      },
    }).run();
  await round(({ seed, traceHash }) => hashes.set(seed, traceHash));
  await round(({ seed, traceHash }) => {
    if (hashes.get(seed) !== traceHash) differing.push(seed);
  });
  return differing;
}
