// All planted bugs, one after another: how many seeds each takes, and what finds it. A change of the simulation is finished
// when every one is found again.

import { Campaign } from "./campaign.js";
import { CampaignTotals } from "./campaign-totals.js";
import type { SeedReport } from "./seed-worker.js";

export interface BugRow {
  readonly bug: string;
  /** Seeds run up to and with the one that found it; all of them if none did. */
  readonly seeds: number;
  /** The run that found it. */
  readonly found: SeedReport | undefined;
}

export interface BugHunt {
  readonly firstSeed: number;
  readonly seedsMax: number;
  readonly size: number;
  readonly cores: number | undefined;
}

/** Plants one bug and runs seeds in order until one fails. */
export async function findBug(bug: string, hunt: BugHunt): Promise<BugRow> {
  const totals = await new Campaign({
    totals: new CampaignTotals(hunt.firstSeed),
    lastSeed: hunt.firstSeed + hunt.seedsMax - 1,
    forMs: Number.POSITIVE_INFINITY,
    size: hunt.size,
    bug,
    failuresMax: 1,
    cores: hunt.cores,
    onReport: () => {},
  }).run();
  // Two that ran side by side may both have failed.
  const [found] = totals.failures;
  return { bug, seeds: found === undefined ? totals.seeds : found.seed - hunt.firstSeed + 1, found };
}

const MARKDOWN_HEAD = ["| bug | seeds | found by |", "|---|---|---|"];
const TEXT_MAX = 110;

export function describeRow({ bug, seeds, found }: BugRow): string {
  if (found === undefined) return `| ${bug} | **not in ${seeds}** | |`;
  return `| ${bug} | ${seeds} | ${shorten(found.violations[0])} |`;
}

export function describeTable(rows: readonly BugRow[]): string {
  return [...MARKDOWN_HEAD, ...rows.map(describeRow)].join("\n");
}

/** What differs from run to run, numbers above all, is no part of what a checker found. */
function shorten(violation: string): string {
  const text = violation.replaceAll("|", "/").replaceAll("\n", " ");
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}…`;
}

const BEGIN = "<!-- planted bugs: begin -->";
const END = "<!-- planted bugs: end -->";

/** Puts the table between the two markers of a document. Throws if they are not there. */
export function replaceTable(document: string, table: string): string {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END);
  if (from < 0 || to < from) throw new Error(`the document has no place for the table: ${BEGIN} … ${END}`);
  return `${document.slice(0, from + BEGIN.length)}\n${table}\n${document.slice(to)}`;
}
