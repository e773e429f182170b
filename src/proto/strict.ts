// What a message of a client looks like to the generated codecs. They go by field numbers and trust the wire type, so that
// a number sent as text is read as garbage, and bytes after it as fields. Go's protobuf takes a known field with a wire
// type that is not its own for an unknown one, and refuses what no wire type explains; so does this, before they decode.

import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { WireError, WireReader, WireWriter } from "#base";

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;
const DEPTH_MAX = 100;

/** Fields by number, made once for each type. */
const tables = new WeakMap<DescMessage, Map<number, DescField>>();

/**
 * The message without the fields that are not what the schema says; `bytes` itself when there are none.
 * @throws WireError for bytes that are no message at all
 */
export function withoutMisreadFields(desc: DescMessage, bytes: Uint8Array): Uint8Array {
  if (isClean(desc, new WireReader(bytes), 0)) return bytes;
  const out = new WireWriter(bytes.length);
  copyClean(desc, new WireReader(bytes), out);
  return out.finish();
}

function isClean(desc: DescMessage, reader: WireReader, depth: number): boolean {
  if (depth > DEPTH_MAX) throw new WireError("proto: exceeded maximum recursion depth");
  const fields = tableOf(desc);
  let clean = true;
  while (!reader.done) {
    const tag = reader.tag();
    const field = fields.get(tag >>> 3);
    const fits = field === undefined || isOwnType(field, tag & 7);
    if (!fits) clean = false;
    if (fits && field?.message !== undefined) {
      if (!isClean(field.message, nested(reader), depth + 1)) clean = false;
    } else reader.skip(tag);
  }
  return clean;
}

function copyClean(desc: DescMessage, reader: WireReader, out: WireWriter): void {
  const fields = tableOf(desc);
  while (!reader.done) {
    const start = reader.pos;
    const tag = reader.tag();
    const field = fields.get(tag >>> 3);
    const fits = field === undefined || isOwnType(field, tag & 7);
    if (fits && field?.message !== undefined) {
      const inner = new WireWriter();
      copyClean(field.message, nested(reader), inner);
      out.varint(tag);
      out.bytes(inner.view());
      continue;
    }
    reader.skip(tag);
    if (fits) out.rawRange(reader.buf, start, reader.pos);
  }
}

/** A reader of the message that is next, which `reader` passes over. */
function nested(reader: WireReader): WireReader {
  const end = reader.delimited();
  const inner = new WireReader(reader.buf, reader.pos, end);
  reader.pos = end;
  return inner;
}

function isOwnType(field: DescField, wireType: number): boolean {
  if (field.fieldKind === "map" || field.message !== undefined) return wireType === DELIMITED;
  const own = field.enum === undefined ? wireTypeOf(field.scalar) : VARINT;
  // Repeated numbers come packed or one by one.
  return wireType === own || (wireType === DELIMITED && field.fieldKind === "list");
}

function wireTypeOf(scalar: ScalarType | undefined): number {
  switch (scalar) {
    case ScalarType.BYTES:
    case ScalarType.STRING:
      return DELIMITED;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return FIXED64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return FIXED32;
    default:
      return VARINT;
  }
}

function tableOf(desc: DescMessage): Map<number, DescField> {
  let table = tables.get(desc);
  if (table === undefined) {
    table = new Map(desc.fields.map((field) => [field.number, field]));
    tables.set(desc, table);
  }
  return table;
}
