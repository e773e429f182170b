// InternalRaftRequest, the payload of a normal log entry: a header that names the request, and one operation. The
// operation's bytes are the client's own, copied once and never re-encoded. Hot: one wrap and one parse per write
// (bench: put rows of `npm run bench`).
//
//   field 100  header { 1 ID uint64 }
//   field N    the operation: 3 range, 4 put, 5 delete_range, 6 txn, 7 compaction, 8 lease_grant, …
//
// The id is 64 bits: 15 bits that tell the proposing member and start apart, and a 48-bit counter. Keeping the two
// apart lets the counter be a plain number.

import { BytePages, varintSize, WireReader } from "#base";

/** Field numbers of the operations in InternalRaftRequest. */
export const Operation = {
  None: 0,
  Range: 3,
  Put: 4,
  DeleteRange: 5,
  Txn: 6,
  Compaction: 7,
  LeaseGrant: 8,
  LeaseRevoke: 9,
  Alarm: 10,
  LeaseCheckpoint: 11,
  ClusterVersionSet: 1300,
  ClusterMemberAttrSet: 1301,
  DowngradeInfoSet: 1302,
} as const;

const HEADER_FIELD = 100;
const TWO_32 = 0x100000000;
const COUNTER_LIMIT = 2 ** 48;

/** Makes request ids: unique among members and restarts, increasing within one run. */
export class RequestIds {
  /** 15 bits, not zero, so that every id takes nine bytes on the wire. */
  readonly prefix: number;
  private counter: number;

  /** @param seed low bits of the member id @param wallTimeMs start of this run; ids of earlier runs are below it */
  constructor(seed: number, wallTimeMs: number) {
    this.prefix = (seed & 0x7fff) | 0x4000;
    this.counter = (wallTimeMs * 256) % COUNTER_LIMIT;
  }

  next(): number {
    this.counter++;
    return this.counter;
  }
}

/** Entries are kept for about as long as their neighbours: until the log is cut behind a snapshot. */
const pages = new BytePages();

/** Bytes of the header field that `wrapRequest` puts in front. */
const HEADER_BYTES = 2 + 1 + 1 + 9;

/**
 * The entry payload for one operation.
 * @param field one of `Operation`
 * @param body the operation's encoded message, `buf[start, end)`; copied
 */
export function wrapRequest(
  prefix: number,
  counter: number,
  field: number,
  buf: Uint8Array,
  start: number,
  end: number,
): Uint8Array {
  const length = end - start;
  const tag = field * 8 + 2;
  const begin = pages.reserve(HEADER_BYTES + varintSize(tag) + varintSize(length) + length);
  const out = pages.buf;
  out[begin] = 0xa2;
  out[begin + 1] = 0x06;
  out[begin + 2] = 10;
  out[begin + 3] = 0x08;
  let at = writeId(out, begin + 4, prefix, counter);
  at = writeVarint(out, at, tag);
  at = writeVarint(out, at, length);
  if (length > 0) out.set(start === 0 && end === buf.length ? buf : buf.subarray(start, end), at);
  return pages.cut(begin, at + length);
}

/** What `parseRequest` found. One instance is reused: its fields hold until the next parse. */
export class ParsedRequest {
  prefix = 0;
  counter = 0;
  /** One of `Operation`, or a field this version does not know. */
  field = 0;
  /** The operation's bytes are `data[start, end)`. */
  start = 0;
  end = 0;
}

const reader = new WireReader();

/** Reads an entry payload. Throws WireError for bytes that are no InternalRaftRequest. */
export function parseRequest(data: Uint8Array, into: ParsedRequest): void {
  into.prefix = 0;
  into.counter = 0;
  into.field = Operation.None;
  into.start = 0;
  into.end = 0;
  const r = reader;
  r.reset(data, 0, data.length);
  while (!r.done) {
    const tag = r.tag();
    const field = tag >>> 3;
    if ((tag & 7) !== 2) {
      r.skip(tag);
      continue;
    }
    const end = r.delimited();
    if (field === HEADER_FIELD) readHeader(data, r.pos, end, into);
    else {
      into.field = field;
      into.start = r.pos;
      into.end = end;
    }
    r.pos = end;
  }
}

function readHeader(data: Uint8Array, start: number, end: number, into: ParsedRequest): void {
  if (data[start] !== 0x08) {
    readHeaderSlowly(data, start, end, into);
    return;
  }
  // The first four bytes of the varint hold bits 0-27, the next three bits 28-48, and so on: gather low and high words.
  let at = start + 1;
  let low = 0;
  let high = 0;
  for (let shift = 0; at < end && shift < 70; shift += 7) {
    const byte = data[at++];
    const bits = byte & 0x7f;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high = bits >>> 4;
    } else high |= bits << (shift - 32);
    if (byte < 0x80) break;
  }
  into.prefix = high >>> 16;
  into.counter = (high & 0xffff) * TWO_32 + (low >>> 0);
}

/** Headers of other members may carry fields before the id. */
function readHeaderSlowly(data: Uint8Array, start: number, end: number, into: ParsedRequest): void {
  const r = new WireReader(data, start, end);
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x08) {
      const id = r.bigUint64();
      into.prefix = Number(id >> 48n);
      into.counter = Number(id & 0xffffffffffffn);
    } else r.skip(tag);
  }
}

function writeId(out: Uint8Array, at: number, prefix: number, counter: number): number {
  let low = (counter % TWO_32) >>> 0;
  let high = (Math.floor(counter / TWO_32) | (prefix << 16)) >>> 0;
  for (let i = 0; i < 8; i++) {
    out[at + i] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  out[at + 8] = low;
  return at + 9;
}

function writeVarint(out: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[at++] = rest;
  return at;
}
