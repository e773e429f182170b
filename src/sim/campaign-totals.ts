// What many seeds came to. Reports are counted in the order of their seeds, whichever came in first, so that the totals of
// an interrupted campaign are those of all seeds before `next`, and another campaign can go on from there.

import type { SeedReport } from "./seed-worker.js";

/** What a seed must have been to count in full, in the order in which the summary names them. */
const DEMANDS: readonly (readonly [name: string, isMet: (report: SeedReport) => boolean])[] = [
  [">= 3 members", ({ members }) => members >= 3],
  [">= 60 simulated s", ({ simulatedMs }) => simulatedMs >= 60_000],
  [">= 500 client operations", ({ operations }) => operations >= 500],
  [">= 3 kinds of fault", ({ faultKinds }) => faultKinds >= 3],
  ["all checkers", ({ isChecked }) => isChecked],
];

const HOUR_MS = 3_600_000;

/** Plain data, so that it can be kept between two campaigns. */
export interface TotalsRecord {
  readonly first: number;
  readonly next: number;
  readonly seeds: number;
  readonly simulatedMs: number;
  readonly operations: number;
  readonly faults: number;
  readonly cpuMs: number;
  readonly coreMs: number;
  readonly met: readonly number[];
  readonly metAll: number;
  readonly failures: readonly SeedReport[];
}

export class CampaignTotals {
  readonly first: number;
  /** The lowest seed that is not counted. */
  next: number;
  seeds = 0;
  simulatedMs = 0;
  operations = 0;
  faults = 0;
  /** CPU time of the processes that ran the seeds. */
  cpuMs = 0;
  /** Time that passed, times the cores in use. */
  coreMs = 0;
  readonly failures: SeedReport[] = [];
  private met: number[] = DEMANDS.map(() => 0);
  private metAll = 0;
  /** Reports of seeds beyond one that is still running. */
  private readonly early = new Map<number, SeedReport>();

  constructor(first: number) {
    this.first = first;
    this.next = first;
  }

  /** As `record` left it. */
  static restore(record: TotalsRecord): CampaignTotals {
    const totals = new CampaignTotals(record.first);
    const { next, seeds, simulatedMs, operations, faults, cpuMs, coreMs, metAll } = record;
    Object.assign(totals, { next, seeds, simulatedMs, operations, faults, cpuMs, coreMs, metAll });
    totals.met = [...record.met];
    totals.failures.push(...record.failures);
    return totals;
  }

  record(): TotalsRecord {
    const { first, next, seeds, simulatedMs, operations, faults, cpuMs, coreMs, met, metAll, failures } =
      this;
    return { first, next, seeds, simulatedMs, operations, faults, cpuMs, coreMs, met, metAll, failures };
  }

  add(report: SeedReport): void {
    this.early.set(report.seed, report);
    for (let due = this.early.get(this.next); due !== undefined; due = this.early.get(this.next)) {
      this.early.delete(this.next);
      this.next++;
      this.count(due);
    }
  }

  private count(report: SeedReport): void {
    this.seeds++;
    this.simulatedMs += report.simulatedMs;
    this.operations += report.operations;
    this.faults += report.faults;
    this.cpuMs += report.cpuMs;
    let isAll = true;
    DEMANDS.forEach(([, isMet], i) => {
      if (isMet(report)) this.met[i]++;
      else isAll = false;
    });
    if (isAll) this.metAll++;
    if (report.violations.length > 0) this.failures.push(report);
  }

  /** One line, for while it runs. @param end the last seed there will be, Infinity if time decides */
  describeProgress(end: number): string {
    const to = Number.isFinite(end) ? ` of ${this.first}-${end}, next ${this.next}` : `, next ${this.next}`;
    return (
      `${this.seeds} seeds${to}: ${(this.simulatedMs / HOUR_MS).toFixed(2)} simulated h, ` +
      `${this.operations} operations, ${this.faults} faults, ${this.failures.length} failed`
    );
  }

  /** Several lines, for the end. */
  describe(): string {
    const { seeds, coreMs, cpuMs, simulatedMs } = this;
    const rate = (ms: number): string => (ms === 0 ? "-" : String(Math.round((seeds / ms) * HOUR_MS)));
    const ratio = (ms: number): string => (ms === 0 ? "-" : `${(simulatedMs / ms).toFixed(1)}:1`);
    const met = DEMANDS.map(([name], i) => `${name} ${this.met[i]}`).join(", ");
    return [
      `${seeds} seeds (${this.first}-${this.next - 1}), ${this.failures.length} failed; ` +
        `${(simulatedMs / HOUR_MS).toFixed(2)} simulated h, ${this.operations} operations, ${this.faults} faults`,
      `per core: ${rate(coreMs)} seeds/h by the clock, ${rate(cpuMs)} seeds/h by CPU time; ` +
        `simulated : real ${ratio(coreMs)} by the clock, ${ratio(cpuMs)} by CPU time`,
      `seeds with ${met}; with all of it ${this.metAll}`,
    ].join("\n");
  }
}
