// etcdctl watch -i: lines of `watch …` and `progress` on standard input; all watches print as their events come.

import { badArgs, ExitCode, ExitError } from "../command.js";
import type { Context } from "../context.js";
import { FlagError } from "../pflag-command.js";
import { readCommandLine } from "../program.js";
import { splitWords } from "../words.js";
import { parseWatchArgs, WATCH_FLAGS, type WatchCall } from "./watch-args.js";
import { printWatch, startWatch } from "./watch-run.js";

/** Ends only by an error: at the latest when standard input does. */
export async function watchInteractively(context: Context, fromEnv: readonly string[]): Promise<never> {
  const client = context.client();
  let stop: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    stop = reject;
  });
  const lines = async (): Promise<never> => {
    for (;;) {
      const line = await context.host.stdin.line();
      if (line === undefined)
        throw new ExitError(ExitCode.InvalidInput, "error reading watch request line: EOF");
      const words = splitWords(line);
      if (words.length === 0) {
        context.streams.err(`Invalid command: ${line} (watch and progress supported)\n`);
      } else if (words[0] === "progress") {
        client.watch.requestProgress({ requireLeader: true });
      } else if (words[0] !== "watch") {
        context.streams.err(`Invalid command ${line} (only support watch)\n`);
      } else if (words.length < 2 && fromEnv.length === 0) {
        context.streams.err(`Invalid command ${line} (command type or key is not provided)\n`);
      } else {
        const call = readCall(context, words.slice(1), fromEnv, line);
        if (call !== undefined) printWatch(context, startWatch(client, call), call.command).catch(stop);
      }
    }
  };
  return Promise.race([lines(), failed]);
}

/** One line as a watch; undefined after a complaint that does not end the command. */
function readCall(
  context: Context,
  words: readonly string[],
  fromEnv: readonly string[],
  line: string,
): WatchCall | undefined {
  try {
    const { args, flags } = readCommandLine({ name: "watch", flags: WATCH_FLAGS }, words);
    return parseWatchArgs(words, args, flags, fromEnv);
  } catch (error) {
    if (error instanceof FlagError) throw badArgs(error.message);
    if (!(error instanceof ExitError) || !error.message.includes("mutually exclusive")) throw error;
    context.streams.err(`Invalid command ${line} (${error.message})\n`);
    return undefined;
  }
}
