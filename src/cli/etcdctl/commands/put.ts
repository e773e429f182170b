// etcdctl put

import { encodePut, putRequest } from "#client";
import { type PutRequest, rpcpb } from "#proto";
import type { Output } from "../../print/index.js";
import { badArgs, type CommandSpec, type Invocation } from "../command.js";
import type { Context } from "../context.js";
import { argBytes } from "../words.js";
import { parseLeaseId } from "./ids.js";

const NEEDS = "put command needs 1 argument and input from stdin or 2 arguments";

export const PUT: CommandSpec = {
  name: "put",
  use: "put [options] <key> <value> (<value> can also be given from stdin)",
  short: "Puts the given key into the store",
  long: `
Puts the given key into the store.

A <value> that begins with '-' is taken for a flag. Put '--' before it:

$ put <key> -- <value>
$ put -- <key> <value>

Without <value>, and without '--ignore-value', the value is read from standard input:

$ cat file | put <key>
`,
  group: "Key-value commands",
  flags: [
    { name: "lease", type: "string", default: "0", help: "lease ID (in hexadecimal) to attach to the key" },
    {
      name: "prev-kv",
      type: "bool",
      default: false,
      help: "return the previous key-value pair before modification",
    },
    { name: "ignore-value", type: "bool", default: false, help: "updates the key using its current value" },
    { name: "ignore-lease", type: "bool", default: false, help: "updates the key using its current lease" },
  ],
  run: put,
};

async function put(context: Context): Promise<Output> {
  const request = await putRequestOf(context, () => context.host.stdin.rest());
  const response = await context.call(context.client(), rpcpb.KV.method.put, encodePut(request));
  return { kind: "put", response };
}

/**
 * The request that the arguments and flags of `put` describe; also a line of a transaction.
 * @param readValue where the value comes from when it is no argument
 */
export async function putRequestOf(
  { args, flags }: Invocation,
  readValue: () => Promise<Uint8Array>,
): Promise<PutRequest> {
  if (args.length === 0) throw badArgs(NEEDS);
  const ignoreValue = flags.bool("ignore-value");
  if (ignoreValue && args.length > 1)
    throw badArgs("put command needs only 1 argument when 'ignore-value' is set");
  let value = args.length > 1 ? argBytes(args[1]) : new Uint8Array(0);
  if (!ignoreValue && args.length === 1) {
    value = await readValue();
    if (value.length === 0) throw badArgs(NEEDS);
  }
  const lease = parseLeaseId(flags.text("lease"), "bad lease ID");
  const prevKv = flags.bool("prev-kv");
  return putRequest(argBytes(args[0]), value, {
    lease,
    prevKv,
    ignoreValue,
    ignoreLease: flags.bool("ignore-lease"),
  });
}
