// The arguments of `watch`: a key, perhaps the end of a range, and behind `--` a command to run for every event. Key and end
// may come from the environment instead, but not from both places.

import type { Flag, FlagValues } from "../../flags/index.js";
import { badArgs } from "../command.js";

export const WATCH_FLAGS: readonly Flag[] = [
  { name: "interactive", short: "i", type: "bool", default: false, help: "Interactive mode" },
  { name: "prefix", type: "bool", default: false, help: "Watch on a prefix if prefix is set" },
  { name: "rev", type: "int", default: 0, help: "Revision to start watching" },
  {
    name: "prev-kv",
    type: "bool",
    default: false,
    help: "get the previous key-value pair before the event happens",
  },
  {
    name: "progress-notify",
    type: "bool",
    default: false,
    help: "get periodic watch progress notification from server",
  },
];

export interface WatchCall {
  key: string;
  rangeEnd: string | undefined;
  prefix: boolean;
  revision: number;
  prevKv: boolean;
  progressNotify: boolean;
  /** Run for every event; empty: none. */
  command: readonly string[];
}

const BAD_NUMBER = "bad number of arguments";
const BAD_ENV = `${BAD_NUMBER} (found conflicting environment key)`;
const BAD_SEPARATOR = `${BAD_NUMBER} (found separator --, but no commands)`;

/**
 * @param raw arguments as given, with flags and `--`
 * @param args what is left of them without flags and without `--`
 * @param fromEnv key, and perhaps end, from the environment
 */
export function parseWatchArgs(
  raw: readonly string[],
  args: readonly string[],
  flags: FlagValues,
  fromEnv: readonly string[],
): WatchCall {
  const separator = raw.indexOf("--");
  const command = separator < 0 ? [] : raw.slice(separator + 1);
  if (separator >= 0 && command.length === 0) throw badArgs(BAD_SEPARATOR);
  const given = args.slice(0, args.length - command.length);
  if (given.length > 0 && fromEnv.length > 0) throw badArgs(BAD_ENV);
  const keys = fromEnv.length > 0 ? fromEnv : given;
  if (keys.length === 0) throw badArgs(BAD_NUMBER);
  const prefix = flags.bool("prefix");
  const rangeEnd = keys.length === 2 ? keys[1] : undefined;
  if (rangeEnd !== undefined && prefix) throw badArgs("`range_end` and `--prefix` are mutually exclusive");
  return {
    key: keys[0],
    rangeEnd,
    prefix,
    revision: flags.number("rev"),
    prevKv: flags.bool("prev-kv"),
    progressNotify: flags.bool("progress-notify"),
    command,
  };
}
