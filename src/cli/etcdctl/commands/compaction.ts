// etcdctl compaction

import { create } from "@bufbuild/protobuf";
import { rpcpb } from "#proto";
import { parseInt64, ValueError } from "../../flags/index.js";
import { badArgs, type CommandSpec, ExitCode, ExitError } from "../command.js";
import type { Context } from "../context.js";

export const COMPACTION: CommandSpec = {
  name: "compaction",
  use: "compaction [options] <revision>",
  short: "Compacts the event history in etcd",
  group: "Key-value commands",
  flags: [
    {
      name: "physical",
      type: "bool",
      default: false,
      help: "'true' to wait for compaction to physically remove all old revisions",
    },
  ],
  run: compaction,
};

async function compaction(context: Context): Promise<undefined> {
  if (context.args.length !== 1) throw badArgs("compaction command needs 1 argument");
  const revision = revisionOf(context.args[0]);
  const request = create(rpcpb.CompactionRequestSchema, {
    revision,
    physical: context.flags.bool("physical"),
  });
  await context.call(context.client(), rpcpb.KV.method.compact, request);
  context.streams.out(`compacted revision ${revision}\n`);
}

function revisionOf(text: string): bigint {
  try {
    return parseInt64(text);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new ExitError(ExitCode.Error, error.message);
  }
}
