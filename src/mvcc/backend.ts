// The storage that the store needs; the storage room provides it. Everything written becomes durable in order and in
// whole transactions, some time later: the driver decides when to commit.

/** Small buckets, by etcd's names. */
export type BucketName =
  | "meta"
  | "lease"
  | "alarm"
  | "cluster"
  | "members"
  | "members_removed"
  | "auth"
  | "authUsers"
  | "authRoles";

/** Called once per record; `value` is valid only during the call. False ends the scan. */
export type RevisionVisitor = (main: number, sub: number, tombstone: boolean, value: Uint8Array) => boolean;

/** Called once per record, whose value is `bytes[start, end)`; both are valid only during the call. */
export type RevisionWalker = (
  main: number,
  sub: number,
  tombstone: boolean,
  bytes: Uint8Array,
  start: number,
  end: number,
) => void;

export interface Backend {
  /** Adds a record at the end of the revision log. `value` belongs to the backend and never changes afterwards. */
  appendRevision(main: number, sub: number, tombstone: boolean, value: Uint8Array): void;
  /** A record, written but not yet committed ones included. The view is valid until the next call on the backend. */
  readRevision(main: number, sub: number): Uint8Array | undefined;
  deleteRevision(main: number, sub: number): void;
  /** Visits records in ascending order from (fromMain, fromSub) on. The visitor makes no call on the backend. */
  scanRevisions(fromMain: number, fromSub: number, visit: RevisionVisitor): void;
  /** Visits all records in ascending order. The visitor makes no call on the backend. */
  walkRevisions(visit: RevisionWalker): void;
  get(bucket: BucketName, key: Uint8Array): Uint8Array | undefined;
  put(bucket: BucketName, key: Uint8Array, value: Uint8Array): void;
  delete(bucket: BucketName, key: Uint8Array): void;
  scan(bucket: BucketName, visit: (key: Uint8Array, value: Uint8Array) => boolean): void;
}
