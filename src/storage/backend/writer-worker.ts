// The writer thread: one transaction a request. It runs apart from the main thread because a transaction of 10 000 records
// takes ten milliseconds and an fsync.
//
// Durability: lmdb's own order (data pages, fsync, meta page, through a synchronous descriptor). A transaction that fails
// is aborted as a whole; the log stays with the main thread, which may send it again.

import { closeSync, fstatSync, openSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "#base";
import { BatchReplay, type LogPart } from "./batch-replay.js";
import { LmdbEnvironment, type LmdbOptions } from "./lmdb-environment.js";
import { serveRequests } from "./worker-host.js";

/** Logs of one or more batches, in order. */
export interface CommitRequest {
  readonly parts: readonly LogPart[];
}

export interface FileSizes {
  readonly onDisk: number;
  readonly inUse: number;
}

const options = workerData as LmdbOptions;
const environment = new LmdbEnvironment(options);
const replay = new BatchReplay(environment);
const fd = openSync(options.path, "r");

function commit(request: CommitRequest): FileSizes {
  replay.write(request.parts);
  const { usedPages, pageSize } = environment.statistics();
  return { onDisk: fstatSync(fd).size, inUse: usedPages * pageSize };
}

async function close(): Promise<void> {
  closeSync(fd);
  await environment.close();
}

assert(parentPort !== null, "the writer runs as a worker thread");
serveRequests(parentPort, (kind, body) => {
  switch (kind) {
    case "commit":
      return commit(body as CommitRequest);
    case "close":
      return close();
    default:
      throw new Error(`unknown request ${kind}`);
  }
});
