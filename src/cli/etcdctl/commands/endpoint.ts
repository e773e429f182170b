// etcdctl endpoint health, status, hashkv

import { create } from "@bufbuild/protobuf";
import { EtcdError } from "#client";
import { ErrPermissionDenied, rpcpb } from "#proto";
import { type Flag, formatDuration } from "../../flags/index.js";
import type { EndpointHealth, Output } from "../../print/index.js";
import { type CommandSpec, ExitCode, ExitError } from "../command.js";
import type { Context } from "../context.js";

const METHOD = rpcpb.Maintenance.method;

export const CLUSTER_FLAG: Flag = {
  name: "cluster",
  type: "bool",
  default: false,
  help: "use all endpoints from the cluster member list",
};

export const ENDPOINT: CommandSpec = {
  name: "endpoint",
  use: "endpoint <subcommand>",
  short: "Endpoint related commands. Use `etcdctl endpoint --help` to see subcommands",
  long: "Endpoint related commands",
  group: "Cluster maintenance commands",
  sharedFlags: [CLUSTER_FLAG],
  children: [
    {
      name: "health",
      use: "health",
      short: "Checks the healthiness of endpoints specified in `--endpoints` flag",
      run: health,
    },
    {
      name: "status",
      use: "status",
      short: "Prints out the status of endpoints specified in `--endpoints` flag",
      long: `With --write-out=simple, prints a line of comma-separated items for each endpoint:
endpoint, ID, version, storage version, db size, in use, percentage not in use, quota, is leader, is learner, raft term,
raft index, raft applied index, errors, downgrade target version, downgrade enabled.
`,
      run: status,
    },
    {
      name: "hashkv",
      use: "hashkv",
      short: "Prints the KV history hash for each endpoint in --endpoints",
      flags: [
        { name: "rev", type: "int", default: 0, help: "maximum revision to hash (default: latest revision)" },
      ],
      run: hashKV,
    },
  ],
};

/** The endpoints given, or with --cluster those of all members. */
export async function chosenEndpoints(context: Context): Promise<string[]> {
  const given = context.endpoints;
  if (!context.flags.bool("cluster")) return given;
  try {
    const { members } = await context.client().cluster.list(context.timeout);
    return members.flatMap((member) => member.clientUrls);
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    const text = `failed to fetch endpoints from etcd cluster member list: ${error.message}`;
    throw new ExitError(ExitCode.Error, text);
  }
}

async function health(context: Context): Promise<undefined> {
  const endpoints: EndpointHealth[] = [];
  const check = async (endpoint: string): Promise<void> => {
    endpoints.push(await healthOf(context, endpoint));
  };
  // All at once; the report is in the order of the answers.
  await Promise.all((await chosenEndpoints(context)).map(check));
  context.print({ kind: "endpoint health", endpoints });
  if (endpoints.some((one) => one.error !== "")) throw new ExitError(ExitCode.Error, "unhealthy cluster");
}

async function healthOf(context: Context, endpoint: string): Promise<EndpointHealth> {
  const client = context.client([endpoint]);
  const started = process.hrtime.bigint();
  const options = context.timeout;
  let error = "";
  try {
    // Any key will do: that it can be read with consensus is the sign of health. Not being allowed to is as good.
    await client.kv.get("health", options);
  } catch (failure) {
    if (!(failure instanceof EtcdError)) throw failure;
    if (failure.row !== ErrPermissionDenied) error = failure.message;
  }
  const took = formatDuration(Number(process.hrtime.bigint() - started));
  if (error === "") error = await alarmsOf(client.maintenance.alarms(options));
  return { endpoint, health: error === "", took, error };
}

async function alarmsOf(call: Promise<{ alarms: { alarm: string }[] }>): Promise<string> {
  try {
    const { alarms } = await call;
    if (alarms.length === 0) return "";
    const names = alarms.map(({ alarm }) => (alarm === "NONE" ? "UNKNOWN " : `${alarm} `));
    return `Active Alarm(s): ${names.join("")}`;
  } catch (failure) {
    if (!(failure instanceof EtcdError)) throw failure;
    return "Unable to fetch the alarm list";
  }
}

async function status(context: Context): Promise<undefined> {
  const { answers, failure } = await forEach(context, "status", (endpoint) =>
    context.call(context.client([endpoint]), METHOD.status, create(rpcpb.StatusRequestSchema)),
  );
  context.print({ kind: "endpoint status", endpoints: answers });
  if (failure !== undefined) throw new ExitError(ExitCode.Error);
}

async function hashKV(context: Context): Promise<Output | undefined> {
  const request = create(rpcpb.HashKVRequestSchema, { revision: BigInt(context.flags.number("rev")) });
  const { answers, failure } = await forEach(context, "hash", (endpoint) =>
    context.call(context.client([endpoint]), METHOD.hashKV, request),
  );
  context.print({ kind: "endpoint hashkv", endpoints: answers });
  if (failure !== undefined) throw new ExitError(ExitCode.Error, failure.message);
  return undefined;
}

/** Asks one endpoint after the other; failures are told on stderr, and the last one is returned. */
async function forEach<T>(
  context: Context,
  what: string,
  ask: (endpoint: string) => Promise<T>,
): Promise<{ answers: { endpoint: string; response: T }[]; failure: EtcdError | undefined }> {
  const answers: { endpoint: string; response: T }[] = [];
  let failure: EtcdError | undefined;
  for (const endpoint of await chosenEndpoints(context)) {
    try {
      answers.push({ endpoint, response: await ask(endpoint) });
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      failure = error;
      context.streams.err(`Failed to get the ${what} of endpoint ${endpoint} (${error.message})\n`);
    }
  }
  return { answers, failure };
}
