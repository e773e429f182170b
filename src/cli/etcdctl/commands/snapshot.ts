// etcdctl snapshot save: a member's backend as a file. The file is written under another name and moved into place only when
// it is complete and on the disk, so a file of the wanted name is always a whole snapshot.

import { open, rename, rm } from "node:fs/promises";
import { EtcdError } from "#client";
import { badArgs, type CommandSpec, ExitCode, ExitError } from "../command.js";
import type { Context } from "../context.js";

const PAGE_BYTES = 512;
const CHECKSUM_BYTES = 32;

export const SNAPSHOT: CommandSpec = {
  name: "snapshot",
  use: "snapshot <subcommand>",
  short: "Manages etcd node snapshots",
  group: "Cluster maintenance commands",
  children: [
    {
      name: "save",
      use: "save <filename>",
      short: "Stores an etcd node backend snapshot to a given file",
      example: "  etcdctl --endpoints=127.0.0.1:2379 snapshot save backup.db",
      run: save,
    },
  ],
};

async function save(context: Context): Promise<undefined> {
  if (context.args.length !== 1) throw badArgs("snapshot save expects one argument <filename>");
  const endpoints = context.endpoints;
  if (endpoints.length !== 1) {
    throw interrupted(
      `snapshot must be requested to one selected node, not multiple [${endpoints.join(" ")}]`,
    );
  }
  const [path] = context.args;
  const part = `${path}.part`;
  try {
    const version = await download(context, part);
    await rename(part, path);
    context.streams.out(`Snapshot saved at ${path}\n`);
    if (version !== "") context.streams.out(`Server version ${version}\n`);
  } catch (error) {
    await rm(part, { force: true });
    if (error instanceof EtcdError) throw interrupted(error.message);
    if (error instanceof Error && "code" in error)
      throw interrupted(`could not open ${part} (${error.message})`);
    throw error;
  }
}

/** Writes the stream to `path`; returns the storage version that the server told. */
async function download(context: Context, path: string): Promise<string> {
  const client = context.client();
  // The command timeout is meant for short calls, so it counts only when it was asked for.
  const options = context.flags.has("command-timeout") ? context.timeout : {};
  const file = await open(path, "w", 0o600);
  let version = "";
  try {
    for await (const chunk of client.maintenance.snapshot(options)) {
      await file.appendFile(chunk.blob);
      if (chunk.version !== "") version = chunk.version;
    }
    const { size } = await file.stat();
    if (size % PAGE_BYTES !== CHECKSUM_BYTES) throw interrupted(`sha256 checksum not found [bytes: ${size}]`);
    await file.datasync();
  } finally {
    await file.close();
  }
  return version;
}

function interrupted(message: string): ExitError {
  return new ExitError(ExitCode.Interrupted, message);
}
