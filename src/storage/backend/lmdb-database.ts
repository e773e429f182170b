// One database file as the backend has it open: lmdb for single records, LmdbFile for passes over many. Every record's sum
// is compared whichever way it is read. A replacement of the file is another object of this class; views of the old one
// go on reading it until they are closed.

import { type BucketName, CorruptBackendError, type RevisionName } from "./backend.js";
import { LmdbEnvironment, type LmdbOptions } from "./lmdb-environment.js";
import { LmdbFile, type NodeVisitor } from "./lmdb-file.js";
import { PinnedTree } from "./lmdb-view.js";
import {
  bucketKey,
  bucketNumber,
  isIntact,
  REVISION_KEY_MAX,
  REVISION_PREFIX,
  revisionMain,
  revisionSub,
  storedContent,
  writeRevisionKey,
} from "./record.js";
import type { FileSizes } from "./writer-worker.js";

export class LmdbDatabase {
  private readonly environment: LmdbEnvironment;
  private readonly file: LmdbFile;
  /** Trees in use, by views and others. */
  private readonly trees = new Set<PinnedTree>();
  private unread: (() => void) | undefined;
  private readonly key8 = new Uint8Array(8);
  private readonly key12 = new Uint8Array(REVISION_KEY_MAX);

  /** Opens or creates the file. */
  constructor(private readonly options: LmdbOptions) {
    this.environment = new LmdbEnvironment(options);
    this.file = new LmdbFile(options.path);
  }

  get sizes(): FileSizes {
    const { usedPages, pageSize } = this.environment.statistics();
    return { onDisk: this.file.size(), inUse: usedPages * pageSize };
  }

  /** Makes later reads see the newest transaction. */
  refresh(): void {
    this.environment.refresh();
  }

  /** The bytes of a revision, valid until the next read. */
  readRevision(main: number, sub: number): Uint8Array | undefined {
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

  /** A copy of the entry's value. */
  get(bucket: BucketName, key: Uint8Array): Uint8Array | undefined {
    const stored = bucketKey(bucket, key);
    const end = this.environment.get(stored);
    if (end < 0) return undefined;
    const value = this.environment.value;
    if (!isIntact(stored, 0, stored.length, value, 0, end))
      this.damaged("checksum mismatch of a record", { bucket });
    return value.slice(storedContent(value, 0), end - 4);
  }

  /** Walks the revision log from (main, sub) on; from the very start it checks the whole tree on the way. */
  walkRevisions(main: number, sub: number, visit: NodeVisitor): void {
    const from = new Uint8Array(REVISION_KEY_MAX);
    const length = writeRevisionKey(from, 0, main, sub);
    const isWhole = main === 0 && sub === 0;
    this.walk(
      isWhole ? undefined : from.subarray(0, length),
      undefined,
      (key, keyStart, keyEnd, value, start, end) =>
        key[keyStart] !== REVISION_PREFIX || visit(key, keyStart, keyEnd, value, start, end),
    );
  }

  walkBucket(bucket: BucketName, visit: NodeVisitor): void {
    const number = bucketNumber(bucket);
    this.walk(Uint8Array.of(number), Uint8Array.of(number + 1), visit);
  }

  lastRevision(): RevisionName | undefined {
    const pin = this.environment.pin();
    try {
      const key = this.file.lastKey(this.file.readTree());
      if (key === undefined || key[0] !== REVISION_PREFIX) return undefined;
      return { main: revisionMain(key, 0), sub: revisionSub(key, 0, key.length) };
    } finally {
      pin.release();
    }
  }

  /** The newest committed state, which stays as it is until the tree is released. */
  pin(): PinnedTree {
    const pin = this.environment.pin();
    try {
      const file = new LmdbFile(this.options.path);
      const tree = new PinnedTree(file, file.readTree(), pin, () => this.onRelease(tree));
      this.trees.add(tree);
      return tree;
    } catch (error) {
      pin.release();
      throw error;
    }
  }

  /** Closes everything but the trees in use: those may go on reading a file that nobody writes any more. */
  async close(): Promise<void> {
    for (const tree of this.trees) tree.detach();
    this.file.close();
    await this.environment.close();
  }

  /** Calls back once no tree is in use, after `close`. */
  onceUnread(callback: () => void): void {
    this.unread = callback;
    if (this.trees.size === 0) callback();
  }

  private onRelease(tree: PinnedTree): void {
    if (this.trees.delete(tree) && this.trees.size === 0) this.unread?.();
  }

  /** Walks the committed tree and checks every record's sum. */
  private walk(from: Uint8Array | undefined, to: Uint8Array | undefined, visit: NodeVisitor): void {
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

  private damaged(detail: string, fields: Readonly<Record<string, unknown>> = {}): never {
    throw new CorruptBackendError(this.options.path, detail, fields);
  }
}
