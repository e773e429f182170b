// What is printed when a seed fails: which promise was broken, the one command that replays it, and the trace around it.

import { inspect } from "node:util";
import type { Plan } from "./plan.js";
import type { RunResult } from "./run.js";

const LINES_AROUND = 100;
const LINE_WIDTH = 400;

export function describeFailure(result: RunResult): string {
  const parts = [`seed ${result.seed} FAILED: ${result.violations.length} violation(s)`];
  for (const { checker, message, time, evidence } of result.violations.slice(0, 3)) {
    parts.push(`  ${checker}${Number.isFinite(time) ? ` at ${time.toFixed(3)} ms` : ""}: ${message}`);
    for (const item of evidence.slice(0, 4)) parts.push(indent(describeEvidence(item)));
  }
  return parts.join("\n");
}

/** The command that runs this very plan again. */
export function replayCommand(plan: Plan, bug: string | undefined, size: number): string {
  let command = `npm run sim -- --seed ${plan.seed}`;
  if (size !== 1) command += ` --size ${size}`;
  if (bug !== undefined) command += ` --mutation ${bug}`;
  if (plan.skipFaults.length > 0) command += ` --skip-faults ${plan.skipFaults.join(",")}`;
  if (plan.skipClients.length > 0) command += ` --skip-clients ${plan.skipClients.join(",")}`;
  if (plan.skipWatchClients.length > 0) command += ` --skip-watchers ${plan.skipWatchClients.join(",")}`;
  if (plan.isOperatorIdle) command += " --idle-operator";
  if (plan.safetyMs !== Math.round(60_000 * size)) command += ` --safety-ms ${plan.safetyMs}`;
  return command;
}

/** The lines of the trace before the first violation, and a few after it. */
export function traceAround(result: RunResult): string {
  const at = result.violations[0]?.time ?? Number.POSITIVE_INFINITY;
  const { lines } = result;
  let end = lines.length;
  if (Number.isFinite(at)) {
    const after = lines.findIndex(({ time }) => time > at);
    if (after >= 0) end = Math.min(lines.length, after + 10);
  }
  return lines
    .slice(Math.max(0, end - LINES_AROUND), end)
    .map(({ time, text }) => `${time.toFixed(3).padStart(11)}  ${text.slice(0, LINE_WIDTH)}`)
    .join("\n");
}

export function describePlan(plan: Plan): string {
  return inspect(plan, { breakLength: 120, compact: 10, depth: 3 });
}

function describeEvidence(item: unknown): string {
  if (typeof item === "string") return item;
  return inspect(item, { breakLength: 120, compact: 10, depth: 6, maxArrayLength: 20 });
}

function indent(text: string): string {
  return text
    .split("\n")
    .slice(0, 12)
    .map((line) => `      ${line}`)
    .join("\n");
}
