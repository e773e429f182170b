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
  readonly members: number;
  readonly simulatedMs: number;
  readonly operations: number;
  readonly faults: number;
  readonly faultKinds: number;
  /** Every checker judged the run; one that breaks off at a violation is not judged. */
  readonly isChecked: boolean;
  /** CPU time of the process since the seed before, or since its start. */
  readonly cpuMs: number;
}

export interface WorkerStart {
  readonly bug: string | undefined;
}

// Started by `fork`; whoever imports this file for its types starts nothing.
if (process.send !== undefined && process.argv[1]?.endsWith("seed-worker.js") === true) serveSeeds();

function serveSeeds(): void {
  let cpuBefore = 0;
  process.on("message", (message: SeedOrder | WorkerStart) => {
    if ("seed" in message) {
      run(message).then(
        (report) => {
          const cpu = cpuMs();
          process.send?.({ ...report, cpuMs: cpu - cpuBefore });
          cpuBefore = cpu;
        },
        (error: unknown) => {
          throw error;
        },
      );
    } else if (message.bug !== undefined) plantBug(message.bug);
  });
  // Whoever interrupts the campaign from a terminal interrupts this process too; it ends when it is let go.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => process.exit(0));
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function run(order: SeedOrder): Promise<Omit<SeedReport, "cpuMs">> {
  const result = await runPlan(planOf(order.seed, { size: order.size }));
  const { simulatedMs, operations, faults, faultKinds } = result.statistics;
  return {
    seed: order.seed,
    traceHash: result.traceHash,
    violations: result.violations.map(({ checker, message }) => `${checker}: ${message}`),
    members: result.plan.members,
    simulatedMs,
    operations,
    faults,
    faultKinds,
    isChecked: result.isChecked,
  };
}
