// The backend on disk. Reads come from the newest of: the batch being filled, batches on their way to the disk, lmdb.
// Writes only fill the batch (write-batch.ts); `commit` seals it and the writer thread turns all sealed batches into one
// lmdb transaction. The main thread therefore never waits for a disk, and pays one copy per write.
//
// Every stored record carries a checksum (record.ts) that is compared on each read. Passes over many records go through
// LmdbFile, which also checks the tree itself and does not make the file resident.
//
// On disk: <path> and <path>-lock (lmdb's reader table). The server keeps it beside etcd's own file, as
// member/snap/db.lmdb; `<path>.new` is a replacement in the making and is removed at open.

import { existsSync } from "node:fs";
import { copyBytes, Panic, panic } from "#base";
import type {
  BackendView,
  BucketName,
  EntryVisitor,
  RevisionName,
  RevisionVisitor,
  RevisionWalker,
  StorageBackend,
} from "./backend.js";
import { GradualRelease } from "./gradual-release.js";
import { Lane } from "./lane.js";
import { LmdbDatabase } from "./lmdb-database.js";
import { Defragmentation, type DefragmentationOwner } from "./lmdb-defragmentation.js";
import type { LmdbOptions } from "./lmdb-environment.js";
import {
  checkBeforeMapping,
  importTemporary,
  isAbsent,
  putInPlace,
  removeTemporary,
  syncParent,
} from "./lmdb-files.js";
import { LmdbView, type PinnedTree } from "./lmdb-view.js";
import { isDeletedIn, PendingWrites } from "./pending-writes.js";
import { FLAG_LONG_KEY, FLAG_TOMBSTONE, revisionMain, revisionSub, storedContent } from "./record.js";
import { RecordCache } from "./record-cache.js";
import { WorkerHost, workerFile } from "./worker-host.js";
import { keyText } from "./write-batch.js";
import type { CommitRequest, FileSizes } from "./writer-worker.js";

const WRITER_HEAP_MB = 64;
const NOTHING: RevisionName = { main: 0, sub: 0 };

export interface LmdbBackendOptions {
  /** The data file; its directory exists. */
  readonly path: string;
  /** Skips every fsync (etcd's --unsafe-no-fsync): a power cut may destroy the file. */
  readonly unsafeNoFsync?: boolean;
  /** A bbolt file (etcd's member/snap/db) whose content the data file begins with when it does not exist yet. */
  readonly importFrom?: string;
}

export class LmdbBackend implements StorageBackend, DefragmentationOwner {
  beforeCommit: () => void = () => {};
  readonly options: LmdbOptions;
  private database: LmdbDatabase;
  /** The file that the present one replaced. */
  private replaced: GradualRelease | undefined;
  /** Starts with the first commit. */
  private writer: WorkerHost | undefined;
  /** Commits, pins and swaps. */
  private readonly lane = new Lane();
  /** What builds a whole file: never two at a time. */
  private readonly maintenance = new Lane();
  private readonly pending = new PendingWrites();
  private readonly cache = new RecordCache();
  private queuedJob: CommitJob | undefined;
  private queuedCommit: Promise<void> | undefined;
  private runningCommit: Promise<void> | undefined;
  private committed: RevisionName = NOTHING;
  private defragmentation: Defragmentation | undefined;
  private broken: Panic | undefined;
  private sizes: FileSizes;
  private lastMain = -1;
  private lastSub = -1;
  private isClosed = false;

  private constructor(options: LmdbOptions) {
    this.options = options;
    this.database = new LmdbDatabase(options);
    this.sizes = this.database.sizes;
  }

  /**
   * Opens or creates the file. Throws CorruptBackendError when it is damaged, DiskError when the system refuses.
   */
  static async open(options: LmdbBackendOptions): Promise<LmdbBackend> {
    const { path } = options;
    removeTemporary(path);
    if (isAbsent(path) && options.importFrom !== undefined && existsSync(options.importFrom)) {
      await importTemporary(options.importFrom, { path, unsafeNoFsync: false });
      await putInPlace(path);
    }
    const isNew = isAbsent(path);
    if (!isNew) checkBeforeMapping(path);
    const backend = new LmdbBackend({ path, unsafeNoFsync: options.unsafeNoFsync === true });
    if (isNew) syncParent(path);
    backend.findRightEdge();
    return backend;
  }

  get pendingWrites(): number {
    return this.pending.active.count;
  }

  get pendingBytes(): number {
    return this.pending.active.bytes;
  }

  appendRevision(main: number, sub: number, tombstone: boolean, value: Uint8Array): void {
    if (main < this.lastMain || (main === this.lastMain && sub <= this.lastSub)) {
      panic("revision appended out of order", { main, sub, lastMain: this.lastMain, lastSub: this.lastSub });
    }
    this.lastMain = main;
    this.lastSub = sub;
    this.pending.active.appendRevision(main, sub, tombstone, value);
  }

  readRevision(main: number, sub: number): Uint8Array | undefined {
    const pending = this.pending.readRevision(main, sub);
    if (pending !== undefined) return pending === null ? undefined : pending;
    return this.cache.get(main, sub) ?? this.readCommitted(main, sub);
  }

  private readCommitted(main: number, sub: number): Uint8Array | undefined {
    const found = this.database.readRevision(main, sub);
    if (found !== undefined) this.cache.add(main, sub, found, 0, found.length);
    return found;
  }

  deleteRevision(main: number, sub: number): void {
    this.cache.delete(main, sub);
    this.pending.active.deleteRevision(main, sub);
  }

  scanRevisions(fromMain: number, fromSub: number, visit: RevisionVisitor): void {
    const goOn = this.walkCommitted(fromMain, fromSub, (main, sub, tombstone, bytes, start, end) =>
      visit(main, sub, tombstone, bytes.subarray(start, end)),
    );
    if (goOn) this.pending.scanAppended(fromMain, fromSub, visit);
  }

  walkRevisions(visit: RevisionWalker): void {
    this.walkCommitted(0, 0, (main, sub, tombstone, bytes, start, end) => {
      visit(main, sub, tombstone, bytes, start, end);
    });
    this.pending.scanAppended(0, 0, (main, sub, tombstone, value) => {
      visit(main, sub, tombstone, value, 0, value.length);
    });
  }

  get(bucket: BucketName, key: Uint8Array): Uint8Array | undefined {
    const pending = this.pending.get(bucket, key);
    if (pending !== undefined) return pending === null ? undefined : pending;
    return this.database.get(bucket, key);
  }

  put(bucket: BucketName, key: Uint8Array, value: Uint8Array): void {
    this.pending.active.put(bucket, key, value);
  }

  delete(bucket: BucketName, key: Uint8Array): void {
    this.pending.active.delete(bucket, key);
  }

  scan(bucket: BucketName, visit: EntryVisitor): void {
    // Small by definition, so the merge of file and pending entries is one sorted map.
    const entries = new Map<string, { key: Uint8Array; value: Uint8Array | null }>();
    this.database.walkBucket(bucket, (key, keyStart, keyEnd, value, start, end) => {
      const content = storedContent(value, start);
      const isLong = (value[start] & FLAG_LONG_KEY) !== 0;
      const name = isLong ? value.subarray(start + 5, content) : key.subarray(keyStart + 1, keyEnd);
      entries.set(keyText(name), {
        key: copyBytes(name),
        value: copyBytes(value.subarray(content, end - 4)),
      });
    });
    this.pending.overlay(bucket, entries);
    const names = [...entries.keys()].sort();
    for (const name of names) {
      const entry = entries.get(name)!;
      if (entry.value !== null && visit(entry.key, entry.value) === false) return;
    }
  }

  commit(): Promise<void> {
    if (this.broken !== undefined) return Promise.reject(this.broken);
    this.beforeCommit();
    if (this.pending.active.count === 0 && !this.pending.hasSealed) return Promise.resolve();
    if (this.pending.active.count > 0) this.pending.seal();
    else if (this.queuedCommit === undefined && this.runningCommit !== undefined) return this.runningCommit;
    if (this.queuedCommit !== undefined) return this.queuedCommit;
    const job = new CommitJob();
    const done = this.lane.run(() => {
      if (this.queuedJob === job) {
        this.runningCommit = this.queuedCommit;
        this.queuedCommit = undefined;
        this.queuedJob = undefined;
      }
      return this.writeSealed(job.sealedTotal);
    });
    this.queuedCommit = done;
    this.queuedJob = job;
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
    if (this.broken !== undefined) throw this.broken;
    this.beforeCommit();
    if (this.pending.active.count > 0) this.pending.seal();
    // Exactly what is written by now: a commit that still waits may not take more along, and later ones queue behind.
    const total = this.pending.sealedTotal;
    if (this.queuedJob !== undefined) this.queuedJob.sealedTotal = total;
    this.queuedJob = undefined;
    this.queuedCommit = undefined;
    const tree = await this.lane.run(async () => {
      await this.writeSealed(total);
      return this.pin();
    });
    return new LmdbView(tree, this.options.path);
  }

  async defragment(): Promise<void> {
    if (this.defragmentation !== undefined) return this.defragmentation.done;
    await this.commit();
    return this.maintenance.run(async () => {
      const defragmentation = new Defragmentation(this);
      this.defragmentation = defragmentation;
      await defragmentation.done.finally(() => {
        this.defragmentation = undefined;
      });
    });
  }

  async replaceWith(imagePath: string): Promise<void> {
    await this.defragmentation?.cancel();
    await this.maintenance.run(async () => {
      await importTemporary(imagePath, this.options);
      await this.exclusively(async () => {
        await this.swap();
        this.dropPending();
        this.findRightEdge();
      });
    });
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.defragmentation?.cancel();
    await this.maintenance.run(async () => {});
    await this.exclusively(async () => {
      await this.stopWriter();
      await this.database.close();
      await this.replaced?.hurry();
    });
  }

  exclusively<T>(task: () => Promise<T>): Promise<T> {
    return this.lane.run(task);
  }

  lastCommitted(): RevisionName {
    return this.committed;
  }

  pin(): PinnedTree {
    return this.database.pin();
  }

  /** Puts the temporary file in the place of the current one and goes on with it. */
  async swap(): Promise<void> {
    const { path } = this.options;
    try {
      await this.replaced?.hurry();
      const replaced = new GradualRelease(path);
      this.replaced = replaced;
      await putInPlace(path);
      const old = this.database;
      this.database = new LmdbDatabase(this.options);
      this.sizes = this.database.sizes;
      await old.close();
      // The next commit starts a writer on the new file.
      await this.stopWriter();
      old.onceUnread(() => this.release(replaced));
    } catch (error) {
      // Which file is in place is uncertain now; a commit into the other one would be lost.
      this.broken = new Panic("cannot go on after replacing the database file", { path }, error);
      throw this.broken;
    }
  }

  private release(replaced: GradualRelease): void {
    replaced.run().catch((error: unknown) => {
      const { path } = this.options;
      this.broken ??= new Panic("cannot give back the space of the replaced database file", { path }, error);
    });
  }

  private dropPending(): void {
    this.pending.dropAll();
    this.cache.clear();
    this.lastMain = -1;
    this.lastSub = -1;
    this.committed = NOTHING;
  }

  private startedWriter(): WorkerHost {
    const { options } = this;
    this.writer ??= new WorkerHost(
      workerFile(import.meta.url, "writer-worker"),
      options.path,
      options,
      WRITER_HEAP_MB,
    );
    return this.writer;
  }

  private async stopWriter(): Promise<void> {
    const { writer } = this;
    this.writer = undefined;
    if (writer === undefined) return;
    await writer.request("close", undefined);
    await writer.terminate();
  }

  /** Writes the sealed batches, up to the given one, in one transaction. What fails stays sealed and goes with the next
   *  commit. */
  private async writeSealed(total: number): Promise<void> {
    const sealed = this.pending.sealed(total);
    if (sealed.length === 0) return;
    const parts = sealed.flatMap((batch) => batch.chunks.map(({ bytes, used }) => ({ bytes, used })));
    const request: CommitRequest = { parts };
    this.sizes = (await this.startedWriter().request("commit", request)) as FileSizes;
    this.database.refresh();
    for (const batch of sealed) {
      this.defragmentation?.committed(batch);
      if (batch.appended > 0) {
        this.committed = { main: batch.mainAt(batch.appended - 1), sub: batch.subAt(batch.appended - 1) };
      }
    }
    this.pending.dropSealed(sealed.length);
  }

  /** Visits what lmdb holds, as if the pending deletions were done. Returns whether to go on. */
  private walkCommitted(
    fromMain: number,
    fromSub: number,
    visit: (...record: Parameters<RevisionWalker>) => unknown,
  ): boolean {
    const deleting = this.pending.deleting();
    // A batch on its way may have reached the file already: its records come from the batch.
    const end = this.pending.firstAppended() ?? { main: Number.POSITIVE_INFINITY, sub: 0 };
    let goOn = true;
    this.database.walkRevisions(fromMain, fromSub, (key, keyStart, keyEnd, value, valueStart, valueEnd) => {
      const main = revisionMain(key, keyStart);
      const sub = revisionSub(key, keyStart, keyEnd - keyStart);
      if (main > end.main || (main === end.main && sub >= end.sub)) return false;
      if (isDeletedIn(deleting, main, sub)) return true;
      const isTombstone = (value[valueStart] & FLAG_TOMBSTONE) !== 0;
      goOn = visit(main, sub, isTombstone, value, valueStart + 1, valueEnd - 4) !== false;
      return goOn;
    });
    return goOn;
  }

  private findRightEdge(): void {
    const last = this.database.lastRevision();
    if (last === undefined) return;
    this.lastMain = last.main;
    this.lastSub = last.sub;
    this.committed = last;
  }
}

/** A commit that waits its turn. It takes every batch sealed by then, unless a view sets a bound. */
class CommitJob {
  sealedTotal = Number.POSITIVE_INFINITY;
}
