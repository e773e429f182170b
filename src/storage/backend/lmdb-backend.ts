// The backend on disk. Reads come from the newest of: the batch being filled, batches on their way to the disk, lmdb.
// Writes only fill the batch (write-batch.ts); `commit` seals it and the writer thread turns all sealed batches into one
// lmdb transaction. The main thread therefore never waits for a disk, and pays one copy per write.
//
// Every stored record carries a checksum (record.ts) that is compared on each read. Passes over many records go through
// LmdbFile, which also checks the tree itself and does not make the file resident.
//
// On disk: <path> and <path>-lock (lmdb's reader table). The server keeps it beside etcd's own file, as
// member/snap/db.lmdb; `<path>.new` is a replacement in the making and is removed at open.

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Panic, panic } from "#base";
import {
  type BackendView,
  type BucketName,
  CorruptBackendError,
  type EntryVisitor,
  type RevisionName,
  type RevisionVisitor,
  type StorageBackend,
} from "./backend.js";
import { CommittedChanges } from "./committed-changes.js";
import type { CatchUpRequest, CopyRequest } from "./copy.js";
import { Lane } from "./lane.js";
import { LmdbEnvironment, type LmdbOptions } from "./lmdb-environment.js";
import { LmdbFile } from "./lmdb-file.js";
import { LmdbView, PinnedTree, startViewThread } from "./lmdb-view.js";
import {
  bucketKey,
  bucketNumber,
  FLAG_LONG_KEY,
  FLAG_TOMBSTONE,
  isIntact,
  REVISION_KEY_MAX,
  REVISION_PREFIX,
  revisionMain,
  revisionSub,
  storedContent,
  writeRevisionKey,
} from "./record.js";
import type { ImportRequest, TreeHandle } from "./view-worker.js";
import { WorkerHost, workerFile } from "./worker-host.js";
import { keyText, WriteBatch } from "./write-batch.js";
import type { CommitRequest, FileSizes } from "./writer-worker.js";

const WRITER_HEAP_MB = 64;
/** Passes of a defragmentation before it holds commits whatever is left. */
const CATCH_UP_ROUNDS = 8;
const NOTHING: RevisionName = { main: 0, sub: 0 };

export interface LmdbBackendOptions {
  /** The data file; its directory exists. */
  readonly path: string;
  /** Skips every fsync (etcd's --unsafe-no-fsync): a power cut may destroy the file. */
  readonly unsafeNoFsync?: boolean;
  /** A bbolt file (etcd's member/snap/db) whose content the data file begins with when it does not exist yet. */
  readonly importFrom?: string;
}

export class LmdbBackend implements StorageBackend {
  private readonly options: LmdbOptions;
  private environment: LmdbEnvironment;
  private writer: WorkerHost;
  private file: LmdbFile;
  private readonly lane = new Lane();
  /** Oldest first; the last one is being filled, the others are sealed. */
  private readonly batches: WriteBatch[] = [new WriteBatch()];
  private active: WriteBatch = this.batches[0];
  private readonly spareBatches: WriteBatch[] = [];
  private queuedCommit: Promise<void> | undefined;
  private runningCommit: Promise<void> | undefined;
  private committed: RevisionName = NOTHING;
  private readonly pins = new Set<PinnedTree>();
  private defragmentation: Promise<void> | undefined;
  /** Collects what is committed while a defragmentation copies. */
  private changes: CommittedChanges | undefined;
  private broken: Panic | undefined;
  private sizes: FileSizes = { onDisk: 0, inUse: 0 };
  private lastMain = -1;
  private lastSub = -1;
  private readonly key8 = new Uint8Array(8);
  private readonly key12 = new Uint8Array(REVISION_KEY_MAX);
  private isClosed = false;

  private constructor(options: LmdbOptions) {
    this.options = options;
    this.environment = new LmdbEnvironment(options);
    this.file = new LmdbFile(options.path);
    this.writer = new WorkerHost(
      workerFile(import.meta.url, "writer-worker"),
      options.path,
      options,
      WRITER_HEAP_MB,
    );
  }

  /**
   * Opens or creates the file. Throws CorruptBackendError when it is damaged, DiskError when the system refuses.
   */
  static async open(options: LmdbBackendOptions): Promise<LmdbBackend> {
    const { path } = options;
    removeTemporary(path);
    const isAbsent = !existsSync(path) || statSync(path).size === 0;
    if (isAbsent && options.importFrom !== undefined && existsSync(options.importFrom)) {
      await importFile(options.importFrom, { path, unsafeNoFsync: false });
      putInPlace(path);
    }
    const isNew = !existsSync(path) || statSync(path).size === 0;
    if (!isNew) checkHead(path);
    const backend = new LmdbBackend({ path, unsafeNoFsync: options.unsafeNoFsync === true });
    if (isNew) syncDirectory(dirname(path));
    backend.findRightEdge();
    backend.sizes = (await backend.writer.request("sizes", undefined)) as FileSizes;
    return backend;
  }

  get pendingWrites(): number {
    return this.active.count;
  }

  appendRevision(main: number, sub: number, tombstone: boolean, value: Uint8Array): void {
    if (main < this.lastMain || (main === this.lastMain && sub <= this.lastSub)) {
      panic("revision appended out of order", { main, sub, lastMain: this.lastMain, lastSub: this.lastSub });
    }
    this.lastMain = main;
    this.lastSub = sub;
    this.active.appendRevision(main, sub, tombstone, value);
  }

  readRevision(main: number, sub: number): Uint8Array | undefined {
    for (let i = this.batches.length - 1; i >= 0; i--) {
      const pending = this.batches[i].readRevision(main, sub);
      if (pending !== undefined) return pending === null ? undefined : pending;
    }
    const key = sub === 0 ? this.key8 : this.key12;
    writeRevisionKey(key, 0, main, sub);
    const end = this.environment.get(key);
    if (end < 0) return undefined;
    const stored = this.environment.value;
    if (!isIntact(key, 0, key.length, stored, 0, end)) {
      this.damaged("checksum mismatch of a record", { main, sub });
    }
    return stored.subarray(1, end - 4);
  }

  deleteRevision(main: number, sub: number): void {
    this.active.deleteRevision(main, sub);
  }

  scanRevisions(fromMain: number, fromSub: number, visit: RevisionVisitor): void {
    if (this.scanCommitted(fromMain, fromSub, visit)) this.scanPending(fromMain, fromSub, visit);
  }

  get(bucket: BucketName, key: Uint8Array): Uint8Array | undefined {
    for (let i = this.batches.length - 1; i >= 0; i--) {
      const pending = this.batches[i].get(bucket, key);
      if (pending !== undefined) return pending === null ? undefined : pending;
    }
    const stored = bucketKey(bucket, key);
    const end = this.environment.get(stored);
    if (end < 0) return undefined;
    const value = this.environment.value;
    if (!isIntact(stored, 0, stored.length, value, 0, end))
      this.damaged("checksum mismatch of a record", { bucket });
    return value.slice(storedContent(value, 0), end - 4);
  }

  put(bucket: BucketName, key: Uint8Array, value: Uint8Array): void {
    this.active.put(bucket, key, value);
  }

  delete(bucket: BucketName, key: Uint8Array): void {
    this.active.delete(bucket, key);
  }

  scan(bucket: BucketName, visit: EntryVisitor): void {
    // Small by definition, so the merge of file and pending entries is one sorted map.
    const entries = new Map<string, { key: Uint8Array; value: Uint8Array | null }>();
    const from = Uint8Array.of(bucketNumber(bucket));
    this.walk(from, Uint8Array.of(bucketNumber(bucket) + 1), (key, keyStart, keyEnd, value, start, end) => {
      const content = storedContent(value, start);
      const isLong = (value[start] & FLAG_LONG_KEY) !== 0;
      const name = isLong ? value.subarray(start + 5, content) : key.subarray(keyStart + 1, keyEnd);
      entries.set(keyText(name), { key: name, value: value.subarray(content, end - 4) });
    });
    for (const batch of this.batches) {
      for (const [name, entry] of batch.bucketEntries(bucket) ?? []) entries.set(name, entry);
    }
    const names = [...entries.keys()].sort();
    for (const name of names) {
      const entry = entries.get(name)!;
      if (entry.value !== null && visit(entry.key, entry.value) === false) return;
    }
  }

  commit(): Promise<void> {
    if (this.broken !== undefined) return Promise.reject(this.broken);
    if (this.active.count === 0 && this.batches.length === 1) return Promise.resolve();
    if (this.active.count > 0) this.seal();
    else if (this.queuedCommit === undefined && this.runningCommit !== undefined) return this.runningCommit;
    if (this.queuedCommit !== undefined) return this.queuedCommit;
    const done = this.lane.run(() => {
      this.runningCommit = this.queuedCommit;
      this.queuedCommit = undefined;
      return this.writeSealed();
    });
    this.queuedCommit = done;
    const clear = (): void => {
      if (this.runningCommit === done) this.runningCommit = undefined;
    };
    done.then(clear, clear);
    return done;
  }

  sizeOnDisk(): number {
    return this.sizes.onDisk;
  }

  sizeInUse(): number {
    return this.sizes.inUse;
  }

  async openView(): Promise<BackendView> {
    await this.commit();
    const tree = await this.lane.run(async () => this.pinTree());
    return new LmdbView(tree, this.options.path);
  }

  async defragment(): Promise<void> {
    if (this.defragmentation !== undefined) return this.defragmentation;
    const done = this.runDefragmentation();
    this.defragmentation = done;
    const clear = (): void => {
      this.defragmentation = undefined;
    };
    done.then(clear, clear);
    return done;
  }

  async replaceWith(imagePath: string): Promise<void> {
    await this.lane.run(async () => {
      this.changes = undefined; // a defragmentation under way has nothing left to do
      await importFile(imagePath, this.options);
      await this.swapFile();
      this.dropPending();
      this.findRightEdge();
    });
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.lane.run(async () => {
      await this.writer.request("close", undefined);
      await this.writer.terminate();
      for (const tree of [...this.pins]) tree.detach();
      this.file.close();
      await this.environment.close();
    });
  }

  private pinTree(): PinnedTree {
    const pin = this.environment.pin();
    try {
      const file = new LmdbFile(this.options.path);
      return new PinnedTree(file, file.readTree(), pin, this.pins);
    } catch (error) {
      pin.release();
      throw error;
    }
  }

  /** Copies while commits go on, catches up, and holds commits only for the last stretch and the swap. */
  private async runDefragmentation(): Promise<void> {
    await this.commit();
    const host = startViewThread(this.options.path);
    const target: LmdbOptions = { ...this.options, path: temporaryPath(this.options.path) };
    removeTemporary(this.options.path);
    const [first, changes] = await this.lane.run(async () => {
      this.changes = new CommittedChanges(this.committed);
      return [this.pinTree(), this.changes] as const;
    });
    try {
      await usingTree(first, (tree) => host.request("copy", { tree, target } satisfies CopyRequest));
      for (let round = 0; round < CATCH_UP_ROUNDS && changes.isLarge && this.changes === changes; round++) {
        const [tree, request] = await this.lane.run(async () => this.takeChanges(changes));
        await usingTree(tree, (handle) =>
          host.request("catch-up", { ...request, tree: handle } satisfies CatchUpRequest),
        );
      }
      await this.lane.run(() => this.finishDefragmentation(host, changes));
    } finally {
      if (this.changes === changes) this.changes = undefined;
      await host.terminate();
      removeTemporary(this.options.path);
    }
  }

  /** The last stretch: nothing is committed meanwhile. Requests go on; their writes wait in the batch. */
  private async finishDefragmentation(host: WorkerHost, changes: CommittedChanges): Promise<void> {
    if (this.changes !== changes) return; // a snapshot took the place of what was copied
    const [tree, request] = this.takeChanges(changes);
    await usingTree(tree, async (handle) => {
      await host.request("catch-up", { ...request, tree: handle } satisfies CatchUpRequest);
      await host.request("finish-copy", handle);
    });
    await this.swapFile();
  }

  private takeChanges(changes: CommittedChanges): readonly [PinnedTree, Omit<CatchUpRequest, "tree">] {
    return [this.pinTree(), changes.take()];
  }

  /** Puts the temporary file in the place of the current one and goes on with it. */
  private async swapFile(): Promise<void> {
    const { path } = this.options;
    try {
      putInPlace(path);
      // Nobody writes the old file any more: its views need no transaction to protect their pages.
      for (const tree of [...this.pins]) tree.detach();
      const old = this.environment;
      this.environment = new LmdbEnvironment(this.options);
      this.file.close();
      this.file = new LmdbFile(path);
      this.sizes = (await this.writer.request("reopen", undefined)) as FileSizes;
      await old.close();
    } catch (error) {
      // Which file is in place is uncertain now; a commit into the other one would be lost.
      this.broken = new Panic("cannot go on after replacing the database file", { path }, error);
      throw this.broken;
    }
  }

  private dropPending(): void {
    this.batches.length = 0;
    this.active = new WriteBatch();
    this.batches.push(this.active);
    this.lastMain = -1;
    this.lastSub = -1;
    this.committed = NOTHING;
  }

  private seal(): void {
    this.active = this.spareBatches.pop() ?? new WriteBatch();
    this.batches.push(this.active);
  }

  /** Writes every sealed batch in one transaction. What fails stays sealed and goes with the next commit. */
  private async writeSealed(): Promise<void> {
    const sealed = this.batches.slice(0, -1);
    if (sealed.length === 0) return;
    const parts = sealed.flatMap((batch) => batch.chunks.map(({ bytes, used }) => ({ bytes, used })));
    const request: CommitRequest = { parts };
    this.sizes = (await this.writer.request("commit", request)) as FileSizes;
    this.environment.refresh();
    this.batches.splice(0, sealed.length);
    for (const batch of sealed) {
      this.changes?.add(batch);
      if (batch.appended > 0) {
        this.committed = { main: batch.mainAt(batch.appended - 1), sub: batch.subAt(batch.appended - 1) };
      }
      batch.reset();
      if (this.spareBatches.length < 2) this.spareBatches.push(batch);
    }
  }

  /** Visits what lmdb holds, as if the pending deletions were done. Returns whether to go on. */
  private scanCommitted(fromMain: number, fromSub: number, visit: RevisionVisitor): boolean {
    const key = new Uint8Array(REVISION_KEY_MAX);
    const length = writeRevisionKey(key, 0, fromMain, fromSub);
    const isWhole = fromMain === 0 && fromSub === 0;
    const deleting = this.batches.filter((batch) => batch.deleted.size > 0);
    const [pendingMain, pendingSub] = this.firstPending();
    let goOn = true;
    this.walk(
      isWhole ? undefined : key.subarray(0, length),
      undefined,
      (k, keyStart, keyEnd, value, start, end) => {
        if (k[keyStart] !== REVISION_PREFIX) return true;
        const main = revisionMain(k, keyStart);
        const sub = revisionSub(k, keyStart, keyEnd - keyStart);
        // A batch on its way may have reached the file already: its records come from the batch.
        if (main > pendingMain || (main === pendingMain && sub >= pendingSub)) return false;
        for (const batch of deleting) if (batch.deleted.has(main, sub)) return true;
        const isTombstone = (value[start] & FLAG_TOMBSTONE) !== 0;
        goOn = visit(main, sub, isTombstone, value.subarray(start + 1, end - 4)) !== false;
        return goOn;
      },
    );
    return goOn;
  }

  private scanPending(fromMain: number, fromSub: number, visit: RevisionVisitor): void {
    for (let b = 0; b < this.batches.length; b++) {
      const batch = this.batches[b];
      const later = this.batches.slice(b + 1).filter((other) => other.deleted.size > 0);
      for (let i = batch.lowerBound(fromMain, fromSub); i < batch.appended; i++) {
        if (!batch.isLiveAt(i)) continue;
        const main = batch.mainAt(i);
        const sub = batch.subAt(i);
        if (later.some((other) => other.deleted.has(main, sub))) continue;
        if (visit(main, sub, batch.isTombstoneAt(i), batch.valueAt(i)) === false) return;
      }
    }
  }

  private firstPending(): readonly [number, number] {
    for (const batch of this.batches) if (batch.appended > 0) return [batch.mainAt(0), batch.subAt(0)];
    return [Number.POSITIVE_INFINITY, 0];
  }

  /** Walks the committed tree and checks every record's sum. */
  private walk(
    from: Uint8Array | undefined,
    to: Uint8Array | undefined,
    visit: Parameters<LmdbFile["walk"]>[3],
  ): void {
    const pin = this.environment.pin();
    try {
      this.file.walk(this.file.readTree(), from, to, (key, keyStart, keyEnd, value, start, end) => {
        if (!isIntact(key, keyStart, keyEnd, value, start, end))
          this.damaged("checksum mismatch of a record");
        return visit(key, keyStart, keyEnd, value, start, end);
      });
    } finally {
      pin.release();
    }
  }

  private findRightEdge(): void {
    const pin = this.environment.pin();
    try {
      const key = this.file.lastKey(this.file.readTree());
      if (key === undefined || key[0] !== REVISION_PREFIX) return;
      this.lastMain = revisionMain(key, 0);
      this.lastSub = revisionSub(key, 0, key.length);
      this.committed = { main: this.lastMain, sub: this.lastSub };
    } finally {
      pin.release();
    }
  }

  private damaged(detail: string, fields: Readonly<Record<string, unknown>> = {}): never {
    throw new CorruptBackendError(this.options.path, detail, fields);
  }
}

/** Refuses a file that lmdb would map although it is cut or not a database. */
function checkHead(path: string): void {
  const file = new LmdbFile(path);
  try {
    file.readTree();
  } finally {
    file.close();
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Builds the temporary file beside `options.path` from a bbolt image. */
async function importFile(imagePath: string, options: LmdbOptions): Promise<void> {
  removeTemporary(options.path);
  const host = startViewThread(imagePath);
  try {
    const request: ImportRequest = {
      imagePath,
      path: temporaryPath(options.path),
      unsafeNoFsync: options.unsafeNoFsync,
    };
    await host.request("import", request);
  } catch (error) {
    removeTemporary(options.path);
    throw error;
  } finally {
    await host.terminate();
  }
}

/** Renames the temporary file to `path`, durably. */
function putInPlace(path: string): void {
  const next = temporaryPath(path);
  renameSync(next, path);
  renameSync(lockPath(next), lockPath(path));
  syncDirectory(dirname(path));
}

async function usingTree<T>(tree: PinnedTree, use: (handle: TreeHandle) => Promise<T>): Promise<T> {
  try {
    return await use(tree.handle);
  } finally {
    tree.release();
  }
}

function removeTemporary(path: string): void {
  rmSync(temporaryPath(path), { force: true });
  rmSync(lockPath(temporaryPath(path)), { force: true });
}

function temporaryPath(path: string): string {
  return `${path}.new`;
}

/** Where lmdb keeps its table of readers. */
function lockPath(path: string): string {
  return `${path}-lock`;
}
