// One record of the log and its frame (docs/formats/wal.md).
//
//   0   8  little-endian length field: bits 0-55 length of the record, bits 56-63 0x80 | padding, or 0 without padding
//   8   n  walpb.Record: type (1, varint), crc (2, varint), data (3, bytes; absent when there is none)
//   8+n p  zero bytes up to a multiple of 8, so that no length field ever spans two sectors
//
// `crc` is the CRC-32C of the data of all records so far, this one included, across segments. It covers neither the type
// nor the frame. The decoder makes up for that: it takes exactly the bytes that etcd's encoder produces and nothing
// else, so a flipped bit in what the sum leaves out does not read as a different valid record.
//
// Hot: one entry is encoded straight into the output buffer and summed there. bench: tools/bench-wal.mjs

import { crc32c, varintSize, WireError, WireReader, WireWriter } from "#base";
import {
  type ConfState,
  decodeConfState,
  type Entry,
  encodeConfState,
  encodeEntry,
  encodeHardState,
  HardState,
} from "#proto";

export const RecordType = { Metadata: 1, Entry: 2, State: 3, Crc: 4, Snapshot: 5 } as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

/** Names as the dump tool prints them, indexed by type. */
export const RECORD_TYPE_NAMES: readonly string[] = ["", "metadata", "entry", "state", "crc", "snapshot"];

/** Size of the length field. */
export const FRAME_HEADER_BYTES = 8;
/** Type, crc and the head of the data field at their longest. */
export const RECORD_HEAD_BYTES_MAX = 2 + 6 + 6;
/** The smallest record: a type and a one-byte crc. */
export const RECORD_BYTES_MIN = 4;
/** Ours is far above any request limit; it keeps lengths within 32 bits. */
export const RECORD_BYTES_MAX = 0x7fffffff;

/** Marks a raft snapshot in the log: entries up to `index` are in it. Index 0 is the empty one of a new log. */
export class WalSnapshot {
  readonly index: number;
  readonly term: number;
  /** Absent in logs of etcd before 3.5 and in the empty snapshot. */
  readonly confState: ConfState | undefined;

  constructor(index = 0, term = 0, confState?: ConfState) {
    this.index = index;
    this.term = term;
    this.confState = confState;
  }
}

/** Encodes records one after the other into `out` and keeps the running sum. */
export class RecordEncoder {
  readonly out = new WireWriter(1 << 16);
  /** Running CRC-32C of the data of all records so far. */
  crc: number;

  constructor(crc: number) {
    this.crc = crc;
  }

  entry(entry: Entry): void {
    const at = this.out.length;
    const start = this.begin(entry.data.length + 16);
    encodeEntry(this.out, entry);
    this.end(RecordType.Entry, at, start);
  }

  state(state: HardState): void {
    const at = this.out.length;
    const start = this.begin(16);
    encodeHardState(this.out, state);
    this.end(RecordType.State, at, start);
  }

  metadata(metadata: Uint8Array): void {
    const at = this.out.length;
    const start = this.begin(metadata.length);
    this.out.raw(metadata);
    this.end(RecordType.Metadata, at, start);
  }

  snapshot(snapshot: WalSnapshot): void {
    const at = this.out.length;
    const start = this.begin(16);
    encodeWalSnapshot(this.out, snapshot);
    this.end(RecordType.Snapshot, at, start);
  }

  /** The record that opens a segment and carries the sum over from the one before. */
  carryCrc(): void {
    const at = this.out.length;
    this.end(RecordType.Crc, at, this.begin(0));
  }

  /** Leaves a gap for the head, guessed from the size of the data, and returns where the data starts. */
  private begin(dataBytesGuess: number): number {
    const gap = FRAME_HEADER_BYTES + 2 + 6 + 1 + varintSize(dataBytesGuess);
    this.out.reserve(gap);
    this.out.length += gap;
    return this.out.length;
  }

  /** Sums the data where it lies, then writes head and padding around it; a wrong guess of the gap moves the data. */
  private end(type: RecordType, at: number, dataStart: number): void {
    const out = this.out;
    const dataBytes = out.length - dataStart;
    const crc = crc32c(this.crc, out.buf, dataStart, out.length);
    this.crc = crc;
    const dataHeadBytes = dataBytes === 0 ? 0 : 1 + varintSize(dataBytes);
    const headBytes = 3 + varintSize(crc) + dataHeadBytes;
    const recordBytes = headBytes + dataBytes;
    const padding = -recordBytes & 7;
    out.reserve(FRAME_HEADER_BYTES + 16);
    const buf = out.buf;
    const dataAt = at + FRAME_HEADER_BYTES + headBytes;
    if (dataAt !== dataStart) buf.copyWithin(dataAt, dataStart, out.length);

    buf.writeUInt32LE(recordBytes, at);
    buf.writeUInt32LE(padding === 0 ? 0 : ((0x80 | padding) << 24) >>> 0, at + 4);
    out.length = at + FRAME_HEADER_BYTES;
    out.byte(0x08);
    out.byte(type);
    out.byte(0x10);
    out.varint(crc);
    if (dataBytes > 0) {
      out.byte(0x1a);
      out.varint(dataBytes);
    }
    out.length = dataAt + dataBytes;
    for (let i = 0; i < padding; i++) buf[out.length++] = 0;
  }
}

/** Where the parts of a record lie in a buffer. Filled by `parseRecordHead`. */
export class RecordHead {
  type = 0;
  crc = 0;
  dataStart = 0;
  dataEnd = 0;
}

/**
 * Reads type, crc and the head of the data. The data itself need not be in the buffer.
 * @returns false unless the bytes are what the encoder writes
 */
export function parseRecordHead(buf: Uint8Array, start: number, end: number, into: RecordHead): boolean {
  if (end - start < RECORD_BYTES_MIN || buf[start] !== 0x08 || buf[start + 2] !== 0x10) return false;
  const reader = new WireReader(buf, start + 3, end);
  try {
    into.type = buf[start + 1];
    into.crc = reader.uint64();
    if (into.crc > 0xffffffff || reader.pos !== start + 3 + varintSize(into.crc)) return false;
    into.dataStart = reader.pos;
    into.dataEnd = reader.pos;
    if (reader.done || buf[reader.pos] !== 0x1a) return true;
    reader.pos++;
    const dataBytes = reader.uint64();
    into.dataStart = reader.pos;
    into.dataEnd = reader.pos + dataBytes;
    return dataBytes > 0;
  } catch (error) {
    if (error instanceof WireError) return false;
    throw error;
  }
}

export function encodeWalSnapshot(w: WireWriter, snapshot: WalSnapshot): void {
  w.byte(0x08);
  w.varint(snapshot.index);
  w.byte(0x10);
  w.varint(snapshot.term);
  if (snapshot.confState === undefined) return;
  const inner = new WireWriter(64);
  encodeConfState(inner, snapshot.confState);
  w.byte(0x1a);
  w.bytes(inner.view());
}

/** Throws WireError for anything but the fields of walpb.Snapshot. */
export function decodeWalSnapshot(buf: Uint8Array, start: number, end: number): WalSnapshot {
  const r = new WireReader(buf, start, end);
  let index = 0;
  let term = 0;
  let confState: ConfState | undefined;
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x08) index = r.uint64();
    else if (tag === 0x10) term = r.uint64();
    else if (tag === 0x1a) {
      const inner = r.delimited();
      confState = decodeConfState(buf, r.pos, inner);
      r.pos = inner;
    } else throw new WireError(`unexpected field ${tag >>> 3} in a snapshot record`);
  }
  return new WalSnapshot(index, term, confState);
}

/** Throws WireError for anything but the three numbers of a HardState, in order: an entry must not pass for one. */
export function decodeStateRecord(buf: Uint8Array, start: number, end: number): HardState {
  const r = new WireReader(buf, start, end);
  const state = new HardState();
  let last = 0;
  while (!r.done) {
    const tag = r.tag();
    if (tag <= last) throw new WireError("fields of a state record out of order");
    last = tag;
    if (tag === 0x08) state.term = r.uint64();
    else if (tag === 0x10) state.vote = r.bigUint64();
    else if (tag === 0x18) state.commit = r.uint64();
    else throw new WireError(`unexpected field ${tag >>> 3} in a state record`);
  }
  return state;
}
