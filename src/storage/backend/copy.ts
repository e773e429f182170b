// Defragmentation, the part that writes: a compact copy of a tree, record by record in key order, so that the new file has
// no free pages. The first pass copies a pinned state while commits go on; each later pass adds what was committed since,
// and the last one runs while commits wait (lmdb-backend.ts). Every record's sum is checked on the way: a copy must not
// launder damage.
//
// The copy counts for nothing before it is renamed, so lmdb does not sync it; its pages are brought to the disk a piece at a
// time, with rests, and once more all together at the end. Syncs of the log stand behind every piece.

import { closeSync, fdatasyncSync, fsyncSync, openSync } from "node:fs";
import { assert } from "#base";
import { type BucketName, CorruptBackendError, type RevisionName } from "./backend.js";
import { BatchReplay } from "./batch-replay.js";
import { LmdbEnvironment, type LmdbOptions } from "./lmdb-environment.js";
import { LmdbFile } from "./lmdb-file.js";
import { rest } from "./pacer.js";
import { isIntact, REVISION_KEY_MAX, REVISION_PREFIX, writeRevisionKey } from "./record.js";
import type { TreeHandle } from "./view-worker.js";
import { OP_HEADER, OP_PUT, WriteBatch } from "./write-batch.js";

/** One transaction of the copy, and what it syncs at a time: a sync of the log that comes meanwhile waits for no more. */
const LOG_BYTES = 256 << 10;
/** A piece is followed by a rest so many times as long as it took. */
const REST_FACTOR = 2;
const REVISIONS_END = Uint8Array.of(REVISION_PREFIX + 1);

export interface CopyRequest {
  readonly tree: TreeHandle;
  readonly target: LmdbOptions;
}

/** What was committed since the state that the copy holds. */
export interface CatchUpRequest {
  readonly tree: TreeHandle;
  /** The last revision that the copy may hold; later ones are copied from the tree. */
  readonly after: RevisionName;
  readonly deleted: readonly RevisionName[];
  readonly entries: readonly { bucket: BucketName; key: Uint8Array; value: Uint8Array | null }[];
}

/** The copy in the making; a thread makes one. */
let copy: TreeCopy | undefined;

export function copyTree({ tree, target }: CopyRequest): void {
  assert(copy === undefined, "one copy at a time");
  copy = new TreeCopy(target);
  copy.addRange(tree, undefined, undefined);
}

export function catchUp({ tree, after, deleted, entries }: CatchUpRequest): void {
  assert(copy !== undefined, "nothing to catch up with");
  const from = new Uint8Array(REVISION_KEY_MAX);
  const length = writeRevisionKey(from, 0, after.main, after.sub + 1);
  copy.addRange(tree, from.subarray(0, length), REVISIONS_END);
  copy.addChanges(deleted, entries);
}

/** Closes the copy after a last check that it holds as much as the tree. */
export async function finishCopy(tree: TreeHandle): Promise<void> {
  assert(copy !== undefined, "nothing to finish");
  await copy.finish(tree);
  copy = undefined;
}

class TreeCopy {
  private readonly environment: LmdbEnvironment;
  private readonly replay: BatchReplay;
  private readonly fd: number;
  private readonly mustSync: boolean;
  private log = Buffer.allocUnsafeSlow(LOG_BYTES);
  private used = 0;

  constructor(target: LmdbOptions) {
    this.environment = new LmdbEnvironment({ ...target, unsafeNoFsync: true });
    this.replay = new BatchReplay(this.environment);
    this.fd = openSync(target.path, "r+");
    this.mustSync = !target.unsafeNoFsync;
  }

  addRange(tree: TreeHandle, from: Uint8Array | undefined, to: Uint8Array | undefined): void {
    const file = new LmdbFile(tree.path, tree.fd);
    file.walk(tree.root, from, to, (key, keyStart, keyEnd, value, start, end) => {
      if (!isIntact(key, keyStart, keyEnd, value, start, end)) {
        throw new CorruptBackendError(tree.path, "checksum mismatch of a record");
      }
      this.addPut(key, keyStart, keyEnd, value, start, end);
    });
    this.flush();
  }

  addChanges(deleted: CatchUpRequest["deleted"], entries: CatchUpRequest["entries"]): void {
    const batch = new WriteBatch();
    for (const { main, sub } of deleted) batch.deleteRevision(main, sub);
    for (const { bucket, key, value } of entries) {
      if (value === null) batch.delete(bucket, key);
      else batch.put(bucket, key, value);
    }
    this.replay.write(batch.chunks);
  }

  async finish(tree: TreeHandle): Promise<void> {
    const { entries } = this.environment.statistics();
    await this.environment.close();
    if (this.mustSync) fsyncSync(this.fd);
    closeSync(this.fd);
    assert(entries === tree.root.entries, "the compact copy does not hold what the database holds");
  }

  private addPut(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    const keyLength = keyEnd - keyStart;
    const need = OP_HEADER + keyLength + (end - start);
    if (this.used + need > this.log.length) {
      this.flush();
      if (need > this.log.length) this.log = Buffer.allocUnsafeSlow(need);
    }
    const at = this.used;
    this.log[at] = OP_PUT;
    this.log[at + 1] = 0;
    this.log.writeUInt16LE(keyLength, at + 2);
    this.log.writeUInt32LE(end - start, at + 4);
    this.log.set(key.subarray(keyStart, keyEnd), at + OP_HEADER);
    this.log.set(value.subarray(start, end), at + OP_HEADER + keyLength);
    this.used += need;
  }

  private flush(): void {
    if (this.used === 0) return;
    const began = performance.now();
    this.replay.write([{ bytes: this.log, used: this.used }]);
    this.used = 0;
    if (this.mustSync) fdatasyncSync(this.fd);
    rest(REST_FACTOR * (performance.now() - began));
  }
}
