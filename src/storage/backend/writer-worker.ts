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

/** The file as it is open now; another one after a swap. */
class OpenFile {
  private readonly environment = new LmdbEnvironment(options);
  private readonly replay = new BatchReplay(this.environment);
  private readonly fd = openSync(options.path, "r");

  commit(request: CommitRequest): FileSizes {
    this.replay.write(request.parts);
    return this.sizes();
  }

  sizes(): FileSizes {
    const { usedPages, pageSize } = this.environment.statistics();
    return { onDisk: fstatSync(this.fd).size, inUse: usedPages * pageSize };
  }

  async close(): Promise<void> {
    closeSync(this.fd);
    await this.environment.close();
  }
}

let file = new OpenFile();

async function reopen(): Promise<FileSizes> {
  const old = file;
  file = new OpenFile();
  await old.close();
  return file.sizes();
}

assert(parentPort !== null, "the writer runs as a worker thread");
serveRequests(parentPort, (kind, body) => {
  switch (kind) {
    case "commit":
      return file.commit(body as CommitRequest);
    case "sizes":
      return file.sizes();
    case "reopen":
      return reopen();
    case "close":
      return file.close();
    default:
      throw new Error(`unknown request ${kind}`);
  }
});
