// Many seeds on all cores: a process for each core, a seed at a time and in order, until the last one, or until the time is
// over or enough has failed.

import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { CampaignTotals } from "./campaign-totals.js";
import type { SeedReport } from "./seed-worker.js";

export interface CampaignOptions {
  /** Where it goes on from: the seeds before `totals.next` are counted already. */
  readonly totals: CampaignTotals;
  readonly lastSeed: number;
  readonly forMs: number;
  readonly size: number;
  readonly bug: string | undefined;
  /** Begins no other seed after so many failed ones. */
  readonly failuresMax: number;
  readonly cores: number | undefined;
  /** Called after each seed, in no particular order. */
  readonly onReport: (report: SeedReport) => void;
}

export class Campaign {
  readonly cores: number;
  private readonly options: CampaignOptions;
  private nextSeed: number;
  private failed = 0;
  private isStopped = false;
  private startedMs = 0;

  constructor(options: CampaignOptions) {
    this.options = options;
    this.cores = options.cores ?? availableParallelism();
    this.nextSeed = options.totals.next;
  }

  /** Resolves when the last seed has been counted. */
  async run(): Promise<CampaignTotals> {
    const { totals } = this.options;
    this.startedMs = performance.now();
    await Promise.all(Array.from({ length: this.cores }, () => this.work()));
    totals.coreMs += this.elapsedMs * this.cores;
    return totals;
  }

  /** Begins no other seed. */
  stop(): void {
    this.isStopped = true;
  }

  private get elapsedMs(): number {
    return performance.now() - this.startedMs;
  }

  private get isOver(): boolean {
    const { lastSeed, forMs, failuresMax } = this.options;
    return (
      this.isStopped || this.nextSeed > lastSeed || this.elapsedMs >= forMs || this.failed >= failuresMax
    );
  }

  /** One process, to its end. */
  private work(): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(new URL("./seed-worker.js", import.meta.url)));
      let running = 0;
      const order = (): void => {
        running = this.order(child);
      };
      child.on("message", (report: SeedReport) => {
        this.take(report);
        order();
      });
      child.on("error", reject);
      child.on("exit", (code) => {
        if (code === 0) resolve();
        else reject(new Error(`the process that ran seed ${running} ended with ${code}`));
      });
      child.send({ bug: this.options.bug });
      order();
    });
  }

  /** @returns the seed that the process now runs */
  private order(child: ChildProcess): number {
    if (this.isOver) {
      child.disconnect();
      return 0;
    }
    const seed = this.nextSeed++;
    child.send({ seed, size: this.options.size });
    return seed;
  }

  private take(report: SeedReport): void {
    const { totals, onReport } = this.options;
    if (report.violations.length > 0) this.failed++;
    totals.add(report);
    onReport(report);
  }
}
