// etcdctl del

import { deleteRequest, encodeDelete } from "#client";
import { type DeleteRangeRequest, rpcpb } from "#proto";
import { type Output, quoteText } from "../../print/index.js";
import { badArgs, type CommandSpec, type Invocation } from "../command.js";
import type { Context } from "../context.js";
import { argBytes } from "../words.js";

const GRACE_MS = 2000;

export const DEL: CommandSpec = {
  name: "del",
  use: "del [options] <key> [range_end]",
  short: "Removes the specified key or range of keys [key, range_end)",
  group: "Key-value commands",
  flags: [
    { name: "prefix", type: "bool", default: false, help: "delete keys with matching prefix" },
    { name: "prev-kv", type: "bool", default: false, help: "return deleted key-value pairs" },
    {
      name: "from-key",
      type: "bool",
      default: false,
      help: "delete keys that are greater than or equal to the given key using byte compare",
    },
    { name: "range", type: "bool", default: false, help: "delete range of keys" },
  ],
  run: del,
};

async function del(context: Context): Promise<Output> {
  const request = await delRequest(context, (text) => context.streams.err(text));
  const response = await context.call(context.client(), rpcpb.KV.method.deleteRange, encodeDelete(request));
  return { kind: "del", response };
}

/**
 * The request that the arguments and flags of `del` describe; also a line of a transaction. A range that was not asked for
 * by `--range` is announced, and there is time to interrupt: a second key is easily meant for one more key to delete.
 */
export async function delRequest(
  { args, flags }: Invocation,
  warn: (text: string) => void,
): Promise<DeleteRangeRequest> {
  if (args.length === 0 || args.length > 2) {
    throw badArgs("del command needs one argument as key and an optional argument as range_end");
  }
  const prefix = flags.bool("prefix");
  const fromKey = flags.bool("from-key");
  if (prefix && fromKey) {
    throw badArgs("`--prefix` and `--from-key` cannot be set at the same time, choose one");
  }
  if (args.length > 1) {
    if (prefix || fromKey) {
      throw badArgs("too many arguments, only accept one argument when `--prefix` or `--from-key` is set");
    }
    if (!flags.bool("range")) {
      warn(
        `Warning: Keys between ${quoteText(args[0])} and ${quoteText(args[1])} will be deleted. Please interrupt the command within next 2 seconds to cancel. You can provide \`--range\` flag to avoid the delay.\n`,
      );
      await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
    }
  }
  const rangeEnd = args.length > 1 ? argBytes(args[1]) : undefined;
  return deleteRequest(argBytes(args[0]), { prefix, fromKey, rangeEnd, prevKv: flags.bool("prev-kv") });
}
