// The other end of campaign.ts: a process that runs seeds one after another and says what came of each.

import { plantBug } from "./planted-bugs.js";
import { planOf, runPlan } from "./run.js";

/** What a worker is told, and what it answers. */
export interface SeedOrder {
  readonly seed: number;
  readonly size: number;
}

export interface SeedReport {
  readonly seed: number;
  readonly traceHash: string;
  /** "checker: message" of each violation. */
  readonly violations: readonly string[];
  readonly simulatedMs: number;
  readonly operations: number;
  readonly faults: number;
}

export interface WorkerStart {
  readonly bug: string | undefined;
}

// Started by `fork`; whoever imports this file for its types starts nothing.
if (process.send !== undefined && process.argv[1]?.endsWith("seed-worker.js") === true) serveSeeds();

function serveSeeds(): void {
  process.on("message", (message: SeedOrder | WorkerStart) => {
    if ("seed" in message) {
      run(message).then(
        (report) => process.send?.(report),
        (error: unknown) => {
          throw error;
        },
      );
    } else if (message.bug !== undefined) plantBug(message.bug);
  });
  process.on("disconnect", () => process.exit(0));
}

async function run(order: SeedOrder): Promise<SeedReport> {
  const result = await runPlan(planOf(order.seed, { size: order.size }));
  const { simulatedMs, operations, faults } = result.statistics;
  return {
    seed: order.seed,
    traceHash: result.traceHash,
    violations: result.violations.map(({ checker, message }) => `${checker}: ${message}`),
    simulatedMs,
    operations,
    faults,
  };
}
