// etcdctl move-leader

import { create } from "@bufbuild/protobuf";
import { rpcpb } from "#proto";
import type { Output } from "../../print/index.js";
import { badArgs, type CommandSpec } from "../command.js";
import type { Context } from "../context.js";
import { parseTransfereeId } from "./ids.js";

const METHOD = rpcpb.Maintenance.method;

export const MOVE_LEADER: CommandSpec = {
  name: "move-leader",
  use: "move-leader <transferee-member-id>",
  short: "Transfers leadership to another etcd cluster member.",
  group: "Cluster maintenance commands",
  run: moveLeader,
};

/** Only the leader can hand over, so it is looked for among the endpoints first. */
async function moveLeader(context: Context): Promise<Output> {
  if (context.args.length !== 1) throw badArgs("move-leader command needs 1 argument");
  const to = parseTransfereeId(context.args[0]);
  for (const endpoint of context.endpoints) {
    const client = context.client([endpoint]);
    const status = await context.call(client, METHOD.status, create(rpcpb.StatusRequestSchema));
    const from = status.leader;
    if (status.header?.memberId !== from) continue;
    await context.call(client, METHOD.moveLeader, create(rpcpb.MoveLeaderRequestSchema, { targetID: to }));
    return { kind: "move-leader", from, to };
  }
  throw badArgs(`no leader endpoint given at [${context.endpoints.join(" ")}]`);
}
