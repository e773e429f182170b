// The command line: `npm run sim -- ...`.

import { describeRow, describeTable, findBug, replaceTable } from "./bug-table.js";
import { Campaign } from "./campaign.js";
import { CampaignTotals, type TotalsRecord } from "./campaign-totals.js";
import { findNondeterminism } from "./determinism.js";
import {
  bugOf,
  HELP,
  type Options,
  parseOptions,
  planChangesOf,
  type SeedRange,
  seedRangeOf,
} from "./options.js";
import { CANARY, PLANTED_BUGS, plantBug } from "./planted-bugs.js";
import { describeFailure, describePlan, replayCommand, traceAround } from "./report.js";
import { planOf, type RunResult, runPlan } from "./run.js";
import { describePlanSize, shrink } from "./shrink.js";

const SHRINK_RUNS_MAX = 80;
const HUNT_SEEDS_MAX = 200;
const FAILURES_MAX = 10;
const BUG_SEEDS_MAX = 2000;
const CANARY_SEEDS_MAX = 100;
/** Seeds between two lines of progress where there is no terminal. */
const PROGRESS_SEEDS = 50;

/** The files that the command line names. */
export interface Files {
  /** Undefined if there is none. */
  read(path: string): string | undefined;
  write(path: string, text: string): void;
}

/** @returns the exit code */
export async function main(args: readonly string[], files: Files): Promise<number> {
  const options = parseOptions(args);
  if (options.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  if (options.seed !== undefined) return oneSeed(Number(options.seed), options);
  if (options.determinism !== undefined) return determinism(Number(options.determinism), options);
  if (options["planted-bugs"] === true) return plantedBugs(options, files);
  if (bugOf(options) !== undefined) return hunt(options);
  return manySeeds(options, files);
}

// -- one seed ------------------------------------------------------------------------------------------------------------

async function oneSeed(seed: number, options: Options): Promise<number> {
  const bug = bugOf(options);
  if (bug !== undefined) plantBug(bug);
  const size = sizeOf(options);
  const plan = planOf(seed, { size, changes: planChangesOf(options) });
  const first = await runPlan(plan);
  const second = await runPlan(plan, true);
  say(`${describePlan(plan)}\n${describePlanSize(first)}, trace ${first.traceHash}`);
  if (first.traceHash !== second.traceHash) {
    say(`NOT DETERMINISTIC: a second run had trace ${second.traceHash}`);
    return 1;
  }
  if (first.violations.length === 0) {
    if (options.trace === true)
      say(second.lines.map(({ time, text }) => `${time.toFixed(3)}  ${text}`).join("\n"));
    say(`seed ${seed}: all promises kept`);
    return 0;
  }
  await showFailure(second, bug, size, options["no-shrink"] !== true);
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

// -- many seeds ----------------------------------------------------------------------------------------------------------

async function manySeeds(options: Options, files: Files): Promise<number> {
  const range = seedRangeOf(options.seeds, firstOf(options, freshSeed()));
  const totals = startOf(range, options, files);
  const isTimed = options.minutes !== undefined || options.seeds === undefined;
  const progress = new Progress();
  const campaign = new Campaign({
    totals,
    lastSeed: range.last,
    forMs: isTimed ? Number(options.minutes ?? 1) * 60_000 : Number.POSITIVE_INFINITY,
    size: sizeOf(options),
    bug: undefined,
    failuresMax: FAILURES_MAX,
    cores: coresOf(options),
    onReport: () => progress.show(totals, range.last),
  });
  const interrupt = (): void => campaign.stop();
  process.once("SIGINT", interrupt);
  await campaign.run();
  process.off("SIGINT", interrupt);
  if (options.progress !== undefined) files.write(options.progress, JSON.stringify(totals.record()));
  if (process.stdout.isTTY) say("");
  for (const { seed, violations } of totals.failures) say(`seed ${seed}: ${violations[0]}`);
  say(totals.describe());
  if (totals.next <= range.last && Number.isFinite(range.last)) say(`go on: ${goOn(totals, range, options)}`);
  const isAlert = await isCanaryFound(range.first, options);
  const [failure] = totals.failures;
  if (failure === undefined) return isAlert ? 0 : 1;
  await oneSeed(failure.seed, options);
  return 1;
}

/** A batch counts only if the same simulation finds a bug that is there. */
async function isCanaryFound(firstSeed: number, options: Options): Promise<boolean> {
  const parts = { firstSeed, seedsMax: CANARY_SEEDS_MAX, size: sizeOf(options), cores: coresOf(options) };
  const { found, seeds } = await findBug(CANARY, parts);
  if (found === undefined)
    say(`the planted bug ${CANARY} was NOT found in ${seeds} seeds: this batch proves nothing`);
  else say(`the planted bug ${CANARY} was found after ${seeds} seeds`);
  return found !== undefined;
}

/** From the beginning of the range, or from where the campaign of this range was that the progress file tells of. */
function startOf(range: SeedRange, options: Options, files: Files): CampaignTotals {
  const kept = options.progress === undefined ? undefined : files.read(options.progress);
  if (kept === undefined) return new CampaignTotals(range.first);
  const record = JSON.parse(kept) as TotalsRecord;
  if (record.first !== range.first)
    throw new Error(`${options.progress} is of a campaign that began with seed ${record.first}`);
  return CampaignTotals.restore(record);
}

function goOn(totals: CampaignTotals, range: SeedRange, options: Options): string {
  const seeds = options.progress === undefined ? `${totals.next}-${range.last}` : options.seeds;
  const progress = options.progress === undefined ? "" : ` --progress ${options.progress}`;
  return `npm run sim -- --seeds ${seeds}${progress}`;
}

/** One line that is written over and over; where there is no terminal, one now and then. */
class Progress {
  private shown = 0;

  show(totals: CampaignTotals, last: number): void {
    const line = totals.describeProgress(last);
    if (process.stdout.isTTY) process.stdout.write(`\r${line}   `);
    else if (totals.seeds >= this.shown + PROGRESS_SEEDS) {
      this.shown = totals.seeds - (totals.seeds % PROGRESS_SEEDS);
      say(line);
    }
  }
}

// -- of the simulation itself --------------------------------------------------------------------------------------------

async function determinism(seeds: number, options: Options): Promise<number> {
  const firstSeed = firstOf(options, 1);
  const differing = await findNondeterminism({
    firstSeed,
    seeds,
    size: sizeOf(options),
    cores: coresOf(options),
    onProgress: (runs) => {
      if (runs % PROGRESS_SEEDS === 0) say(`${runs} of ${2 * seeds} runs`);
    },
  });
  say(`${seeds} seeds (${firstSeed}-${firstSeed + seeds - 1}) run twice: ${differing.length} differ`);
  for (const seed of differing) say(`seed ${seed} differs from run to run`);
  return differing.length === 0 ? 0 : 1;
}

async function hunt(options: Options): Promise<number> {
  const bug = bugOf(options) ?? "";
  const range = seedRangeOf(options.seeds ?? String(HUNT_SEEDS_MAX), firstOf(options, freshSeed()));
  const seedsMax = range.last - range.first + 1;
  const parts = { firstSeed: range.first, seedsMax, size: sizeOf(options), cores: coresOf(options) };
  const { found, seeds } = await findBug(bug, parts);
  if (found === undefined) say(`${bug} was NOT found in ${seeds} seeds`);
  else say(`${bug} was found by seed ${found.seed}, after ${seeds}: ${found.violations[0]}`);
  return found === undefined ? 1 : 0;
}

async function plantedBugs(options: Options, files: Files): Promise<number> {
  const seedsMax = Number(options.limit ?? BUG_SEEDS_MAX);
  const parts = { firstSeed: firstOf(options, 1), seedsMax, size: sizeOf(options), cores: coresOf(options) };
  const rows = [];
  for (const bug of options.bugs?.split(",") ?? PLANTED_BUGS) {
    const row = await findBug(bug, parts);
    rows.push(row);
    say(describeRow(row));
  }
  const table = describeTable(rows);
  const missed = rows.filter(({ found }) => found === undefined);
  say(`\n${table}\n\n${rows.length - missed.length} of ${rows.length} planted bugs found`);
  if (options.markdown !== undefined) {
    const document = files.read(options.markdown);
    if (document === undefined) throw new Error(`there is no ${options.markdown}`);
    files.write(options.markdown, replaceTable(document, table));
  }
  return missed.length === 0 ? 0 : 1;
}

function firstOf(options: Options, otherwise: number): number {
  return options.first === undefined ? otherwise : Number(options.first);
}

function freshSeed(): number {
  return Math.floor(Date.now() / 1000);
}

function sizeOf(options: Options): number {
  return Number(options.size ?? 1);
}

function coresOf(options: Options): number | undefined {
  return options.cores === undefined ? undefined : Number(options.cores);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
