// etcdctl defrag

import { EtcdError } from "#client";
import { formatDuration } from "../../flags/index.js";
import { type CommandSpec, ExitCode, ExitError } from "../command.js";
import type { Context } from "../context.js";
import { CLUSTER_FLAG, chosenEndpoints } from "./endpoint.js";

export const DEFRAG: CommandSpec = {
  name: "defrag",
  use: "defrag",
  short: "Defragments the storage of the etcd members with given endpoints",
  group: "Cluster maintenance commands",
  flags: [CLUSTER_FLAG],
  run: defrag,
};

/** One member after the other: a member serves nobody while it defragments. */
async function defrag(context: Context): Promise<undefined> {
  let failures = 0;
  for (const endpoint of await chosenEndpoints(context)) {
    const client = context.client([endpoint]);
    const started = process.hrtime.bigint();
    const took = (): string => formatDuration(Number(process.hrtime.bigint() - started));
    try {
      await client.maintenance.defragment(context.timeout);
      context.streams.out(`Finished defragmenting etcd member[${endpoint}]. took ${took()}\n`);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      failures++;
      context.streams.err(
        `Failed to defragment etcd member[${endpoint}]. took ${took()}. (${error.message})\n`,
      );
    }
  }
  if (failures > 0) throw new ExitError(ExitCode.Error);
}
