// etcdctl get

import { create } from "@bufbuild/protobuf";
import { encodeRange, type GetOptions, rangeRequest } from "#client";
import { mvccpb, type RangeRequest, rpcpb } from "#proto";
import type { Output } from "../../print/index.js";
import { SimplePrinter } from "../../print/index.js";
import { badArgs, type CommandSpec, ExitCode, ExitError, type Invocation } from "../command.js";
import type { Context } from "../context.js";
import { argBytes } from "../words.js";

const SORT_TARGETS: Readonly<Record<string, NonNullable<GetOptions["sort"]>["by"]>> = {
  "": "key",
  CREATE: "create",
  KEY: "key",
  MODIFY: "mod",
  VALUE: "value",
  VERSION: "version",
};
const SORT_ORDERS: Readonly<Record<string, NonNullable<GetOptions["sort"]>["order"]>> = {
  "": "none",
  ASCEND: "ascend",
  DESCEND: "descend",
};

export const GET: CommandSpec = {
  name: "get",
  use: "get [options] <key> [range_end]",
  short: "Gets the key or a range of keys",
  group: "Key-value commands",
  flags: [
    { name: "consistency", type: "string", default: "l", help: "Linearizable(l) or Serializable(s)" },
    {
      name: "order",
      type: "string",
      default: "",
      help: "Order of results; ASCEND or DESCEND (ASCEND by default)",
    },
    {
      name: "sort-by",
      type: "string",
      default: "",
      help: "Sort target; CREATE, KEY, MODIFY, VALUE, or VERSION",
    },
    { name: "limit", type: "int", default: 0, help: "Maximum number of results" },
    { name: "prefix", type: "bool", default: false, help: "Get keys with matching prefix" },
    {
      name: "from-key",
      type: "bool",
      default: false,
      help: "Get keys that are greater than or equal to the given key using byte compare",
    },
    { name: "rev", type: "int", default: 0, help: "Specify the kv revision" },
    { name: "keys-only", type: "bool", default: false, help: "Get only the keys" },
    { name: "count-only", type: "bool", default: false, help: "Get only the count" },
    {
      name: "print-value-only",
      type: "bool",
      default: false,
      help: 'Only write values when using the "simple" output format',
    },
    { name: "min-create-rev", type: "int", default: 0, help: "Minimum create revision" },
    { name: "max-create-rev", type: "int", default: 0, help: "Maximum create revision" },
    { name: "min-mod-rev", type: "int", default: 0, help: "Minimum modification revision" },
    { name: "max-mod-rev", type: "int", default: 0, help: "Maximum modification revision" },
    { name: "stream", type: "bool", default: false, help: "Use the RangeStream RPC" },
  ],
  run: get,
};

async function get(context: Context): Promise<Output | undefined> {
  const request = getRequest(context);
  const client = context.client();
  const response = context.flags.bool("stream")
    ? await streamed(context, request)
    : await context.call(client, rpcpb.KV.method.range, encodeRange(request));
  if (context.flags.bool("count-only") && context.flags.text("write-out") !== "fields") {
    throw badArgs("--count-only is only for `--write-out=fields`");
  }
  const output: Output = { kind: "get", response };
  if (!context.flags.bool("print-value-only")) return output;
  if (!(context.printer instanceof SimplePrinter)) {
    throw badArgs("print-value-only is only for `--write-out=simple`");
  }
  new SimplePrinter(context.flags.bool("hex"), true).print(output, context.streams);
  return undefined;
}

async function streamed(context: Context, request: RangeRequest): Promise<rpcpb.RangeResponse> {
  const whole = create(rpcpb.RangeResponseSchema);
  const options = { ...request, ...context.timeout, ...sortOf(context) };
  for await (const chunk of context.client().kv.rangeStream(request.key, options)) {
    for (const kv of chunk.kvs) {
      const { key, value, lease } = kv;
      const revisions = {
        createRevision: BigInt(kv.createRevision),
        modRevision: BigInt(kv.modRevision),
        version: BigInt(kv.version),
      };
      whole.kvs.push(create(mvccpb.KeyValueSchema, { key, value, lease, ...revisions }));
    }
    if (chunk.last === undefined) continue;
    const { header } = chunk.last;
    whole.more = chunk.last.more;
    whole.count = BigInt(chunk.last.count);
    whole.header = create(rpcpb.ResponseHeaderSchema, {
      clusterId: header.clusterId,
      memberId: header.memberId,
      revision: BigInt(header.revision),
      raftTerm: BigInt(header.raftTerm),
    });
  }
  return whole;
}

/** The request that the arguments and flags of `get` describe; also a line of a transaction. */
export function getRequest({ args, flags }: Invocation): RangeRequest {
  if (args.length === 0) {
    throw badArgs("get command needs one argument as key and an optional argument as range_end");
  }
  const prefix = flags.bool("prefix");
  const fromKey = flags.bool("from-key");
  if (prefix && fromKey) {
    throw badArgs("`--prefix` and `--from-key` cannot be set at the same time, choose one");
  }
  if (flags.bool("keys-only") && flags.bool("count-only")) {
    throw badArgs("`--keys-only` and `--count-only` cannot be set at the same time, choose one");
  }
  const serializable = isSerializable(flags.text("consistency"));
  if (args.length > 1 && (prefix || fromKey)) {
    throw badArgs("too many arguments, only accept one argument when `--prefix` or `--from-key` is set");
  }
  const sort = sortOf({ args, flags });
  checkBounds(flags.number("min-create-rev"), flags.number("max-create-rev"), "Create");
  checkBounds(flags.number("min-mod-rev"), flags.number("max-mod-rev"), "Mod");
  return rangeRequest(argBytes(args[0]), {
    prefix,
    fromKey,
    rangeEnd: args.length > 1 ? argBytes(args[1]) : undefined,
    limit: flags.number("limit"),
    revision: Math.max(0, flags.number("rev")),
    ...sort,
    serializable,
    keysOnly: flags.bool("keys-only"),
    countOnly: flags.bool("count-only"),
    minCreateRevision: Math.max(0, flags.number("min-create-rev")),
    maxCreateRevision: Math.max(0, flags.number("max-create-rev")),
    minModRevision: Math.max(0, flags.number("min-mod-rev")),
    maxModRevision: Math.max(0, flags.number("max-mod-rev")),
  });
}

function sortOf({ flags }: Invocation): Pick<GetOptions, "sort"> {
  const order = SORT_ORDERS[flags.text("order").toUpperCase()];
  if (order === undefined) throw badFeature(`bad sort order ${flags.text("order")}`);
  const by = SORT_TARGETS[flags.text("sort-by").toUpperCase()];
  if (by === undefined) throw badFeature(`bad sort target ${flags.text("sort-by")}`);
  return { sort: { by, order } };
}

function checkBounds(min: number, max: number, what: string): void {
  if (max > 0 && min > max) throw badFeature(`getMin${what}Rev(=${min}) > getMax${what}Rev(=${max})`);
}

/** What `--consistency` says. */
export function isSerializable(option: string): boolean {
  if (option !== "s" && option !== "l")
    throw badFeature(`unknown consistency flag ${JSON.stringify(option)}`);
  return option === "s";
}

function badFeature(message: string): ExitError {
  return new ExitError(ExitCode.BadFeature, message);
}
