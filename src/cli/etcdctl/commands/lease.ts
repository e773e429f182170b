// etcdctl lease grant, revoke, timetolive, list, keep-alive

import { create } from "@bufbuild/protobuf";
import type { KeepAliveResponse } from "#client";
import { rpcpb } from "#proto";
import { parseInt64, ValueError } from "../../flags/index.js";
import { leaseHex, type Output, SimplePrinter } from "../../print/index.js";
import { badArgs, type CommandSpec, ExitCode } from "../command.js";
import { type Context, exitOnFailure } from "../context.js";
import { parseLeaseId } from "./ids.js";

const METHOD = rpcpb.Lease.method;

export const LEASE: CommandSpec = {
  name: "lease",
  use: "lease <subcommand>",
  short: "Lease related commands. Use `etcdctl lease --help` to see subcommands",
  long: "Lease related commands",
  group: "Key-value commands",
  children: [
    { name: "grant", use: "grant <ttl>", short: "Creates leases", run: grant },
    { name: "revoke", use: "revoke <leaseID>", short: "Revokes leases", run: revoke },
    {
      name: "timetolive",
      use: "timetolive <leaseID> [options]",
      short: "Get lease information",
      flags: [{ name: "keys", type: "bool", default: false, help: "Get keys attached to this lease" }],
      run: timeToLive,
    },
    { name: "list", use: "list", short: "List all active leases", run: list },
    {
      name: "keep-alive",
      use: "keep-alive [options] <leaseID>",
      short: "Keeps leases alive (renew)",
      flags: [
        {
          name: "once",
          type: "bool",
          default: false,
          help: "Resets the keep-alive time to its original value and cobrautl.Exits immediately",
        },
      ],
      run: keepAlive,
    },
  ],
};

async function grant(context: Context): Promise<Output> {
  if (context.args.length !== 1) throw badArgs("lease grant command needs TTL argument");
  const request = create(rpcpb.LeaseGrantRequestSchema, { TTL: ttlOf(context.args[0]) });
  const call = context.call(context.client(), METHOD.leaseGrant, request);
  const response = await exitOnFailure(ExitCode.Error, call, (text) => `failed to grant lease (${text})`);
  return { kind: "lease grant", response };
}

function ttlOf(text: string): bigint {
  try {
    return parseInt64(text);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw badArgs(`bad TTL (${error.message})`);
  }
}

async function revoke(context: Context): Promise<Output> {
  if (context.args.length !== 1) throw badArgs("lease revoke command needs 1 argument");
  const id = parseLeaseId(context.args[0]);
  const request = create(rpcpb.LeaseRevokeRequestSchema, { ID: id });
  const call = context.call(context.client(), METHOD.leaseRevoke, request);
  const response = await exitOnFailure(ExitCode.Error, call, (text) => `failed to revoke lease (${text})`);
  return { kind: "lease revoke", id, response };
}

async function timeToLive(context: Context): Promise<Output> {
  if (context.args.length !== 1) throw badArgs("lease timetolive command needs lease ID as argument");
  const client = context.client();
  const keys = context.flags.bool("keys");
  const request = create(rpcpb.LeaseTimeToLiveRequestSchema, { ID: parseLeaseId(context.args[0]), keys });
  const call = client.call(METHOD.leaseTimeToLive, request);
  return { kind: "lease timetolive", keys, response: await exitOnFailure(ExitCode.BadConnection, call) };
}

async function list(context: Context): Promise<Output> {
  const call = context.client().call(METHOD.leaseLeases, create(rpcpb.LeaseLeasesRequestSchema));
  return { kind: "lease list", response: await exitOnFailure(ExitCode.BadConnection, call) };
}

async function keepAlive(context: Context): Promise<Output | undefined> {
  if (context.args.length !== 1) throw badArgs("lease keep-alive command needs lease ID as argument");
  const id = parseLeaseId(context.args[0]);
  const client = context.client();
  if (context.flags.bool("once")) {
    const answer = await exitOnFailure(ExitCode.BadConnection, client.lease.keepAliveOnce(id));
    return { kind: "lease keep-alive", response: responseOf(answer) };
  }
  for await (const answer of client.lease.keepAlive(id)) {
    context.print({ kind: "lease keep-alive", response: responseOf(answer) });
  }
  if (context.printer instanceof SimplePrinter)
    context.streams.out(`lease ${leaseHex(id)} expired or revoked.\n`);
  return undefined;
}

function responseOf({ header, id, ttl }: KeepAliveResponse): rpcpb.LeaseKeepAliveResponse {
  return create(rpcpb.LeaseKeepAliveResponseSchema, {
    header: {
      clusterId: header.clusterId,
      memberId: header.memberId,
      revision: BigInt(header.revision),
      raftTerm: BigInt(header.raftTerm),
    },
    ID: id,
    TTL: BigInt(ttl),
  });
}
