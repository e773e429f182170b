// One seed from end to end: plan, simulation, checkers.

import { CHECKERS } from "./check/all.js";
import type { Violation } from "./check/checker.js";
import { drawPlan, type Plan } from "./plan.js";
import { withProfile } from "./profiles.js";
import { Simulation } from "./simulation.js";
import type { TraceLine } from "./trace.js";

/** What can be changed about a seed's plan, by hand or by the shrinker. */
export interface Adjustments {
  /** 1 is the full size. */
  readonly size?: number;
  readonly changes?: Partial<Plan>;
}

export interface RunStatistics {
  readonly simulatedMs: number;
  readonly events: number;
  readonly operations: number;
  readonly faults: number;
  readonly faultKinds: number;
}

export interface RunResult {
  readonly seed: number;
  readonly plan: Plan;
  readonly traceHash: string;
  /** Empty: all promises were kept. */
  readonly violations: readonly Violation[];
  /** The run came to its end, and every checker judged it. */
  readonly isChecked: boolean;
  readonly statistics: RunStatistics;
  /** Numbers of the faults that came to something. */
  readonly faultNumbers: readonly number[];
  /** Empty unless asked for. */
  readonly lines: readonly TraceLine[];
}

export function planOf(seed: number, adjustments: Adjustments): Plan {
  return { ...withProfile(drawPlan(seed, adjustments.size)), ...adjustments.changes };
}

export async function runPlan(plan: Plan, isVerbose = false): Promise<RunResult> {
  const simulation = new Simulation(plan, isVerbose);
  await simulation.run();
  const { history, world } = simulation;
  const violations = [...simulation.violations];
  // A run that stopped in the middle has not settled what some checkers look for.
  const isChecked = violations.length === 0;
  if (isChecked) for (const checker of CHECKERS) violations.push(...checker.check(history));
  const asked = history.operations.filter(
    ({ outcome }) => outcome.kind === "ok" || outcome.kind === "unknown",
  );
  return {
    seed: plan.seed,
    plan,
    traceHash: world.trace.hash,
    violations,
    isChecked,
    statistics: {
      simulatedMs: world.now,
      events: world.events,
      operations: asked.length,
      faults: history.faults.length,
      faultKinds: new Set(history.faults.map(({ kind }) => kind)).size,
    },
    faultNumbers: simulation.faults.injected,
    lines: world.trace.lines,
  };
}
