// Makes a failing run smaller while it keeps failing for the same reason: the safety phase ends where the violation showed,
// faults, clients and watchers are left out, first halves of them, then one by one. Every fault and every client draws
// from a generator of its own, so that the rest of the run stays much as it was.

import type { Plan } from "./plan.js";
import { type RunResult, runPlan } from "./run.js";

export interface ShrinkOptions {
  /** Runs to spend at most. */
  readonly runsMax: number;
  readonly onProgress?: (text: string) => void;
}

type ListField = "skipFaults" | "skipClients" | "skipWatchClients";

/** @returns the smallest failing run found; `failing` itself if nothing could be left out */
export async function shrink(failing: RunResult, options: ShrinkOptions): Promise<RunResult> {
  const shrinker = new Shrinker(failing, options);
  await shrinker.shorten();
  await shrinker.tryChange({ isOperatorIdle: true });
  await shrinker.leaveOut("skipFaults", failing.faultNumbers);
  await shrinker.leaveOut("skipWatchClients", numbersTo(failing.plan.watchClients));
  await shrinker.leaveOut("skipClients", numbersTo(failing.plan.clients));
  await shrinker.shorten();
  return shrinker.best;
}

class Shrinker {
  best: RunResult;
  private readonly checker: string;
  private readonly options: ShrinkOptions;
  private runs = 0;

  constructor(failing: RunResult, options: ShrinkOptions) {
    this.best = failing;
    this.checker = failing.violations[0].checker;
    this.options = options;
  }

  /** Nothing that comes after the violation is needed. */
  async shorten(): Promise<void> {
    const at = this.best.violations[0].time;
    if (!Number.isFinite(at)) return;
    for (const safetyMs of [Math.ceil(at + 1000), Math.ceil(at * 0.7), Math.ceil(at * 0.4)])
      if (safetyMs < this.best.plan.safetyMs) await this.tryChange({ safetyMs });
  }

  async tryChange(changes: Partial<Plan>): Promise<boolean> {
    if (this.runs >= this.options.runsMax) return false;
    this.runs++;
    const result = await runPlan({ ...this.best.plan, ...changes });
    if (!result.violations.some(({ checker }) => checker === this.checker)) return false;
    this.best = result;
    this.options.onProgress?.(describePlanSize(result));
    return true;
  }

  /** Leaves out as many of `numbers` as it can: chunks first, halving their size. */
  async leaveOut(field: ListField, numbers: readonly number[]): Promise<void> {
    let left = numbers.filter((number) => !this.best.plan[field].includes(number));
    for (let size = Math.ceil(left.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < left.length; ) {
        const chunk = left.slice(at, at + size);
        const isOut = await this.tryChange({ [field]: [...this.best.plan[field], ...chunk] });
        if (isOut) left = left.filter((number) => !chunk.includes(number));
        else at += size;
      }
    }
  }
}

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

export function describePlanSize({ plan, statistics }: RunResult): string {
  const clients = plan.clients - plan.skipClients.length;
  const watchers = plan.watchClients - plan.skipWatchClients.length;
  return (
    `${(plan.safetyMs / 1000).toFixed(1)} s of faults, ${statistics.faults} faults, ${statistics.operations} operations, ` +
    `${clients} clients, ${watchers} watchers`
  );
}
