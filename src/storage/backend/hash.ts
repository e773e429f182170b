// The two hashes that members compare, as sinks over records in exchange form. Both are CRC-32C.
//
// Hash runs over the whole database: every bucket's name, then its keys and values. The meta keys that legitimately differ
// between equal members are left out.
//
// HashKV runs over the revision log up to a revision, beginning with the log's name. Members compact at different moments,
// so records that a compaction will remove must not count: at or below the compaction revision only those count that
// it keeps. A tombstone exactly at that revision never counts, because etcd before 3.5.16 removed it and later ones do not.

import { crc32c, utf8 } from "#base";
import { REVISION_BUCKET } from "./backend.js";
import { exchangeMain, exchangeSub, type RecordSink } from "./exchange.js";
import type { RevisionSet } from "./revision-set.js";

const IGNORED_META = new Set(["consistent_index", "term", "storageVersion"]);

export class DatabaseHash implements RecordSink {
  sum = 0;
  private isMeta = false;

  beginBucket(name: Uint8Array): void {
    this.isMeta = Buffer.from(name).toString("latin1") === "meta";
    this.sum = crc32c(this.sum, name);
  }

  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (this.isMeta && IGNORED_META.has(Buffer.from(key.subarray(keyStart, keyEnd)).toString("latin1")))
      return;
    this.sum = crc32c(crc32c(this.sum, key, keyStart, keyEnd), value, start, end);
  }
}

/** Fed with the records of the revision log only. */
export class RevisionHash {
  sum = crc32c(0, utf8(REVISION_BUCKET));

  /** @param keep what compaction at `compactRevision` keeps; empty means that nothing is left out */
  constructor(
    private readonly revision: number,
    private readonly compactRevision: number,
    private readonly keep: RevisionSet,
  ) {}

  /** Returns false once no later record can count. */
  add(key: Uint8Array, keyLength: number, value: Uint8Array, start: number, end: number): boolean {
    const main = exchangeMain(key);
    if (main > this.revision) return false;
    const isBelow = main <= this.compactRevision && this.keep.size > 0;
    if (isBelow && !this.keep.has(main, exchangeSub(key))) return true;
    const isTombstone = keyLength === 18;
    if (isTombstone && main === this.compactRevision) return true;
    this.sum = crc32c(crc32c(this.sum, key, 0, keyLength), value, start, end);
    return true;
  }
}
