// The writer thread: replays operation logs (write-batch.ts) into lmdb, one transaction a request. It runs apart from
// the main thread because a transaction of 10 000 records takes ten milliseconds and an fsync.
//
// Durability: lmdb's own order (data pages, fsync, meta page, through a synchronous descriptor). A transaction that
// fails is aborted as a whole; the log stays with the main thread, which may send it again.

import { fstatSync, openSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "#base";
import { LmdbEnvironment, type LmdbOptions, type ValueBuffer, valueHandle } from "./lmdb-environment.js";
import { writeSum } from "./record.js";
import { serveRequests } from "./worker-host.js";
import { OP_DELETE, OP_HEADER, OP_PUT } from "./write-batch.js";

/** Logs of one or more batches, in order. */
export interface CommitRequest {
  readonly chunks: readonly { readonly bytes: Uint8Array; readonly used: number }[];
}

export interface FileSizes {
  readonly onDisk: number;
  readonly inUse: number;
}

const options = workerData as LmdbOptions;
const environment = new LmdbEnvironment(options);
const fd = openSync(options.path, "r");
const keys = new Map<number, Buffer>();
let local = Buffer.allocUnsafeSlow(1 << 20) as ValueBuffer;

function commit(request: CommitRequest): FileSizes {
  environment.transact(() => {
    for (const chunk of request.chunks) replay(chunk.bytes, chunk.used);
  });
  return sizes();
}

function replay(shared: Uint8Array, used: number): void {
  if (used > local.length) local = Buffer.allocUnsafeSlow(used) as ValueBuffer;
  // A private copy: sums are written into it, and lmdb-js cannot take the address of shared memory.
  local.set(used === shared.length ? shared : shared.subarray(0, used));
  const value = valueHandle(local);
  for (let at = 0; at < used; ) {
    const kind = local[at];
    const keyLength = local.readUInt16LE(at + 2);
    const valueLength = local.readUInt32LE(at + 4);
    const keyStart = at + OP_HEADER;
    const valueStart = keyStart + keyLength;
    const key = keyOf(keyStart, keyLength);
    if (kind === OP_PUT) {
      writeSum(local, keyStart, valueStart + valueLength - 4);
      local.start = valueStart;
      local.end = valueStart + valueLength;
      environment.put(key, value);
    } else {
      assert(kind === OP_DELETE, "unknown operation in the write log");
      environment.remove(key);
    }
    at = valueStart + valueLength;
  }
}

/** One buffer per key length: lmdb-js copies the key at once. */
function keyOf(start: number, length: number): Buffer {
  let key = keys.get(length);
  if (key === undefined) {
    key = Buffer.allocUnsafeSlow(length);
    keys.set(length, key);
  }
  local.copy(key, 0, start, start + length);
  return key;
}

function sizes(): FileSizes {
  const stats = environment.statistics();
  return { onDisk: fstatSync(fd).size, inUse: stats.usedPages * stats.pageSize };
}

assert(parentPort !== null, "the writer runs as a worker thread");
serveRequests(parentPort, (kind, body) => {
  switch (kind) {
    case "commit":
      return commit(body as CommitRequest);
    case "sizes":
      return sizes();
    case "close":
      return environment.close();
    default:
      throw new Error(`unknown request ${kind}`);
  }
});
