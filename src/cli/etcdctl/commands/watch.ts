// etcdctl watch: events until the server ends the watch, as output or as runs of a command.

import { quoteText } from "../../print/index.js";
import { badArgs, type CommandSpec, ExitCode, ExitError } from "../command.js";
import { type Context, WATCH_KEY, WATCH_RANGE_END } from "../context.js";
import { parseWatchArgs, WATCH_FLAGS } from "./watch-args.js";
import { watchInteractively } from "./watch-interactive.js";
import { printWatch, startWatch } from "./watch-run.js";

export const WATCH: CommandSpec = {
  name: "watch",
  use: "watch [options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
  short: "Watches events stream on keys or prefixes",
  group: "Key-value commands",
  flags: WATCH_FLAGS,
  run: watch,
};

async function watch(context: Context): Promise<undefined> {
  const key = context.host.env[WATCH_KEY] ?? "";
  const rangeEnd = context.host.env[WATCH_RANGE_END] ?? "";
  if (key === "" && rangeEnd !== "") {
    throw badArgs(`${WATCH_KEY} is empty but got ${WATCH_RANGE_END}=${quoteText(rangeEnd)}`);
  }
  const fromEnv = key === "" ? [] : rangeEnd === "" ? [key] : [key, rangeEnd];
  if (context.flags.bool("interactive")) return watchInteractively(context, fromEnv);
  const call = parseWatchArgs(rawArguments(context.host.argv), context.args, context.flags, fromEnv);
  const client = context.client();
  await printWatch(context, startWatch(client, call), call.command);
  throw new ExitError(ExitCode.Interrupted, "watch is canceled by the server");
}

/** What stands behind the word `watch`. */
function rawArguments(argv: readonly string[]): readonly string[] {
  const at = argv.indexOf("watch");
  return at < 0 ? argv : argv.slice(at + 1);
}
