// Many seeds on all cores: a process for each core, a seed at a time, until the time is over or enough has failed.

import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { SeedReport } from "./seed-worker.js";

export interface CampaignOptions {
  readonly firstSeed: number;
  /** Stops after so many milliseconds, or so many seeds, whichever comes first. */
  readonly forMs: number;
  readonly seedsMax: number;
  readonly size: number;
  readonly bug: string | undefined;
  /** Stops after so many failed seeds. */
  readonly failuresMax: number;
  readonly cores?: number;
  /** Called after each seed. */
  readonly onProgress: (campaign: CampaignTotals) => void;
}

export class CampaignTotals {
  seeds = 0;
  simulatedMs = 0;
  operations = 0;
  faults = 0;
  readonly failures: SeedReport[] = [];
  private readonly startedMs = performance.now();

  add(report: SeedReport): void {
    this.seeds++;
    this.simulatedMs += report.simulatedMs;
    this.operations += report.operations;
    this.faults += report.faults;
    if (report.violations.length > 0) this.failures.push(report);
  }

  get elapsedMs(): number {
    return performance.now() - this.startedMs;
  }

  describe(): string {
    const perHour = (this.seeds / this.elapsedMs) * 3_600_000;
    return (
      `${this.seeds} seeds (${Math.round(perHour)}/h), ${(this.simulatedMs / 3_600_000).toFixed(2)} simulated h, ` +
      `${this.operations} operations, ${this.faults} faults, ${this.failures.length} failed`
    );
  }
}

export function runCampaign(options: CampaignOptions): Promise<CampaignTotals> {
  const totals = new CampaignTotals();
  const cores = options.cores ?? availableParallelism();
  let next = options.firstSeed;
  const lastSeed = options.firstSeed + options.seedsMax;
  const isOver = (): boolean =>
    next >= lastSeed || totals.elapsedMs >= options.forMs || totals.failures.length >= options.failuresMax;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(new URL("./seed-worker.js", import.meta.url)));
      let running = 0;
      const order = (): void => {
        if (isOver()) {
          child.disconnect();
          return;
        }
        running = next++;
        child.send({ seed: running, size: options.size });
      };
      child.on("message", (report: SeedReport) => {
        totals.add(report);
        options.onProgress(totals);
        order();
      });
      child.on("error", reject);
      child.on("exit", (code) => {
        if (code === 0) resolve();
        else reject(new Error(`the process that ran seed ${running} ended with ${code}`));
      });
      child.send({ bug: options.bug });
      order();
    });
  return Promise.all(Array.from({ length: cores }, one)).then(() => totals);
}
