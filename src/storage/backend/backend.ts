// The backend: where the applied state of a member lives. It is two things in one transaction: the revision log (every
// version of every key, keyed by revision and only ever appended at its right edge) and a handful of small buckets
// named as in etcd. It knows nothing of what the bytes mean.
//
// Invariant: everything written between two commits becomes durable together or not at all. Writes are visible to
// reads at once, long before they are durable; the write-ahead log replays what a crash takes away.
//
// Two implementations: LmdbBackend (a file) and MemoryBackend (memory, optionally journalled through the Disk port).
// One contract suite runs against both.

import { Panic } from "#base";

/** The small buckets, by etcd's names. The revision log itself is etcd's bucket "key". */
export type BucketName =
  | "alarm"
  | "auth"
  | "authRoles"
  | "authUsers"
  | "cluster"
  | "lease"
  | "members"
  | "members_removed"
  | "meta";

/** Name of the revision log where databases are exchanged. */
export const REVISION_BUCKET = "key";

/** Every small bucket, in byte order of the names. The position (from 1) is the bucket's number on disk: append only. */
export const BUCKET_NAMES: readonly BucketName[] = [
  "alarm",
  "auth",
  "authRoles",
  "authUsers",
  "cluster",
  "lease",
  "members",
  "members_removed",
  "meta",
];

/** Sees one record of the revision log; stops when it returns false. `value` is valid only during the call. */
export type RevisionVisitor = (main: number, sub: number, tombstone: boolean, value: Uint8Array) => unknown;

/** Sees one record of the revision log, whose value is `bytes[start, end)`; both are valid only during the call. */
export type RevisionWalker = (
  main: number,
  sub: number,
  tombstone: boolean,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void;

/** Sees one entry of a small bucket; stops when it returns false. Both views are valid only during the call. */
export type EntryVisitor = (key: Uint8Array, value: Uint8Array) => unknown;

/** What the stores above need: reads that see every earlier write, and writes that become durable at the next commit. */
export interface Backend {
  /**
   * Appends a record; (main, sub) must lie right of every record ever appended.
   * @param value encoded KeyValue (of a tombstone: with the key only); the backend owns it, it must not change afterwards
   */
  appendRevision(main: number, sub: number, tombstone: boolean, value: Uint8Array): void;
  /** The record's value, as a view that is valid only until the next call on the backend. */
  readRevision(main: number, sub: number): Uint8Array | undefined;
  deleteRevision(main: number, sub: number): void;
  /** Visits records in ascending order, from (fromMain, fromSub) inclusive. The visitor must not write. */
  scanRevisions(fromMain: number, fromSub: number, visit: RevisionVisitor): void;
  /** Visits all records in ascending order, without making a view of each. The visitor must not write. */
  walkRevisions(visit: RevisionWalker): void;
  get(bucket: BucketName, key: Uint8Array): Uint8Array | undefined;
  /** Keeps both arrays, which must not change afterwards. The key is not empty. */
  put(bucket: BucketName, key: Uint8Array, value: Uint8Array): void;
  delete(bucket: BucketName, key: Uint8Array): void;
  /** Visits all entries in ascending key order. The visitor must not write. */
  scan(bucket: BucketName, visit: EntryVisitor): void;
}

/** The whole of a backend, as its owner (the driver) sees it. */
export interface StorageBackend extends Backend {
  /**
   * Called at the start of every commit, whoever asked for it (a view and a defragmentation commit too), before the
   * transaction is closed: what it writes belongs to it. The owner writes here what must never be committed apart from
   * the rest.
   */
  beforeCommit: () => void;
  /** Operations since the last call of `commit`. */
  readonly pendingWrites: number;
  /** The memory that they take, in bytes. */
  readonly pendingBytes: number;
  /**
   * Makes everything written before the call durable in one atomic transaction, off the main thread. Writes made
   * meanwhile belong to a later one. Rejects with a DiskError when the disk refused (what was pending stays pending and
   * goes with the next commit) and with a Panic when the backend can no longer be trusted.
   */
  commit(): Promise<void>;
  /** Bytes of the file, free pages included: what the quota counts. */
  sizeOnDisk(): number;
  /** Bytes in use: the file without its free pages. */
  sizeInUse(): number;
  /** A view of exactly what was written before the call, durable. Close it: it keeps old pages from being reused. */
  openView(): Promise<BackendView>;
  /** Gives free pages back to the file system. Requests go on meanwhile. */
  defragment(): Promise<void>;
  /**
   * Replaces the whole content by a bbolt image, for the installation of a snapshot. What was pending is dropped. After
   * a crash at any moment the file holds either the old content or the new.
   */
  replaceWith(imagePath: string): Promise<void>;
  /** Closes without committing what is pending. Nothing may be called afterwards. */
  close(): Promise<void>;
}

/** One record of a view in the exchange format: the revision log's keys are etcd's 17 or 18 bytes. */
export type RecordVisitor = (bucket: string, key: Uint8Array, value: Uint8Array) => unknown;

/** An image of the whole database as a bbolt file. `size` is exact, so that a sender can tell how much remains. */
export interface DatabaseImage {
  readonly size: number;
  /** The file's bytes in order. Taking the next chunk releases the previous one. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** A consistent state of the whole backend. Its work runs off the main thread where there is one to run on. */
export interface BackendView {
  /** Visits every record: buckets by name, keys ascending. A batch is visited without a pause; batches are apart. */
  forEach(visit: RecordVisitor): Promise<void>;
  /** The view as a bbolt file. */
  exportImage(): Promise<DatabaseImage>;
  /** etcd's Hash: CRC-32C over every bucket name, key and value, without the meta keys that members may differ in. */
  hash(): Promise<number>;
  /**
   * etcd's HashKV: CRC-32C over the revision log up to `revision`.
   * @param compactRevision records at or below it count only when `keep` holds them; 0 or less for none
   * @param keep the revisions that compaction keeps, in any order; none of them means that everything counts
   */
  hashRevisions(revision: number, compactRevision: number, keep: readonly RevisionName[]): Promise<number>;
  close(): Promise<void>;
}

export interface RevisionName {
  readonly main: number;
  readonly sub: number;
}

/** The file is not what this backend wrote. Says which file, what is wrong, and what an operator can do. */
export class CorruptBackendError extends Panic {
  constructor(path: string, detail: string, fields: Readonly<Record<string, unknown>> = {}, cause?: unknown) {
    const where = Object.entries(fields).map(([name, value]) => `${name} ${String(value)}`);
    const what = where.length === 0 ? detail : `${detail} (${where.join(", ")})`;
    super(
      `database file ${path} is damaged: ${what}. Remedy: stop this member, remove it from the cluster, move its ` +
        "data directory away and add it again as a new member; on a single-member cluster restore the latest snapshot " +
        "(etcdutl snapshot restore)",
      { path, detail, ...fields },
      cause,
    );
    this.name = "CorruptBackendError";
  }
}
