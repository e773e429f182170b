// The bytes of a record in the revision log: an mvccpb.KeyValue, for a tombstone with the key alone. They are encoded
// once, on put, and never again: reads splice them into responses, events share them.
// Their pages live as long as a record of them is referenced: by the backend until its commit, by a slow watcher's queue.

import { BytePages, varintSize, WireReader } from "#base";
import { KeyValue, type LeaseId, NO_LEASE } from "#proto";

const TAG_KEY = 0x0a;
const TAG_CREATE_REVISION = 0x10;
const TAG_MOD_REVISION = 0x18;
const TAG_VERSION = 0x20;
const TAG_VALUE = 0x2a;
const TAG_LEASE = 0x30;

export class RecordWriter {
  private readonly pages = new BytePages();
  private buf = this.pages.buf;
  private at = 0;

  /** Encodes a put. The result is owned by the caller and has its final bytes. */
  put(
    key: Uint8Array,
    created: number,
    main: number,
    version: number,
    value: Uint8Array,
    lease: LeaseId,
  ): Uint8Array {
    const valueSize = value.length === 0 ? 0 : 1 + varintSize(value.length) + value.length;
    const leaseSize = lease === NO_LEASE ? 0 : 1 + varint64Size(lease);
    const size =
      4 +
      varintSize(key.length) +
      key.length +
      varintSize(created) +
      varintSize(main) +
      varintSize(version) +
      valueSize +
      leaseSize;
    const start = this.open(size);
    this.bytes(TAG_KEY, key);
    this.number(TAG_CREATE_REVISION, created);
    this.number(TAG_MOD_REVISION, main);
    this.number(TAG_VERSION, version);
    if (valueSize > 0) this.bytes(TAG_VALUE, value);
    if (leaseSize > 0) this.lease(lease);
    return this.close(start);
  }

  /** Encodes a tombstone. */
  tombstone(key: Uint8Array): Uint8Array {
    const start = this.open(1 + varintSize(key.length) + key.length);
    this.bytes(TAG_KEY, key);
    return this.close(start);
  }

  private open(size: number): number {
    this.at = this.pages.reserve(size);
    this.buf = this.pages.buf;
    return this.at;
  }

  private close(start: number): Uint8Array {
    return this.pages.cut(start, this.at);
  }

  private bytes(tag: number, bytes: Uint8Array): void {
    const buf = this.buf;
    buf[this.at++] = tag;
    this.varint(bytes.length);
    const at = this.at;
    const length = bytes.length;
    // A short copy is quicker in a loop than through a call into the engine.
    if (length <= 32) for (let i = 0; i < length; i++) buf[at + i] = bytes[i];
    else buf.set(bytes, at);
    this.at = at + length;
  }

  private number(tag: number, value: number): void {
    this.buf[this.at++] = tag;
    this.varint(value);
  }

  private varint(value: number): void {
    const buf = this.buf;
    let at = this.at;
    while (value >= 0x80) {
      buf[at++] = (value % 0x80) | 0x80;
      value = value < 0x80000000 ? value >>> 7 : Math.floor(value / 0x80);
    }
    buf[at++] = value;
    this.at = at;
  }

  private lease(lease: LeaseId): void {
    const buf = this.buf;
    buf[this.at++] = TAG_LEASE;
    let rest = BigInt.asUintN(64, lease);
    while (rest >= 0x80n) {
      buf[this.at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    buf[this.at++] = Number(rest);
  }
}

/** Bytes of an int64 varint; negative ones take ten. */
function varint64Size(value: bigint): number {
  let size = 1;
  for (let rest = BigInt.asUintN(64, value) >> 7n; rest > 0n; rest >>= 7n) size++;
  return size;
}

const reader = new WireReader();
const NOTHING = new KeyValue().value;

/** The value inside a record, as a view into it. */
export function valueOfRecord(record: Uint8Array): Uint8Array {
  return fieldOfRecord(record, TAG_VALUE);
}

/** The key inside a record, as a view into it. */
export function keyOfRecord(record: Uint8Array): Uint8Array {
  return fieldOfRecord(record, TAG_KEY);
}

function fieldOfRecord(record: Uint8Array, wanted: number): Uint8Array {
  reader.reset(record, 0, record.length);
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === wanted) return reader.bytes();
    reader.skip(tag);
  }
  return record.subarray(0, 0);
}

/** Decodes a record into `into`, whose fields are all set. Key and value are views into it. */
export function readRecord(record: Uint8Array, into: KeyValue): KeyValue {
  const r = reader;
  r.reset(record, 0, record.length);
  into.key = into.value = NOTHING;
  into.createRevision = into.modRevision = into.version = 0;
  into.lease = NO_LEASE;
  while (!r.done) {
    const tag = r.tag();
    if (tag === TAG_KEY) into.key = r.bytes();
    else if (tag === TAG_CREATE_REVISION) into.createRevision = r.int64();
    else if (tag === TAG_MOD_REVISION) into.modRevision = r.int64();
    else if (tag === TAG_VERSION) into.version = r.int64();
    else if (tag === TAG_VALUE) into.value = r.bytes();
    else if (tag === TAG_LEASE) into.lease = r.bigInt64();
    else r.skip(tag);
  }
  return into;
}

/** What the key index needs to know of a record. Filled anew by each `read`. */
export class RecordHead {
  keyStart = 0;
  keyEnd = 0;
  createRevision = 0;
  version = 0;
  lease: LeaseId = NO_LEASE;

  read(bytes: Uint8Array, start: number, end: number): void {
    const r = reader;
    r.reset(bytes, start, end);
    this.keyStart = this.keyEnd = start;
    this.createRevision = this.version = 0;
    this.lease = NO_LEASE;
    while (!r.done) {
      const tag = r.tag();
      if (tag === TAG_KEY) {
        this.keyEnd = r.delimited();
        this.keyStart = r.pos;
        r.pos = this.keyEnd;
      } else if (tag === TAG_CREATE_REVISION) this.createRevision = r.int64();
      else if (tag === TAG_VERSION) this.version = r.int64();
      else if (tag === TAG_LEASE) this.lease = r.bigInt64();
      else r.skip(tag);
    }
  }
}
