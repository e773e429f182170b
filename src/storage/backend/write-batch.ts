// The writes of one future transaction, kept twice in one form: as a log of operations in shared memory, which the
// writer thread replays into lmdb without any copy through a message, and as an index over that log, so that reads see
// the writes at once. A put costs the main thread one copy of its bytes and no object that outlives the call.
//
//   operation in the log (never split over two chunks)
//   offset size
//   0      1    1 put, 2 delete
//   1      1    0
//   2      2    length of the lmdb key, k, little-endian
//   4      4    length of the stored value, v, little-endian (0 for a delete)
//   8      k    lmdb key
//   8+k    v    stored value (record.ts); the writer thread fills in the sum, its last four bytes
//
// Invariant: appended revisions ascend, so the index is three parallel arrays and a binary search.

import { assert, panic } from "#base";
import type { BucketName } from "./backend.js";
import {
  bucketKey,
  FLAG_LONG_KEY,
  FLAG_TOMBSTONE,
  LONG_KEY,
  RECORD_OVERHEAD,
  storedSize,
  writeRevisionKey,
} from "./record.js";
import { RevisionSet } from "./revision-set.js";

export const OP_PUT = 1;
export const OP_DELETE = 2;
export const OP_HEADER = 8;
const CHUNK_BYTES = 1 << 20;
/** Chunks that a batch keeps for its next use; the rest goes back to the system. */
const SPARE_CHUNKS = 4;
const FIRST_INDEX = 1024;

/** A part of the operation log. */
export interface LogChunk {
  readonly bytes: Uint8Array;
  used: number;
}

/** What a batch says about a key: a value, deleted (null), or nothing (undefined). */
export type Pending = Uint8Array | null | undefined;

export class WriteBatch {
  /** Operations in the log. */
  count = 0;
  /** Bytes in the log. */
  bytes = 0;
  readonly chunks: LogChunk[] = [];
  /** Records appended to the revision log. */
  appended = 0;
  private mains = new Float64Array(FIRST_INDEX);
  private subs = new Uint32Array(FIRST_INDEX);
  /** Chunk number and offset of the value; the length is -1 when the record was deleted again. */
  private chunkOf = new Uint32Array(FIRST_INDEX);
  private offsets = new Uint32Array(FIRST_INDEX);
  private lengths = new Int32Array(FIRST_INDEX);
  private tombstones = new Uint8Array(FIRST_INDEX);
  /** Records deleted that this batch did not append itself. */
  readonly deleted = new RevisionSet();
  private readonly buckets = new Map<
    BucketName,
    Map<string, { key: Uint8Array; value: Uint8Array | null }>
  >();
  private readonly spare: LogChunk[] = [];
  private last: LogChunk | undefined;
  private readonly chunkBytes: number;

  /** @param chunkBytes memory that the log takes at a time */
  constructor(chunkBytes = CHUNK_BYTES) {
    this.chunkBytes = chunkBytes;
  }

  /** Forgets everything and keeps some memory for the next use. */
  reset(): void {
    this.count = 0;
    this.bytes = 0;
    this.appended = 0;
    this.deleted.clear();
    this.buckets.clear();
    for (const chunk of this.chunks) {
      if (chunk.bytes.length === this.chunkBytes && this.spare.length < SPARE_CHUNKS) {
        chunk.used = 0;
        this.spare.push(chunk);
      }
    }
    this.chunks.length = 0;
    this.last = undefined;
    if (this.mains.length > 64 * FIRST_INDEX) this.resizeIndex(FIRST_INDEX);
  }

  appendRevision(main: number, sub: number, tombstone: boolean, value: Uint8Array): void {
    const n = this.appended;
    if (n === this.mains.length) this.resizeIndex(n * 2);
    const size = value.length + RECORD_OVERHEAD;
    const keyLength = sub === 0 ? 8 : 12;
    const chunk = this.beginOperation(OP_PUT, keyLength, size);
    const bytes = chunk.bytes;
    let at = chunk.used + OP_HEADER;
    writeRevisionKey(bytes, at, main, sub);
    at += keyLength;
    bytes[at++] = tombstone ? FLAG_TOMBSTONE : 0;
    bytes.set(value, at);
    this.mains[n] = main;
    this.subs[n] = sub;
    this.chunkOf[n] = this.chunks.length - 1;
    this.offsets[n] = at;
    this.lengths[n] = value.length;
    this.tombstones[n] = tombstone ? 1 : 0;
    this.appended = n + 1;
    this.endOperation(chunk, keyLength, size);
  }

  readRevision(main: number, sub: number): Pending {
    if (this.appended > 0 && main >= this.mains[0]) {
      const at = this.find(main, sub);
      if (at >= 0) return this.lengths[at] < 0 ? null : this.valueAt(at);
    }
    return this.deleted.size > 0 && this.deleted.has(main, sub) ? null : undefined;
  }

  deleteRevision(main: number, sub: number): void {
    const at = this.find(main, sub);
    if (at >= 0) this.lengths[at] = -1;
    else this.deleted.add(main, sub);
    const keyLength = sub === 0 ? 8 : 12;
    const chunk = this.beginOperation(OP_DELETE, keyLength, 0);
    writeRevisionKey(chunk.bytes, chunk.used + OP_HEADER, main, sub);
    this.endOperation(chunk, keyLength, 0);
  }

  put(bucket: BucketName, key: Uint8Array, value: Uint8Array): void {
    assert(key.length > 0, "empty key in a bucket");
    this.entries(bucket).set(keyText(key), { key, value });
    const stored = bucketKey(bucket, key);
    const size = storedSize(key.length, value.length);
    const chunk = this.beginOperation(OP_PUT, stored.length, size);
    const bytes = chunk.bytes;
    let at = chunk.used + OP_HEADER;
    bytes.set(stored, at);
    at += stored.length;
    const isLong = key.length > LONG_KEY;
    bytes[at++] = isLong ? FLAG_LONG_KEY : 0;
    if (isLong) {
      bytes[at] = key.length;
      bytes[at + 1] = key.length >>> 8;
      bytes[at + 2] = key.length >>> 16;
      bytes[at + 3] = key.length >>> 24;
      bytes.set(key, at + 4);
      at += 4 + key.length;
    }
    bytes.set(value, at);
    this.endOperation(chunk, stored.length, size);
  }

  delete(bucket: BucketName, key: Uint8Array): void {
    this.entries(bucket).set(keyText(key), { key, value: null });
    const stored = bucketKey(bucket, key);
    const chunk = this.beginOperation(OP_DELETE, stored.length, 0);
    chunk.bytes.set(stored, chunk.used + OP_HEADER);
    this.endOperation(chunk, stored.length, 0);
  }

  get(bucket: BucketName, key: Uint8Array): Pending {
    const entries = this.buckets.get(bucket);
    return entries === undefined || entries.size === 0 ? undefined : entries.get(keyText(key))?.value;
  }

  /** The bucket's pending entries by key text, null for deleted. */
  bucketEntries(
    bucket: BucketName,
  ): ReadonlyMap<string, { key: Uint8Array; value: Uint8Array | null }> | undefined {
    return this.buckets.get(bucket);
  }

  forEachEntry(
    visit: (bucket: BucketName, name: string, key: Uint8Array, value: Uint8Array | null) => void,
  ): void {
    for (const [bucket, entries] of this.buckets) {
      for (const [name, { key, value }] of entries) visit(bucket, name, key, value);
    }
  }

  /** Position of the first appended record at or right of (main, sub), up to `appended`. */
  lowerBound(main: number, sub: number): number {
    let low = 0;
    let high = this.appended;
    while (low < high) {
      const mid = (low + high) >>> 1;
      const m = this.mains[mid];
      if (m < main || (m === main && this.subs[mid] < sub)) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  mainAt(at: number): number {
    return this.mains[at];
  }

  subAt(at: number): number {
    return this.subs[at];
  }

  isTombstoneAt(at: number): boolean {
    return this.tombstones[at] !== 0;
  }

  /** False when the record was deleted again. */
  isLiveAt(at: number): boolean {
    return this.lengths[at] >= 0;
  }

  valueAt(at: number): Uint8Array {
    const start = this.offsets[at];
    return this.chunks[this.chunkOf[at]].bytes.subarray(start, start + this.lengths[at]);
  }

  private find(main: number, sub: number): number {
    const at = this.lowerBound(main, sub);
    return at < this.appended && this.mains[at] === main && this.subs[at] === sub ? at : -1;
  }

  private entries(bucket: BucketName): Map<string, { key: Uint8Array; value: Uint8Array | null }> {
    let entries = this.buckets.get(bucket);
    if (entries === undefined) {
      entries = new Map();
      this.buckets.set(bucket, entries);
    }
    return entries;
  }

  private beginOperation(kind: number, keyLength: number, valueLength: number): LogChunk {
    const need = OP_HEADER + keyLength + valueLength;
    let chunk = this.last;
    if (chunk === undefined || chunk.used + need > chunk.bytes.length) {
      chunk = this.addChunk(need);
      this.last = chunk;
    }
    const bytes = chunk.bytes;
    const at = chunk.used;
    bytes[at] = kind;
    bytes[at + 1] = 0;
    bytes[at + 2] = keyLength;
    bytes[at + 3] = keyLength >>> 8;
    bytes[at + 4] = valueLength;
    bytes[at + 5] = valueLength >>> 8;
    bytes[at + 6] = valueLength >>> 16;
    bytes[at + 7] = valueLength >>> 24;
    return chunk;
  }

  private endOperation(chunk: LogChunk, keyLength: number, valueLength: number): void {
    const size = OP_HEADER + keyLength + valueLength;
    chunk.used += size;
    this.bytes += size;
    this.count++;
  }

  private addChunk(need: number): LogChunk {
    let chunk = need <= this.chunkBytes ? this.spare.pop() : undefined;
    if (chunk === undefined) {
      const size = Math.max(this.chunkBytes, need);
      if (size > 0x7fffffff) panic("record too large for the backend", { bytes: need });
      chunk = { bytes: new Uint8Array(new SharedArrayBuffer(size)), used: 0 };
    }
    this.chunks.push(chunk);
    return chunk;
  }

  private resizeIndex(size: number): void {
    const keep = Math.min(size, this.appended);
    this.mains = resized(this.mains, new Float64Array(size), keep);
    this.subs = resized(this.subs, new Uint32Array(size), keep);
    this.chunkOf = resized(this.chunkOf, new Uint32Array(size), keep);
    this.offsets = resized(this.offsets, new Uint32Array(size), keep);
    this.lengths = resized(this.lengths, new Int32Array(size), keep);
    this.tombstones = resized(this.tombstones, new Uint8Array(size), keep);
  }
}

/** A key as a string with one character a byte: equal exactly when the bytes are, and ordered as they are. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

function resized<T extends Float64Array | Uint32Array | Int32Array | Uint8Array>(
  from: T,
  to: T,
  keep: number,
): T {
  to.set(from.subarray(0, keep));
  return to;
}
