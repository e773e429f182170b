// Protobuf wire primitives (protobuf.dev "Encoding"), written for the hand codecs: a reader that walks a byte range in
// place and a writer over one growing buffer. Numbers stay `number` wherever a protocol field is a revision, index,
// term, size or enum; only opaque 64-bit ids are bigint (a bigint varint costs about nine times as much).

import { EMPTY_BYTES } from "./bytes.js";

const TWO_32 = 0x100000000;

/** Thrown for bytes that are not the protobuf message they should be. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** Walks `buf[pos, end)`. Views returned by `bytes()` alias `buf`. */
export class WireReader {
  buf: Uint8Array = EMPTY_BYTES;
  pos = 0;
  end = 0;

  constructor(buf?: Uint8Array, start = 0, end = buf === undefined ? 0 : buf.length) {
    if (buf !== undefined) this.reset(buf, start, end);
  }

  reset(buf: Uint8Array, start: number, end: number): void {
    this.buf = buf;
    this.pos = start;
    this.end = end;
  }

  /** `reset`, handing back the reader. */
  open(buf: Uint8Array, start: number, end: number): this {
    this.reset(buf, start, end);
    return this;
  }

  get done(): boolean {
    return this.pos >= this.end;
  }

  /** A field key: (field number << 3) | wire type. Field numbers are 1 to 2^29 - 1; others are refused. */
  tag(): number {
    const { buf, pos } = this;
    if (pos < this.end && buf[pos] < 0x80) {
      this.pos = pos + 1;
      if (buf[pos] < 8) throw new WireError("proto: illegal tag 0");
      return buf[pos];
    }
    // Fields 16 to 2047 have two bytes: those of every log entry among them.
    if (pos + 1 < this.end && buf[pos + 1] < 0x80 && buf[pos + 1] > 0) {
      this.pos = pos + 2;
      return (buf[pos] & 0x7f) | (buf[pos + 1] << 7);
    }
    this.varint64();
    const { low, high } = this;
    if (high !== 0 || low < 8) throw new WireError("proto: illegal tag");
    return low;
  }

  /** The low 32 bits of a varint, as unsigned. */
  uint32(): number {
    const buf = this.buf;
    let pos = this.pos;
    if (pos < this.end) {
      const first = buf[pos];
      if (first < 0x80) {
        this.pos = pos + 1;
        return first;
      }
    }
    let low = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (pos >= this.end) throw new WireError("unexpected EOF");
      const byte = buf[pos++];
      if (shift < 32) low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.pos = pos;
        return low >>> 0;
      }
    }
    throw new WireError("proto: integer overflow");
  }

  /** int32 and enums: sign-extended varints cut to 32 bits, as protobuf prescribes. */
  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    this.varint64();
    return (this.low | this.high) !== 0;
  }

  /** int64 as a number; beyond ±(2^53 - 1) it is clamped, which keeps every order comparison true. */
  int64(): number {
    this.varint64();
    const high = this.high | 0;
    const value = high * TWO_32 + this.low;
    if (value > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
    if (value < -Number.MAX_SAFE_INTEGER) return -Number.MAX_SAFE_INTEGER;
    return value;
  }

  /** uint64 as a number; a value over 2^53 - 1 is refused: no honest index, term or size gets there. */
  uint64(): number {
    this.varint64();
    const value = this.high * TWO_32 + this.low;
    if (value > Number.MAX_SAFE_INTEGER) throw new WireError("integer beyond 2^53");
    return value;
  }

  /** int64 in full. */
  bigInt64(): bigint {
    this.varint64();
    if (this.high === 0) return BigInt(this.low);
    return BigInt.asIntN(64, (BigInt(this.high) << 32n) | BigInt(this.low));
  }

  /** uint64 in full. */
  bigUint64(): bigint {
    this.varint64();
    if (this.high === 0) return BigInt(this.low);
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  /** The end offset of a length-delimited field whose content starts at `pos` afterwards. */
  delimited(): number {
    const length = this.uint64();
    const end = this.pos + length;
    if (end > this.end) throw new WireError("unexpected EOF");
    return end;
  }

  /** A length-delimited field as a view into the buffer; copy it to keep it. */
  bytes(): Uint8Array {
    const end = this.delimited();
    const start = this.pos;
    this.pos = end;
    if (start === end) return EMPTY_BYTES;
    // `subarray` would make a Buffer of a Buffer, which takes several times as long.
    const { buffer, byteOffset } = this.buf;
    return new Uint8Array(buffer, byteOffset + start, end - start);
  }

  /** Passes over a length-delimited field and returns its length. */
  skipBytes(): number {
    const end = this.delimited();
    const length = end - this.pos;
    this.pos = end;
    return length;
  }

  /** Skips the value of a field that the caller does not know. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint64();
        return;
      case 1:
        return this.advance(8);
      case 2:
        this.pos = this.delimited();
        return;
      case 3:
        return this.skipGroup(tag >>> 3, 0);
      case 5:
        return this.advance(4);
      default:
        throw new WireError(`proto: illegal wireType ${tag & 7}`);
    }
  }

  private low = 0;
  private high = 0;

  /** Reads a varint into `low` and `high` (both unsigned 32 bit). */
  private varint64(): void {
    const buf = this.buf;
    let pos = this.pos;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (pos >= this.end) throw new WireError("unexpected EOF");
      const byte = buf[pos++];
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else if (bits > 1) throw new WireError("proto: integer overflow");
      else high |= bits << 31;
      if (byte < 0x80) {
        this.pos = pos;
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw new WireError("proto: integer overflow");
  }

  private advance(count: number): void {
    this.pos += count;
    if (this.pos > this.end) throw new WireError("unexpected EOF");
  }

  private skipGroup(field: number, depth: number): void {
    if (depth > 100) throw new WireError("proto: groups nested too deep");
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) === 4) {
        if (tag >>> 3 !== field) throw new WireError("proto: mismatched group end");
        return;
      }
      if ((tag & 7) === 3) this.skipGroup(tag >>> 3, depth + 1);
      else this.skip(tag);
    }
  }
}

/** Appends to one growing buffer. `view()` aliases it until the next write; `finish()` hands out an owned copy. */
export class WireWriter {
  buf: Buffer;
  length = 0;

  constructor(capacity = 256) {
    this.buf = Buffer.allocUnsafeSlow(capacity);
  }

  reset(): void {
    this.length = 0;
  }

  /** The bytes written so far, as a view that the next write or reset invalidates. */
  view(): Uint8Array {
    return this.buf.subarray(0, this.length);
  }

  /** The bytes written so far as an owned copy; the writer can be reused. */
  finish(): Uint8Array {
    const out = Buffer.allocUnsafeSlow(this.length);
    this.buf.copy(out, 0, 0, this.length);
    return out;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const need = this.length + count;
    if (need <= this.buf.length) return;
    let size = this.buf.length * 2;
    while (size < need) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.buf.copy(grown, 0, 0, this.length);
    this.buf = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.buf[this.length++] = value;
  }

  /** A non-negative safe integer as varint. Field tags go through here too: `tag(field, wireType)` is a constant. */
  varint(value: number): void {
    this.reserve(10);
    const buf = this.buf;
    let at = this.length;
    while (value >= 0x80) {
      buf[at++] = (value % 0x80) | 0x80;
      value = value < 0x80000000 ? value >>> 7 : Math.floor(value / 0x80);
    }
    buf[at++] = value;
    this.length = at;
  }

  /** An int64 held in a number; negatives take ten bytes. */
  int64(value: number): void {
    if (value >= 0) this.varint(value);
    else this.bigint(BigInt(value));
  }

  /** Any 64-bit integer, signed or unsigned. */
  bigint(value: bigint): void {
    if (value >= 0n && value <= 0x7fffffffn) return this.varint(Number(value));
    const bits = BigInt.asUintN(64, value);
    let low = Number(bits & 0xffffffffn);
    let high = Number(bits >> 32n);
    this.reserve(10);
    const buf = this.buf;
    let at = this.length;
    while (high !== 0 || low > 0x7f) {
      buf[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    buf[at++] = low;
    this.length = at;
  }

  /** Bytes as they are, without a length. */
  raw(bytes: Uint8Array): void {
    this.rawRange(bytes, 0, bytes.length);
  }

  rawRange(bytes: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.reserve(count);
    const at = this.length;
    const buf = this.buf;
    // A short copy is quicker in a loop than through a call into the engine.
    if (count <= 24) for (let i = 0; i < count; i++) buf[at + i] = bytes[start + i];
    else if (start === 0 && end === bytes.length) buf.set(bytes, at);
    else buf.set(bytes.subarray(start, end), at);
    this.length = at + count;
  }

  /** Length-prefixed bytes. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.rawRange(bytes, 0, bytes.length);
  }

  /** Length-prefixed UTF-8. */
  string(text: string): void {
    const size = Buffer.byteLength(text);
    this.varint(size);
    this.reserve(size);
    this.buf.write(text, this.length, size, "utf8");
    this.length += size;
  }
}

/** Bytes that `varint` takes for a non-negative safe integer. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  let size = 5;
  for (let rest = Math.floor(value / 0x800000000); rest > 0; rest = Math.floor(rest / 0x80)) size++;
  return size;
}
