// The port through which the watch hub looks into the past: a watcher that starts at an old revision, or that was too
// slow to follow, is fed from the revision log. The store implements it.

/** Called once per record of the revision log; `kv` is valid only during the call. Returning false ends the scan. */
export type RecordVisitor = (main: number, sub: number, tombstone: boolean, kv: Uint8Array) => boolean;

export interface History {
  /** The newest revision. */
  readonly currentRevision: number;
  /** The revision below which history is gone; any value below 1 when nothing was compacted. */
  readonly compactedRevision: number;
  /** Visits all records with a main revision of at least `revision`, ascending. The visitor makes no call into the store. */
  readEventsFrom(revision: number, visit: RecordVisitor): void;
  /** Encoded KeyValue that `key` held just before `beforeRevision`: undefined if none, or if it is compacted away.
   *  Valid until the next call into the store. */
  previousKv(key: Uint8Array, beforeRevision: number): Uint8Array | undefined;
}
