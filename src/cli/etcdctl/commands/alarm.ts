// etcdctl alarm list, disarm

import { create } from "@bufbuild/protobuf";
import { rpcpb } from "#proto";
import type { Output } from "../../print/index.js";
import { badArgs, type CommandSpec } from "../command.js";
import type { Context } from "../context.js";

const METHOD = rpcpb.Maintenance.method.alarm;
const ACTION = rpcpb.AlarmRequest_AlarmAction;

export const ALARM: CommandSpec = {
  name: "alarm",
  use: "alarm <subcommand>",
  short: "Alarm related commands. Use `etcdctl alarm --help` to see subcommands",
  long: "Alarm related commands",
  group: "Cluster maintenance commands",
  children: [
    { name: "disarm", use: "disarm", short: "Disarms all alarms", run: disarm },
    { name: "list", use: "list", short: "Lists all alarms", run: list },
  ],
};

async function list(context: Context): Promise<Output> {
  if (context.args.length !== 0) throw badArgs("alarm list command accepts no arguments");
  const request = create(rpcpb.AlarmRequestSchema, { action: ACTION.GET });
  return { kind: "alarm", response: await context.call(context.client(), METHOD, request) };
}

/** Takes back every alarm that is raised, one by one, and shows those that were. */
async function disarm(context: Context): Promise<Output> {
  if (context.args.length !== 0) throw badArgs("alarm disarm command accepts no arguments");
  const client = context.client();
  const get = create(rpcpb.AlarmRequestSchema, { action: ACTION.GET });
  const raised = await context.call(client, METHOD, get);
  // Several answers become one, so there is no header that would be true of it.
  const response = create(rpcpb.AlarmResponseSchema);
  for (const { memberID, alarm } of raised.alarms) {
    const request = create(rpcpb.AlarmRequestSchema, { action: ACTION.DEACTIVATE, memberID, alarm });
    response.alarms.push(...(await context.call(client, METHOD, request)).alarms);
  }
  return { kind: "alarm", response };
}
