// Hand codecs of the hot KV messages. Decoders accept any legal protobuf (fields in any order, repeated, unknown ones
// skipped; a repeated sub-message field of a oneof merges, as protobuf prescribes, by the last one winning, which is how
// every known client is seen to write). Encoders leave out zero values, as proto3 does.

import { varintSize, WireReader, type WireWriter } from "#base";
import {
  Compare,
  DeleteRangeRequest,
  KeyValue,
  NO_LEASE,
  type PutHead,
  PutRequest,
  RangeRequest,
  type RequestOp,
  type ResponseHeader,
  TxnRequest,
} from "./kv.js";

/** Reads messages without sub-messages: such a read is over before the next one begins, so one reader serves all. */
const flat = new WireReader();

/** A transaction nested deeper than this is refused at decode: the operation budget forbids it long before. */
const TXN_DEPTH_MAX = 128;

export function encodeKeyValue(w: WireWriter, kv: KeyValue): void {
  if (kv.key.length > 0) {
    w.byte(0x0a);
    w.bytes(kv.key);
  }
  if (kv.createRevision !== 0) {
    w.byte(0x10);
    w.int64(kv.createRevision);
  }
  if (kv.modRevision !== 0) {
    w.byte(0x18);
    w.int64(kv.modRevision);
  }
  if (kv.version !== 0) {
    w.byte(0x20);
    w.int64(kv.version);
  }
  if (kv.value.length > 0) {
    w.byte(0x2a);
    w.bytes(kv.value);
  }
  if (kv.lease !== 0n) {
    w.byte(0x30);
    w.bigint(kv.lease);
  }
}

/** Decodes a KeyValue; key and value are views into `buf`. */
export function decodeKeyValue(buf: Uint8Array, start = 0, end = buf.length): KeyValue {
  const r = flat.open(buf, start, end);
  const kv = new KeyValue();
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) kv.key = r.bytes();
    else if (tag === 0x10) kv.createRevision = r.int64();
    else if (tag === 0x18) kv.modRevision = r.int64();
    else if (tag === 0x20) kv.version = r.int64();
    else if (tag === 0x2a) kv.value = r.bytes();
    else if (tag === 0x30) kv.lease = r.bigInt64();
    else r.skip(tag);
  }
  return kv;
}

/** Writes the header as field 1 of a response. */
export function writeResponseHeader(w: WireWriter, header: ResponseHeader): void {
  w.byte(0x0a);
  const lengthAt = w.length;
  w.byte(0);
  if (header.clusterId !== 0n) {
    w.byte(0x08);
    w.bigint(header.clusterId);
  }
  if (header.memberId !== 0n) {
    w.byte(0x10);
    w.bigint(header.memberId);
  }
  if (header.revision !== 0) {
    w.byte(0x18);
    w.int64(header.revision);
  }
  if (header.raftTerm !== 0) {
    w.byte(0x20);
    w.varint(header.raftTerm);
  }
  // At most 4 fields of 11 bytes: the length always fits one byte.
  w.buf[lengthAt] = w.length - lengthAt - 1;
}

/** Writes a header that holds only a revision (inner responses of a transaction) as field 1. */
export function writeRevisionHeader(w: WireWriter, revision: number): void {
  w.byte(0x0a);
  if (revision === 0) return w.byte(0);
  w.byte(1 + varintSize(revision));
  w.byte(0x18);
  w.varint(revision);
}

export function decodeRangeRequest(
  buf: Uint8Array,
  start = 0,
  end = buf.length,
  into = new RangeRequest(),
): RangeRequest {
  const r = flat.open(buf, start, end);
  while (!r.done) {
    const tag = r.tag();
    switch (tag) {
      case 0x0a:
        into.key = r.bytes();
        break;
      case 0x12:
        into.rangeEnd = r.bytes();
        break;
      case 0x18:
        into.limit = r.int64();
        break;
      case 0x20:
        into.revision = r.int64();
        break;
      case 0x28:
        into.sortOrder = r.int32();
        break;
      case 0x30:
        into.sortTarget = r.int32();
        break;
      case 0x38:
        into.serializable = r.bool();
        break;
      case 0x40:
        into.keysOnly = r.bool();
        break;
      case 0x48:
        into.countOnly = r.bool();
        break;
      case 0x50:
        into.minModRevision = r.int64();
        break;
      case 0x58:
        into.maxModRevision = r.int64();
        break;
      case 0x60:
        into.minCreateRevision = r.int64();
        break;
      case 0x68:
        into.maxCreateRevision = r.int64();
        break;
      default:
        r.skip(tag);
    }
  }
  return into;
}

export function encodeRangeRequest(w: WireWriter, q: RangeRequest): void {
  bytesField(w, 0x0a, q.key);
  bytesField(w, 0x12, q.rangeEnd);
  int64Field(w, 0x18, q.limit);
  int64Field(w, 0x20, q.revision);
  int64Field(w, 0x28, q.sortOrder);
  int64Field(w, 0x30, q.sortTarget);
  boolField(w, 0x38, q.serializable);
  boolField(w, 0x40, q.keysOnly);
  boolField(w, 0x48, q.countOnly);
  int64Field(w, 0x50, q.minModRevision);
  int64Field(w, 0x58, q.maxModRevision);
  int64Field(w, 0x60, q.minCreateRevision);
  int64Field(w, 0x68, q.maxCreateRevision);
}

export function decodePutRequest(
  buf: Uint8Array,
  start = 0,
  end = buf.length,
  into = new PutRequest(),
): PutRequest {
  const r = flat.open(buf, start, end);
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) into.key = r.bytes();
    else if (tag === 0x12) into.value = r.bytes();
    else if (tag === 0x18) into.lease = r.bigInt64();
    else if (tag === 0x20) into.prevKv = r.bool();
    else if (tag === 0x28) into.ignoreValue = r.bool();
    else if (tag === 0x30) into.ignoreLease = r.bool();
    else r.skip(tag);
  }
  return into;
}

/** Reads the shape of a put into `into`, all of whose fields are set. */
export function decodePutHead(buf: Uint8Array, start: number, end: number, into: PutHead): PutHead {
  const r = flat.open(buf, start, end);
  into.keyLength = into.valueLength = 0;
  into.lease = NO_LEASE;
  into.ignoreValue = into.ignoreLease = false;
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) into.keyLength = r.skipBytes();
    else if (tag === 0x12) into.valueLength = r.skipBytes();
    else if (tag === 0x18) into.lease = r.bigInt64();
    else if (tag === 0x28) into.ignoreValue = r.bool();
    else if (tag === 0x30) into.ignoreLease = r.bool();
    else r.skip(tag);
  }
  return into;
}

export function encodePutRequest(w: WireWriter, q: PutRequest): void {
  bytesField(w, 0x0a, q.key);
  bytesField(w, 0x12, q.value);
  if (q.lease !== 0n) {
    w.byte(0x18);
    w.bigint(q.lease);
  }
  boolField(w, 0x20, q.prevKv);
  boolField(w, 0x28, q.ignoreValue);
  boolField(w, 0x30, q.ignoreLease);
}

export function decodeDeleteRangeRequest(
  buf: Uint8Array,
  start = 0,
  end = buf.length,
  into = new DeleteRangeRequest(),
): DeleteRangeRequest {
  const r = flat.open(buf, start, end);
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) into.key = r.bytes();
    else if (tag === 0x12) into.rangeEnd = r.bytes();
    else if (tag === 0x18) into.prevKv = r.bool();
    else r.skip(tag);
  }
  return into;
}

export function encodeDeleteRangeRequest(w: WireWriter, q: DeleteRangeRequest): void {
  bytesField(w, 0x0a, q.key);
  bytesField(w, 0x12, q.rangeEnd);
  boolField(w, 0x18, q.prevKv);
}

/**
 * Decodes a transaction.
 * @returns undefined when transactions nest deeper than any operation budget allows
 */
export function decodeTxnRequest(buf: Uint8Array, start = 0, end = buf.length): TxnRequest | undefined {
  return readTxn(buf, start, end, 0);
}

function readTxn(buf: Uint8Array, start: number, end: number, depth: number): TxnRequest | undefined {
  if (depth > TXN_DEPTH_MAX) return undefined;
  const r = new WireReader(buf, start, end);
  const txn = new TxnRequest();
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) {
      const fieldEnd = r.delimited();
      txn.compare.push(decodeCompare(buf, r.pos, fieldEnd));
      r.pos = fieldEnd;
    } else if (tag === 0x12 || tag === 0x1a) {
      const fieldEnd = r.delimited();
      const op = readRequestOp(buf, r.pos, fieldEnd, depth);
      if (op === TOO_DEEP) return undefined;
      (tag === 0x12 ? txn.success : txn.failure).push(op);
      r.pos = fieldEnd;
    } else r.skip(tag);
  }
  return txn;
}

const TOO_DEEP = Symbol("transactions nested too deep");

function readRequestOp(
  buf: Uint8Array,
  start: number,
  end: number,
  depth: number,
): RequestOp | typeof TOO_DEEP {
  const r = new WireReader(buf, start, end);
  let op: RequestOp;
  while (!r.done) {
    const tag = r.tag();
    if (tag !== 0x0a && tag !== 0x12 && tag !== 0x1a && tag !== 0x22) {
      r.skip(tag);
      continue;
    }
    const fieldEnd = r.delimited();
    if (tag === 0x0a) op = decodeRangeRequest(buf, r.pos, fieldEnd);
    else if (tag === 0x12) op = decodePutRequest(buf, r.pos, fieldEnd);
    else if (tag === 0x1a) op = decodeDeleteRangeRequest(buf, r.pos, fieldEnd);
    else {
      op = readTxn(buf, r.pos, fieldEnd, depth + 1);
      if (op === undefined) return TOO_DEEP;
    }
    r.pos = fieldEnd;
  }
  return op;
}

function decodeCompare(buf: Uint8Array, start: number, end: number): Compare {
  const r = flat.open(buf, start, end);
  const c = new Compare();
  while (!r.done) {
    const tag = r.tag();
    switch (tag) {
      case 0x08:
        c.result = r.int32();
        break;
      case 0x10:
        c.target = r.int32();
        break;
      case 0x1a:
        c.key = r.bytes();
        break;
      case 0x20:
        c.version = r.int64();
        c.unionField = 4;
        break;
      case 0x28:
        c.createRevision = r.int64();
        c.unionField = 5;
        break;
      case 0x30:
        c.modRevision = r.int64();
        c.unionField = 6;
        break;
      case 0x3a:
        c.value = r.bytes();
        c.unionField = 7;
        break;
      case 0x40:
        c.lease = r.bigInt64();
        c.unionField = 8;
        break;
      case 0x202: // field 64, length-delimited
        c.rangeEnd = r.bytes();
        break;
      default:
        r.skip(tag);
    }
  }
  return c;
}

function bytesField(w: WireWriter, tag: number, value: Uint8Array): void {
  if (value.length === 0) return;
  w.byte(tag);
  w.bytes(value);
}

function int64Field(w: WireWriter, tag: number, value: number): void {
  if (value === 0) return;
  w.byte(tag);
  w.int64(value);
}

function boolField(w: WireWriter, tag: number, value: boolean): void {
  if (!value) return;
  w.byte(tag);
  w.byte(1);
}
