// HPACK encoding (RFC 7541 §6). Two forms, for two uses.
//
// What a server sends hardly varies, so it is written as literals without indexing: the bytes then depend on nothing
// and are constants made at load (`encodeLiteral`, `literalBlock`).
//
// A client repeats the same dozen fields on every request, so its encoder (`HpackEncoder`) puts them into the dynamic
// table once and refers to them by a byte each afterwards; that also lets the server recognise the block.

import { FIELD_OVERHEAD_BYTES } from "./header-field.js";
import { STATIC_COUNT, STATIC_INDEX } from "./hpack-table.js";
import { huffmanEncode, huffmanSize } from "./huffman.js";
import { DEFAULT_HEADER_TABLE_BYTES } from "./protocol.js";

export type HeaderPair = readonly [name: string, value: string];

/** Bytes that suffice for one field in any form: two strings, each with a length of at most five bytes. */
export function encodedFieldMax(name: string, value: string): number {
  return name.length + value.length + 16;
}

function encodeInteger(
  out: Uint8Array,
  at: number,
  prefixBits: number,
  pattern: number,
  value: number,
): number {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    out[at++] = pattern | value;
    return at;
  }
  out[at++] = pattern | mask;
  let rest = value - mask;
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[at++] = rest;
  return at;
}

/** Writes a latin1 string, Huffman-coded when that is shorter. */
function encodeString(out: Uint8Array, at: number, text: string): number {
  const coded = huffmanSize(text);
  if (coded < text.length) return huffmanEncode(text, out, encodeInteger(out, at, 7, 0x80, coded));
  at = encodeInteger(out, at, 7, 0, text.length);
  for (let i = 0; i < text.length; i++) out[at++] = text.charCodeAt(i);
  return at;
}

/** Writes one field without touching any table: indexed if the static table has it, else literal without indexing.
 *  Returns the offset after it; `out` must have `encodedFieldMax` bytes left. */
export function encodeLiteral(out: Uint8Array, at: number, name: string, value: string): number {
  const whole = STATIC_INDEX.get(`${name}\0${value}`);
  if (whole !== undefined) return encodeInteger(out, at, 7, 0x80, whole);
  const nameIndex = STATIC_INDEX.get(name) ?? 0;
  at = encodeInteger(out, at, 4, 0, nameIndex);
  if (nameIndex === 0) at = encodeString(out, at, name);
  return encodeString(out, at, value);
}

/** A whole block of literals, as an owned buffer. */
export function literalBlock(fields: readonly HeaderPair[]): Buffer {
  let size = 0;
  for (const [name, value] of fields) size += encodedFieldMax(name, value);
  const out = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const [name, value] of fields) at = encodeLiteral(out, at, name, value);
  return out.subarray(0, at);
}

/** The encoder's side of a dynamic table. */
export class HpackEncoder {
  private bytesMax = DEFAULT_HEADER_TABLE_BYTES;
  private bytes = 0;
  private inserted = 0;
  /** Entries in the table, oldest first in insertion order of the map: "name\0value" -> number of its insertion. */
  private readonly entries = new Map<string, number>();
  /** Size updates that the next block must begin with, or -1: the lowest limit since the last block, then the last. */
  private announceLowest = -1;
  private announce = -1;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. We never use more than the default, whatever it offers. */
  setTableBytes(bytes: number): void {
    const next = Math.min(bytes, DEFAULT_HEADER_TABLE_BYTES);
    if (next === this.bytesMax) return;
    this.bytesMax = next;
    this.announceLowest = this.announce < 0 ? next : Math.min(this.announceLowest, next);
    this.announce = next;
    this.evictTo(next);
  }

  /** Writes the start of a block: pending size updates, if any. At most ten bytes. */
  begin(out: Uint8Array, at: number): number {
    if (this.announce < 0) return at;
    if (this.announceLowest < this.announce) at = encodeInteger(out, at, 5, 0x20, this.announceLowest);
    at = encodeInteger(out, at, 5, 0x20, this.announce);
    this.announce = -1;
    return at;
  }

  /** Writes one field, inserting it into the table so that the next block can refer to it. */
  encode(out: Uint8Array, at: number, name: string, value: string): number {
    const key = `${name}\0${value}`;
    const whole = STATIC_INDEX.get(key);
    if (whole !== undefined) return encodeInteger(out, at, 7, 0x80, whole);
    const number = this.entries.get(key);
    if (number !== undefined) {
      return encodeInteger(out, at, 7, 0x80, STATIC_COUNT + 1 + this.inserted - number);
    }
    const size = name.length + value.length + FIELD_OVERHEAD_BYTES;
    if (size > this.bytesMax / 2) return encodeLiteral(out, at, name, value);
    const nameIndex = STATIC_INDEX.get(name) ?? 0;
    at = encodeInteger(out, at, 6, 0x40, nameIndex);
    if (nameIndex === 0) at = encodeString(out, at, name);
    at = encodeString(out, at, value);
    this.insert(key, size);
    return at;
  }

  private insert(key: string, size: number): void {
    this.evictTo(this.bytesMax - size);
    this.entries.set(key, ++this.inserted);
    this.bytes += size;
  }

  private evictTo(bytes: number): void {
    for (const key of this.entries.keys()) {
      if (this.bytes <= bytes) return;
      this.entries.delete(key);
      // The key holds one byte more than name and value: the divider.
      this.bytes -= key.length - 1 + FIELD_OVERHEAD_BYTES;
    }
  }
}
