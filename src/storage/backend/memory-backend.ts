// The backend in memory: the twin of LmdbBackend for `memory` mode, for tests (it is the oracle) and for the simulator,
// where a journal on the simulated disk gives it the same transactions: what a commit wrote survives a crash as a
// whole, what came later is gone as a whole. Reaches the outside only through the Disk port.

import { assert, type Disk, equalBytes } from "#base";
import { BytesSource, ImageReader } from "../bbolt/image-reader.js";
import type {
  BackendView,
  BucketName,
  EntryVisitor,
  RevisionVisitor,
  RevisionWalker,
  StorageBackend,
} from "./backend.js";
import { feedImage } from "./image-feed.js";
import { Journal } from "./journal.js";
import { Lane } from "./lane.js";
import { type BucketSnapshot, MemoryView } from "./memory-view.js";
import {
  bucketKey,
  bucketOfNumber,
  FLAG_LONG_KEY,
  FLAG_TOMBSTONE,
  LONG_KEY,
  REVISION_PREFIX,
  revisionMain,
  revisionSub,
} from "./record.js";
import { RevisionLog } from "./revision-log.js";
import { keyText, OP_HEADER, OP_PUT, WriteBatch } from "./write-batch.js";

const PAGE = 4096;
const LOG_CHUNK_BYTES = 64 * 1024;
/** The journal is rewritten when it exceeds the content this many times, and a floor. */
const JOURNAL_GROWTH = 4;
const JOURNAL_FLOOR_BYTES = 1 << 20;
/** What a record costs beside its value, about as much as in a file. */
const RECORD_COST = 32;

type Entries = Map<string, { key: Uint8Array; value: Uint8Array }>;

export class MemoryBackend implements StorageBackend {
  beforeCommit: () => void = () => {};
  private revisions = new RevisionLog();
  private buckets = new Map<BucketName, Entries>();
  private bucketBytes = 0;
  private journal: Journal | undefined;
  /** Operations since the last commit was called, and those of a commit that has not succeeded yet. */
  private log: WriteBatch | undefined;
  private unwritten: WriteBatch[] = [];
  private count = 0;
  private highWater = 0;
  private readonly lane = new Lane();

  /** @param disk where images are read from and the journal is kept; without it nothing is durable */
  constructor(readonly disk?: Disk) {}

  /** A backend with a journal at `path`. Its directory exists. Throws CorruptBackendError when the journal is damaged. */
  static async open(disk: Disk, path: string): Promise<MemoryBackend> {
    const backend = new MemoryBackend(disk);
    backend.journal = await Journal.open(disk, path, (body) => backend.replay(body));
    backend.log = new WriteBatch(LOG_CHUNK_BYTES);
    backend.highWater = backend.sizeInUse();
    return backend;
  }

  get pendingWrites(): number {
    return this.count;
  }

  get pendingBytes(): number {
    return this.log?.bytes ?? 0;
  }

  appendRevision(main: number, sub: number, tombstone: boolean, value: Uint8Array): void {
    this.revisions.append(main, sub, tombstone, value);
    this.log?.appendRevision(main, sub, tombstone, value);
    this.count++;
  }

  readRevision(main: number, sub: number): Uint8Array | undefined {
    return this.revisions.read(main, sub);
  }

  deleteRevision(main: number, sub: number): void {
    this.revisions.delete(main, sub);
    this.log?.deleteRevision(main, sub);
    this.count++;
  }

  scanRevisions(fromMain: number, fromSub: number, visit: RevisionVisitor): void {
    this.revisions.scan(fromMain, fromSub, visit);
  }

  walkRevisions(visit: RevisionWalker): void {
    this.revisions.scan(0, 0, (main, sub, tombstone, value) =>
      visit(main, sub, tombstone, value, 0, value.length),
    );
  }

  get(bucket: BucketName, key: Uint8Array): Uint8Array | undefined {
    return this.buckets.get(bucket)?.get(keyText(key))?.value;
  }

  put(bucket: BucketName, key: Uint8Array, value: Uint8Array): void {
    assert(key.length > 0, "empty key in a bucket");
    this.store(bucket, key, value);
    this.log?.put(bucket, key, value);
    this.count++;
  }

  delete(bucket: BucketName, key: Uint8Array): void {
    this.forget(bucket, keyText(key));
    this.log?.delete(bucket, key);
    this.count++;
  }

  scan(bucket: BucketName, visit: EntryVisitor): void {
    const entries = this.buckets.get(bucket);
    if (entries === undefined) return;
    for (const name of [...entries.keys()].sort()) {
      const entry = entries.get(name);
      if (entry !== undefined && visit(entry.key, entry.value) === false) return;
    }
  }

  commit(): Promise<void> {
    this.beforeCommit();
    this.count = 0;
    this.highWater = Math.max(this.highWater, this.sizeInUse());
    const journal = this.journal;
    const log = this.log;
    if (journal === undefined || log === undefined) return Promise.resolve();
    if (log.count > 0) {
      this.unwritten.push(log);
      this.log = new WriteBatch(LOG_CHUNK_BYTES);
    }
    return this.lane.run(() => this.writeJournal(journal));
  }

  sizeOnDisk(): number {
    return Math.max(this.highWater, this.sizeInUse());
  }

  sizeInUse(): number {
    const bytes = this.revisions.bytes + this.revisions.count * RECORD_COST + this.bucketBytes;
    return 2 * PAGE + Math.ceil(bytes / PAGE) * PAGE;
  }

  async openView(): Promise<BackendView> {
    const committed = this.commit();
    // Taken in the same turn: what is written while the commit is on its way is not part of it.
    const buckets = new Map<BucketName, BucketSnapshot>();
    for (const [bucket, entries] of this.buckets) {
      buckets.set(
        bucket,
        [...entries.keys()].sort().map((name) => entries.get(name)!),
      );
    }
    const view = new MemoryView(this.revisions.snapshot(), buckets);
    await committed;
    return view;
  }

  async defragment(): Promise<void> {
    await this.commit();
    await this.lane.run(async () => {
      this.highWater = this.sizeInUse();
      if (this.unwritten.length === 0 && this.log?.count === 0)
        await this.journal?.rewrite(this.contentLog());
    });
  }

  async replaceWith(imagePath: string): Promise<void> {
    if (this.disk === undefined) throw new Error("a memory backend without a disk cannot read an image");
    const file = await this.disk.open(imagePath, "r");
    const bytes = await file.read(0, await file.size()).finally(() => file.close());
    // Fed in full before anything is given up: a bad image leaves the content as it was.
    const next = new MemoryBackend();
    feedImage(new ImageReader(new BytesSource(imagePath, bytes)), imagePath, {
      appendRevision: (main, sub, tombstone, value) =>
        next.appendRevision(main, sub, tombstone, new Uint8Array(value)),
      put: (bucket, key, value) => next.put(bucket, new Uint8Array(key), new Uint8Array(value)),
      flush: () => {},
    });
    await this.lane.run(async () => {
      await this.journal?.rewrite(next.contentLog());
      this.revisions = next.revisions;
      this.buckets = next.buckets;
      this.bucketBytes = next.bucketBytes;
      this.highWater = this.sizeInUse();
      this.count = 0;
      this.unwritten = [];
      if (this.log !== undefined) this.log = new WriteBatch(LOG_CHUNK_BYTES);
    });
  }

  async close(): Promise<void> {
    await this.lane.run(async () => this.journal?.close());
  }

  /** Writes what is sealed as one frame; what fails stays for the next commit. */
  private async writeJournal(journal: Journal): Promise<void> {
    const batches = this.unwritten.slice();
    if (batches.length === 0) return;
    await journal.append(batches.flatMap(logOf));
    this.unwritten.splice(0, batches.length);
    const isOutgrown = journal.size > Math.max(JOURNAL_FLOOR_BYTES, JOURNAL_GROWTH * this.sizeInUse());
    // Only when nothing is pending: the rewritten journal holds the whole state, and that must be a committed one.
    if (isOutgrown && this.unwritten.length === 0 && this.log?.count === 0)
      await journal.rewrite(this.contentLog());
  }

  /** The whole content as one transaction. */
  private contentLog(): Uint8Array[] {
    const log = new WriteBatch(LOG_CHUNK_BYTES);
    for (const [bucket, entries] of this.buckets) {
      for (const { key, value } of entries.values()) log.put(bucket, key, value);
    }
    this.revisions.scan(0, 0, (main, sub, tombstone, value) => {
      log.appendRevision(main, sub, tombstone, value);
    });
    return logOf(log);
  }

  private replay(body: Uint8Array): void {
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    for (let at = 0; at < body.length; ) {
      const keyStart = at + OP_HEADER;
      const keyEnd = keyStart + view.getUint16(at + 2, true);
      const end = keyEnd + view.getUint32(at + 4, true);
      // Copies: a view would keep the whole journal in memory.
      const stored = new Uint8Array(body.subarray(keyEnd, end));
      this.replayOne(body[at] === OP_PUT, new Uint8Array(body.subarray(keyStart, keyEnd)), stored);
      at = end;
    }
  }

  private replayOne(isPut: boolean, key: Uint8Array, stored: Uint8Array): void {
    if (key[0] === REVISION_PREFIX) {
      const main = revisionMain(key, 0);
      const sub = revisionSub(key, 0, key.length);
      if (!isPut) this.revisions.delete(main, sub);
      else
        this.revisions.append(
          main,
          sub,
          (stored[0] & FLAG_TOMBSTONE) !== 0,
          stored.subarray(1, stored.length - 4),
        );
      return;
    }
    const bucket = bucketOfNumber(key[0]);
    assert(bucket !== undefined, "unknown bucket in the journal");
    const isLong = isPut && (stored[0] & FLAG_LONG_KEY) !== 0;
    const content = isLong ? 5 + new DataView(stored.buffer, stored.byteOffset).getUint32(1, true) : 1;
    const name = isLong ? stored.slice(5, content) : key.slice(1);
    if (isPut) this.store(bucket, name, stored.subarray(content, stored.length - 4));
    else if (key.length <= 1 + LONG_KEY) this.forget(bucket, keyText(name));
    else this.forgetLong(bucket, key);
  }

  /** Forgets the entry whose cut key (record.ts) is `stored`. */
  private forgetLong(bucket: BucketName, stored: Uint8Array): void {
    for (const [name, { key }] of this.buckets.get(bucket) ?? []) {
      if (key.length > LONG_KEY && equalBytes(bucketKey(bucket, key), stored)) this.forget(bucket, name);
    }
  }

  private store(bucket: BucketName, key: Uint8Array, value: Uint8Array): void {
    const name = keyText(key);
    this.forget(bucket, name);
    let entries = this.buckets.get(bucket);
    if (entries === undefined) {
      entries = new Map();
      this.buckets.set(bucket, entries);
    }
    entries.set(name, { key, value });
    this.bucketBytes += key.length + value.length + RECORD_COST;
  }

  private forget(bucket: BucketName, name: string): void {
    const entries = this.buckets.get(bucket);
    const entry = entries?.get(name);
    if (entries === undefined || entry === undefined) return;
    entries.delete(name);
    this.bucketBytes -= entry.key.length + entry.value.length + RECORD_COST;
  }
}

function logOf(batch: WriteBatch): Uint8Array[] {
  return batch.chunks.map((chunk) => chunk.bytes.subarray(0, chunk.used));
}
