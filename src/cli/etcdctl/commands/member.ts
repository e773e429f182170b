// etcdctl member list, add, remove, update, promote

import { create } from "@bufbuild/protobuf";
import { rpcpb } from "#proto";
import type { Flag } from "../../flags/index.js";
import { type Output, quoteText, SimplePrinter } from "../../print/index.js";
import { badArgs, type CommandSpec } from "../command.js";
import type { Context } from "../context.js";
import { isSerializable } from "./get.js";
import { parseMemberId } from "./ids.js";

const METHOD = rpcpb.Cluster.method;

function peerUrlsFlag(which: string): Flag {
  return {
    name: "peer-urls",
    type: "string",
    default: "",
    help: `comma separated peer URLs for the ${which} member.`,
  };
}

export const MEMBER: CommandSpec = {
  name: "member",
  use: "member <subcommand>",
  short: "Membership related commands. Use `etcdctl member --help` to see subcommands",
  long: "Membership related commands",
  group: "Cluster maintenance commands",
  children: [
    {
      name: "add",
      use: "add <memberName> [options]",
      short: "Adds a member into the cluster",
      flags: [
        peerUrlsFlag("new"),
        {
          name: "learner",
          type: "bool",
          default: false,
          help: "indicates if the new member is raft learner",
        },
      ],
      run: add,
    },
    { name: "remove", use: "remove <memberID>", short: "Removes a member from the cluster", run: remove },
    {
      name: "update",
      use: "update <memberID> [options]",
      short: "Updates a member in the cluster",
      flags: [peerUrlsFlag("updated")],
      run: update,
    },
    {
      name: "list",
      use: "list",
      short: "Lists all members in the cluster",
      long: `With --write-out=simple, prints a line of comma-separated items for each member:
ID, Status, Name, Peer Addrs, Client Addrs, Is Learner.
`,
      flags: [
        { name: "consistency", type: "string", default: "l", help: "Linearizable(l) or Serializable(s)" },
      ],
      run: list,
    },
    {
      name: "promote",
      use: "promote <memberID>",
      short: "Promotes a non-voting member in the cluster",
      long: "Promotes a non-voting learner member to a voting one in the cluster.",
      run: promote,
    },
  ],
};

async function list(context: Context): Promise<Output> {
  const linearizable = !isSerializable(context.flags.text("consistency"));
  const request = create(rpcpb.MemberListRequestSchema, { linearizable });
  return { kind: "member list", response: await context.call(context.client(), METHOD.memberList, request) };
}

async function add(context: Context): Promise<undefined> {
  const [name] = context.args;
  if (name === undefined) throw badArgs("member name not provided");
  if (context.args.length > 1) {
    const urls = context.args.filter((arg) => arg.toLowerCase().startsWith("http"));
    throw badArgs(`too many arguments${urls.map((url) => `, did you mean --peer-urls=${url}`).join("")}`);
  }
  const peerURLs = peerUrls(context);
  const isLearner = context.flags.bool("learner");
  const request = create(rpcpb.MemberAddRequestSchema, { peerURLs, isLearner });
  const response = await context.call(context.client(), METHOD.memberAdd, request);
  context.print({ kind: "member add", response });
  if (!(context.printer instanceof SimplePrinter)) return;
  const initial = response.members.flatMap((member) =>
    member.peerURLs.map((url) => `${member.ID === response.member?.ID ? name : member.name}=${url}`),
  );
  context.streams.out(
    `\nETCD_NAME=${quoteText(name)}\n` +
      `ETCD_INITIAL_CLUSTER=${quoteText(initial.join(","))}\n` +
      `ETCD_INITIAL_ADVERTISE_PEER_URLS=${quoteText(peerURLs.join(","))}\n` +
      'ETCD_INITIAL_CLUSTER_STATE="existing"\n',
  );
}

async function remove(context: Context): Promise<Output> {
  const ID = memberId(context);
  const request = create(rpcpb.MemberRemoveRequestSchema, { ID });
  const response = await context.call(context.client(), METHOD.memberRemove, request);
  return { kind: "member change", change: "removed", id: ID, response };
}

async function update(context: Context): Promise<Output> {
  const ID = memberId(context);
  const request = create(rpcpb.MemberUpdateRequestSchema, { ID, peerURLs: peerUrls(context) });
  const response = await context.call(context.client(), METHOD.memberUpdate, request);
  return { kind: "member change", change: "updated", id: ID, response };
}

async function promote(context: Context): Promise<Output> {
  const ID = memberId(context);
  const request = create(rpcpb.MemberPromoteRequestSchema, { ID });
  const response = await context.call(context.client(), METHOD.memberPromote, request);
  return { kind: "member change", change: "promoted", id: ID, response };
}

function memberId(context: Context): bigint {
  if (context.args.length !== 1) throw badArgs("member ID is not provided");
  return parseMemberId(context.args[0]);
}

function peerUrls(context: Context): string[] {
  const text = context.flags.text("peer-urls");
  if (text === "") throw badArgs("member peer urls not provided");
  return text.split(",");
}
