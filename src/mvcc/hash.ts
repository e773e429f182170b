// HashKV: a CRC-32C over the revision log up to a revision, by which members find out that they differ. It must agree
// with etcd's to the byte. It starts with the bucket's name, "key", and takes in key and value of every record with
// main <= R, in order. Of the records at or below the compaction revision C only those count that a read at
// R would find, because the rest may or may not be deleted already on this member. If there is none of that kind, etcd
// counts all that it has; once its compaction is done, these are the records that a read at C would find, so we count
// those. A tombstone exactly at C never counts: old etcd versions delete it.
//
// Hashes are computed in steps. While one is under way it holds back compactions past C.

import { crc32c, EMPTY_BYTES, utf8 } from "#base";
import { ErrCompacted, ErrFutureRev, type RpcError } from "#proto";
import { KeyCursor } from "./key-cursor.js";
import { KeyRevision } from "./key-history.js";
import { writeRevisionKey } from "./meta.js";
import { keyOfRecord } from "./record.js";
import type { Pin, StoreState } from "./state.js";

const BUCKET_NAME = utf8("key");
const HASHES_KEPT = 10;

/** The sum over the records, fed in order. */
export class RevisionHasher {
  sum: number;
  private readonly key = new Uint8Array(18);

  constructor() {
    this.sum = crc32c(0, BUCKET_NAME);
  }

  add(main: number, sub: number, tombstone: boolean, value: Uint8Array): void {
    const size = writeRevisionKey(this.key, main, sub, tombstone);
    this.sum = crc32c(crc32c(this.sum, this.key, 0, size), value);
  }
}

/** One computed hash. */
export interface RevisionHash {
  readonly hash: number;
  /** The revision it covers. */
  readonly revision: number;
  /** The compaction revision it was computed under, -1 for none. */
  readonly compactRevision: number;
}

/** The hashes of the last compactions, by which members are compared after the fact. */
export class HashCache {
  private readonly hashes: RevisionHash[] = [];

  find(revision: number): RevisionHash | undefined {
    return this.hashes.find((hash) => hash.revision === revision);
  }

  add(hash: RevisionHash): void {
    this.hashes.push(hash); // compaction revisions only grow, so these are sorted
    if (this.hashes.length > HASHES_KEPT) this.hashes.shift();
  }

  clear(): void {
    this.hashes.length = 0;
  }

  /** Oldest first. */
  all(): readonly RevisionHash[] {
    return this.hashes.slice();
  }
}

/** One HashKV request. `error` or, after `step` has returned true, `result` is set. */
export class HashReader implements Pin {
  error: RpcError | undefined = undefined;
  result: RevisionHash | undefined = undefined;
  readonly pinnedRevision: number;
  private readonly asOf: number;
  private readonly hasher = new RevisionHasher();
  private readonly revision = new KeyRevision();
  private readonly epoch: number;
  private keptAny = false;
  private nextMain = 0;
  private nextSub = 0;
  private left = 0;

  /** @param revision 0 for the current one */
  constructor(
    private readonly state: StoreState,
    cache: HashCache,
    revision: number,
  ) {
    this.pinnedRevision = state.compactedRevision;
    this.epoch = state.epoch;
    this.asOf = revision === 0 ? state.currentRevision : revision;
    // Asked for by number, the hash that a compaction left comes first, even if a newer compaction has passed it.
    this.result = revision === 0 ? undefined : cache.find(revision);
    if (this.result !== undefined) return;
    if (revision > 0 && revision < state.compactedRevision) this.error = ErrCompacted;
    else if (revision > state.currentRevision) this.error = ErrFutureRev;
    else this.begin();
  }

  /**
   * Hashes up to `recordsMax` more records.
   * @returns true when `result` or `error` is set
   */
  step(recordsMax: number): boolean {
    if (this.result !== undefined || this.error !== undefined) return true;
    if (this.epoch !== this.state.epoch) {
      this.error = ErrCompacted; // the store was replaced, and the history before that with it
      this.close();
      return true;
    }
    this.left = recordsMax;
    this.state.backend.scanRevisions(this.nextMain, this.nextSub, this.visit);
    if (this.left === 0) return false;
    this.result = {
      hash: this.hasher.sum,
      revision: this.asOf,
      compactRevision: this.pinnedRevision,
    };
    this.close();
    return true;
  }

  /** Must be called for a hash that is given up. */
  close(): void {
    this.state.unpin(this);
  }

  private begin(): void {
    const cursor = new KeyCursor(this.state.index);
    cursor.seek(EMPTY_BYTES, undefined, this.asOf, false);
    this.keptAny = cursor.next();
    this.state.pin(this);
  }

  private readonly visit = (main: number, sub: number, tombstone: boolean, value: Uint8Array): boolean => {
    if (main > this.asOf) return false;
    if (this.left === 0) return false;
    this.left--;
    this.nextMain = main;
    this.nextSub = sub + 1;
    if (this.counts(main, sub, tombstone, value)) this.hasher.add(main, sub, tombstone, value);
    return true;
  };

  private counts(main: number, sub: number, tombstone: boolean, value: Uint8Array): boolean {
    const compactRevision = this.pinnedRevision;
    if (main > compactRevision) return true;
    if (main === compactRevision && tombstone) return false;
    const { revision } = this;
    return (
      this.state.index.get(keyOfRecord(value), this.keptAny ? this.asOf : compactRevision, revision) &&
      revision.main === main &&
      revision.sub === sub
    );
  }
}
