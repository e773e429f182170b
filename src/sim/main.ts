// The command line: `npm run sim -- ...`.

import { parseArgs } from "node:util";
import { type CampaignTotals, runCampaign } from "./campaign.js";
import type { Plan } from "./plan.js";
import { CANARY, PLANTED_BUGS, plantBug } from "./planted-bugs.js";
import { describeFailure, describePlan, replayCommand, traceAround } from "./report.js";
import { planOf, type RunResult, runPlan } from "./run.js";
import { describePlanSize, shrink } from "./shrink.js";

const HELP = `Simulates whole clusters from seeds and checks what they promised.

  --seed N            run one seed, twice, and print what happened; a failure is shrunk and its trace printed
  --minutes M         run fresh seeds on all cores for so long (default 1)
  --seeds N           run that many seeds
  --first N           the first of them (default: drawn from the clock)
  --cores N           processes to use (default: one for each core)
  --mutation NAME     plant a bug first: ${PLANTED_BUGS.join(", ")}
  --canary            plant ${CANARY} and fail unless it is found
  --size S            length of a run, 1 is 60 seconds of faults (default 1)
  --trace             with --seed: print the trace of a run that did not fail, too
  --no-shrink         with --seed: do not look for a smaller failing run
  --skip-faults, --skip-clients, --skip-watchers a,b,c; --idle-operator; --safety-ms N
                      what a shrunk run leaves out
`;

const SHRINK_RUNS_MAX = 80;
const CANARY_SEEDS_MAX = 200;

const OPTIONS = {
  seed: { type: "string" },
  minutes: { type: "string" },
  seeds: { type: "string" },
  first: { type: "string" },
  cores: { type: "string" },
  mutation: { type: "string" },
  canary: { type: "boolean" },
  size: { type: "string" },
  trace: { type: "boolean" },
  "no-shrink": { type: "boolean" },
  "skip-faults": { type: "string" },
  "skip-clients": { type: "string" },
  "skip-watchers": { type: "string" },
  "idle-operator": { type: "boolean" },
  "safety-ms": { type: "string" },
  help: { type: "boolean" },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.seed !== undefined) return oneSeed(Number(values.seed), values);
  return manySeeds(values);
}

// -- one seed ------------------------------------------------------------------------------------------------------------

async function oneSeed(seed: number, values: Values): Promise<number> {
  const bug = bugOf(values);
  if (bug !== undefined) plantBug(bug);
  const size = Number(values.size ?? 1);
  const plan = planOf(seed, { size, changes: changesOf(values) });
  const first = await runPlan(plan);
  const second = await runPlan(plan, true);
  say(`${describePlan(plan)}\n${describePlanSize(first)}, trace ${first.traceHash}`);
  if (first.traceHash !== second.traceHash) {
    say(`NOT DETERMINISTIC: a second run had trace ${second.traceHash}`);
    return 1;
  }
  if (first.violations.length === 0) {
    if (values.trace === true)
      say(second.lines.map(({ time, text }) => `${time.toFixed(3)}  ${text}`).join("\n"));
    say(`seed ${seed}: all promises kept`);
    return 0;
  }
  await showFailure(second, bug, size, values["no-shrink"] !== true);
  return 1;
}

async function showFailure(
  failing: RunResult,
  bug: string | undefined,
  size: number,
  doesShrink: boolean,
): Promise<void> {
  say(describeFailure(failing));
  say(`replay: ${replayCommand(failing.plan, bug, size)} --no-shrink`);
  let smallest = failing;
  if (doesShrink) {
    smallest = await shrink(failing, {
      runsMax: SHRINK_RUNS_MAX,
      onProgress: (text) => say(`  still fails with ${text}`),
    });
    say(describeFailure(smallest));
    say(`replay: ${replayCommand(smallest.plan, bug, size)} --no-shrink`);
  }
  say(traceAround(await runPlan(smallest.plan, true)));
}

function changesOf(values: Values): Partial<Plan> {
  const changes: { -readonly [K in keyof Plan]?: Plan[K] } = {};
  if (values["skip-faults"] !== undefined) changes.skipFaults = numbers(values["skip-faults"]);
  if (values["skip-clients"] !== undefined) changes.skipClients = numbers(values["skip-clients"]);
  if (values["skip-watchers"] !== undefined) changes.skipWatchClients = numbers(values["skip-watchers"]);
  if (values["idle-operator"] === true) changes.isOperatorIdle = true;
  if (values["safety-ms"] !== undefined) changes.safetyMs = Number(values["safety-ms"]);
  return changes;
}

function numbers(text: string): number[] {
  return text.split(",").map(Number);
}

// -- many seeds ----------------------------------------------------------------------------------------------------------

async function manySeeds(values: Values): Promise<number> {
  const bug = bugOf(values);
  const isHunt = bug !== undefined;
  const firstSeed = Number(values.first ?? Math.floor(Date.now() / 1000));
  const size = Number(values.size ?? 1);
  const seedsMax = Number(values.seeds ?? (isHunt && values.minutes === undefined ? CANARY_SEEDS_MAX : 1e9));
  const isLimited = values.minutes === undefined && Number.isFinite(seedsMax) && seedsMax < 1e9;
  const totals = await runCampaign({
    firstSeed,
    forMs: isLimited ? Number.POSITIVE_INFINITY : Number(values.minutes ?? 1) * 60_000,
    seedsMax,
    size,
    bug,
    failuresMax: isHunt ? 1 : 10,
    cores: values.cores === undefined ? undefined : Number(values.cores),
    onProgress: (campaign) => showProgress(campaign),
  });
  process.stdout.write("\n");
  for (const { seed, violations } of totals.failures) say(`seed ${seed}: ${violations[0]}`);
  if (isHunt) {
    const found = totals.failures[0];
    say(
      found === undefined
        ? `${bug} was NOT found`
        : `${bug} was found by seed ${found.seed}, after ${totals.seeds}`,
    );
    return found === undefined ? 1 : 0;
  }
  const [failure] = totals.failures;
  if (failure === undefined) return 0;
  await oneSeed(failure.seed, { ...values, minutes: undefined });
  return 1;
}

function showProgress(campaign: CampaignTotals): void {
  if (process.stdout.isTTY) process.stdout.write(`\r${campaign.describe()}   `);
  else if (campaign.seeds % 50 === 0) say(campaign.describe());
}

function bugOf(values: Values): string | undefined {
  return values.canary === true ? CANARY : values.mutation;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
