// The records of an lmdb tree in exchange form and order. On the disk the revision log stands last and long keys of small
// buckets are cut (record.ts); here both are put right.

import { assert, compareBytes, copyBytes } from "#base";
import { type BucketName, CorruptBackendError, REVISION_BUCKET } from "./backend.js";
import {
  EXCHANGE_BUCKETS,
  EXCHANGE_KEY_MAX,
  EXCHANGE_NAMES,
  type RecordSink,
  writeExchangeKey,
} from "./exchange.js";
import type { LmdbFile, TreeRoot } from "./lmdb-file.js";
import type { Pacer } from "./pacer.js";
import {
  bucketNumber,
  FLAG_LONG_KEY,
  FLAG_TOMBSTONE,
  isIntact,
  LONG_KEY,
  REVISION_KEY_MAX,
  REVISION_PREFIX,
  revisionMain,
  revisionSub,
  storedContent,
  writeRevisionKey,
} from "./record.js";

const REVISIONS_END = Uint8Array.of(REVISION_PREFIX + 1);

/** Sees a revision under its exchange key; stops when it returns false. */
export type ExchangeVisitor = (
  key: Uint8Array,
  keyLength: number,
  value: Uint8Array,
  start: number,
  end: number,
) => unknown;

export class TreeRecords {
  private readonly key = new Uint8Array(EXCHANGE_KEY_MAX);
  private records = 0;

  constructor(
    private readonly file: LmdbFile,
    private readonly tree: TreeRoot,
    private readonly pacer?: Pacer,
  ) {}

  /** Feeds the whole database to `sink`, checking every record. */
  feed(sink: RecordSink): void {
    this.records = 0;
    for (const bucket of EXCHANGE_BUCKETS) {
      const name = EXCHANGE_NAMES.get(bucket);
      assert(name !== undefined, "a bucket without a name");
      sink.beginBucket(name);
      if (bucket === REVISION_BUCKET) {
        this.feedRevisions(0, 0, (key, keyLength, value, start, end) =>
          sink.add(key, 0, keyLength, value, start, end),
        );
      } else this.feedBucket(bucket as BucketName, sink);
    }
    if (this.records !== this.tree.entries) {
      this.file.damaged("the tree does not hold what it says it holds", {
        entries: this.records,
        expected: this.tree.entries,
      });
    }
  }

  /** Feeds the revision log from (main, sub) on. */
  feedRevisions(main: number, sub: number, visit: ExchangeVisitor): void {
    const from = new Uint8Array(REVISION_KEY_MAX);
    const length = writeRevisionKey(from, 0, main, sub);
    const key = this.key;
    this.file.walk(
      this.tree,
      from.subarray(0, length),
      REVISIONS_END,
      (k, keyStart, keyEnd, value, start, end) => {
        this.check(k, keyStart, keyEnd, value, start, end);
        const isTombstone = (value[start] & FLAG_TOMBSTONE) !== 0;
        const m = revisionMain(k, keyStart);
        const keyLength = writeExchangeKey(key, m, revisionSub(k, keyStart, keyEnd - keyStart), isTombstone);
        return visit(key, keyLength, value, start + 1, end - 4);
      },
    );
  }

  private feedBucket(bucket: BucketName, sink: RecordSink): void {
    const number = bucketNumber(bucket);
    const run = new LongKeyRun(sink);
    this.file.walk(
      this.tree,
      Uint8Array.of(number),
      Uint8Array.of(number + 1),
      (k, keyStart, keyEnd, value, start, end) => {
        this.check(k, keyStart, keyEnd, value, start, end);
        const content = storedContent(value, start);
        if ((value[start] & FLAG_LONG_KEY) !== 0) {
          run.add(
            copyBytes(k.subarray(keyStart, keyEnd)),
            copyBytes(value.subarray(start + 5, content)),
            copyBytes(value.subarray(content, end - 4)),
          );
          return;
        }
        run.flush();
        sink.add(k, keyStart + 1, keyEnd, value, content, end - 4);
      },
    );
    run.flush();
  }

  private check(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.records++;
    this.pacer?.onRecord();
    if (!isIntact(key, keyStart, keyEnd, value, start, end)) {
      throw new CorruptBackendError(this.file.path, "checksum mismatch of a record");
    }
  }
}

/** Cut keys that agree up to the cut are ordered by their hash on the disk; here they are sorted by what they are. */
class LongKeyRun {
  private readonly entries: { stored: Uint8Array; key: Uint8Array; value: Uint8Array }[] = [];

  constructor(private readonly sink: RecordSink) {}

  add(stored: Uint8Array, key: Uint8Array, value: Uint8Array): void {
    const first = this.entries[0];
    const prefix = 1 + LONG_KEY;
    const isSameRun =
      first !== undefined &&
      Buffer.compare(first.stored.subarray(0, prefix), stored.subarray(0, prefix)) === 0;
    if (!isSameRun) this.flush();
    this.entries.push({ stored, key, value });
  }

  flush(): void {
    if (this.entries.length === 0) return;
    this.entries.sort((a, b) => compareBytes(a.key, b.key));
    for (const { key, value } of this.entries) this.sink.add(key, 0, key.length, value, 0, value.length);
    this.entries.length = 0;
  }
}
