// What may stand on the command line of the simulation.

import { parseArgs } from "node:util";
import type { Plan } from "./plan.js";
import { CANARY, PLANTED_BUGS } from "./planted-bugs.js";

export const HELP = `Simulates whole clusters from seeds and checks what they promised.

One seed:
  --seed N            run it twice and print what happened; a failure is shrunk and its trace printed
  --trace             print the trace of a run that did not fail, too
  --no-shrink         do not look for a smaller failing run
  --skip-faults, --skip-clients, --skip-watchers a,b,c; --idle-operator; --safety-ms N
                      what a shrunk run leaves out

Many seeds, on all cores; exit code 1 if one fails:
  --minutes M         fresh seeds for so long (default 1)
  --seeds N           that many fresh seeds
  --seeds A-B         these seeds, until the last one or until --minutes are over; says where to go on
  --progress FILE     with --seeds A-B: keeps the totals there, and goes on from them the next time
  --first N           the first fresh seed (default: drawn from the clock)

Of the simulation itself:
  --determinism N     runs N seeds twice (from --first on, default 1); exit code 1 if any two runs differ
  --planted-bugs      plants every bug, one after another, and runs seeds until it is found; prints a table; exit code 1
                      if one is not found
  --limit N           gives up on a bug after so many seeds (default 2000)
  --bugs a,b          only these
  --markdown FILE     also writes the table into FILE, between its markers
  --mutation NAME     plants one bug before anything else that is asked for
  --canary            plants ${CANARY} and fails unless it is found

  --cores N           processes to use (default: one for each core)
  --size S            length of a run, 1 is 60 seconds of faults (default 1)

Bugs: ${PLANTED_BUGS.join(", ")}
`;

const OPTIONS = {
  seed: { type: "string" },
  minutes: { type: "string" },
  seeds: { type: "string" },
  progress: { type: "string" },
  first: { type: "string" },
  determinism: { type: "string" },
  "planted-bugs": { type: "boolean" },
  limit: { type: "string" },
  bugs: { type: "string" },
  markdown: { type: "string" },
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

export type Options = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

/** Throws for an option that does not exist. */
export function parseOptions(args: readonly string[]): Options {
  return parseArgs({ args: [...args], options: OPTIONS }).values;
}

export interface SeedRange {
  readonly first: number;
  readonly last: number;
}

/** "7-9" as a range; "9", or nothing, as that many seeds (or as many as there is time for) from `first` on. */
export function seedRangeOf(text: string | undefined, first: number): SeedRange {
  const bounds = /^(\d+)-(\d+)$/.exec(text ?? "");
  if (bounds !== null) return { first: Number(bounds[1]), last: Number(bounds[2]) };
  if (text === undefined) return { first, last: Number.POSITIVE_INFINITY };
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`--seeds ${text} is neither a number nor a range`);
  return { first, last: first + count - 1 };
}

export function bugOf(options: Options): string | undefined {
  return options.canary === true ? CANARY : options.mutation;
}

/** What a shrunk run leaves out. */
export function planChangesOf(options: Options): Partial<Plan> {
  const changes: { -readonly [K in keyof Plan]?: Plan[K] } = {};
  if (options["skip-faults"] !== undefined) changes.skipFaults = numbers(options["skip-faults"]);
  if (options["skip-clients"] !== undefined) changes.skipClients = numbers(options["skip-clients"]);
  if (options["skip-watchers"] !== undefined) changes.skipWatchClients = numbers(options["skip-watchers"]);
  if (options["idle-operator"] === true) changes.isOperatorIdle = true;
  if (options["safety-ms"] !== undefined) changes.safetyMs = Number(options["safety-ms"]);
  return changes;
}

function numbers(text: string): number[] {
  return text.split(",").map(Number);
}
