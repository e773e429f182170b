// Requests that are wrong, or as large as a field allows: made from the descriptors, so that no field is forgotten. Every
// field of every message, nested ones too, takes every extreme value of its type, in a request that has nothing else and
// in one that is otherwise sensible; then damaged bytes, which are no message at all.

import { clone, create, type DescField, type DescMessage, ScalarType, toBinary } from "@bufbuild/protobuf";
import { type ReflectList, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { SeededRandom } from "#base";

export interface Extreme {
  /** What was set, as in `success[].request_put.lease=-1`. */
  readonly what: string;
  readonly bytes: Uint8Array;
  /** Nothing in it is a field of this message, so it counts as an empty one. */
  readonly isEmpty?: boolean;
}

/** One change of a message. */
interface Edit {
  readonly what: string;
  apply(message: ReflectMessage): void;
}

const INT64S = [-1n, 1n, 1n << 32n, (1n << 53n) - 1n, 1n << 53n, (1n << 63n) - 1n, -(1n << 63n)];
const UINT64S = [1n, 1n << 63n, (1n << 64n) - 1n];
const INT32S = [-1, 1, 99, 2147483647, -2147483648];
const HUGE = 600_000;
/** Above what a member takes in one message, 2 MiB by default. */
const TOO_LARGE = 2_200_000;
const BYTES = ["", "\0", "a", "\xff\xff", "\0".repeat(300)].map((text) => Buffer.from(text, "latin1"));
const STRINGS = ["", "\0", "x", "ä\u{10ffff}", "x".repeat(5000)];
const LONG_LIST = 200;
/** A transaction nests itself: how deep the edits follow. */
const DEPTH_MAX = 3;

/** Requests that make sense, by type: what surrounds an extreme value. */
const SENSIBLE: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  RangeRequest: { key: Buffer.from("a"), range_end: Buffer.from("\0") },
  PutRequest: { key: Buffer.from("a"), value: Buffer.from("v") },
  DeleteRangeRequest: { key: Buffer.from("b") },
  Compare: { key: Buffer.from("a"), target: 3 },
  LeaseGrantRequest: { TTL: 1000n, ID: 77n },
  LeaseRevokeRequest: { ID: 5n },
  LeaseTimeToLiveRequest: { ID: 5n },
  LeaseKeepAliveRequest: { ID: 5n },
  WatchCreateRequest: { key: Buffer.from("a"), watch_id: 3n },
};

/** All single changes of a message, in the order of its fields. */
function editsOf(desc: DescMessage, depth: number): Edit[] {
  const edits: Edit[] = [];
  for (const field of desc.fields) {
    if (field.fieldKind === "list") edits.push(...listEdits(field, depth));
    else if (field.message !== undefined) edits.push(...messageEdits(field, field.message, depth));
    else edits.push(...valuesOf(field).map((value) => setting(field, value)));
  }
  return edits;
}

function setting(field: DescField, value: unknown): Edit {
  return { what: `${field.name}=${show(value)}`, apply: (message) => message.set(field, value) };
}

function messageEdits(field: DescField, desc: DescMessage, depth: number): Edit[] {
  const edits: Edit[] = [
    { what: `${field.name}={}`, apply: (message) => message.set(field, reflect(desc, create(desc), false)) },
  ];
  if (depth === 0) return edits;
  for (const inner of editsOf(desc, depth - 1)) {
    edits.push({
      what: `${field.name}.${inner.what}`,
      apply(message) {
        const nested = sensible(desc);
        inner.apply(nested);
        message.set(field, nested);
      },
    });
  }
  return edits;
}

function listEdits(field: DescField & { fieldKind: "list" }, depth: number): Edit[] {
  const adding = (what: string, make: () => unknown, count = 1): Edit => ({
    what: `${field.name}[]${what}${count === 1 ? "" : ` * ${count}`}`,
    apply(message) {
      const list = message.get(field) as ReflectList;
      for (let i = 0; i < count; i++) list.add(make());
    },
  });
  const desc = field.message;
  if (desc === undefined) {
    return valuesOf(field).flatMap((value) => [
      adding(`=${show(value)}`, () => value),
      adding(`=${show(value)}`, () => value, LONG_LIST),
    ]);
  }
  const empty = (): ReflectMessage => reflect(desc, create(desc), false);
  const edits = [adding("={}", empty), adding("={}", empty, LONG_LIST)];
  if (depth === 0) return edits;
  for (const inner of editsOf(desc, depth - 1)) {
    edits.push(
      adding(`.${inner.what}`, () => {
        const nested = sensible(desc);
        inner.apply(nested);
        return nested;
      }),
    );
  }
  return edits;
}

function valuesOf(field: DescField): readonly unknown[] {
  if (field.enum !== undefined) return [...field.enum.values.map((value) => value.number), ...INT32S];
  switch (field.scalar) {
    case ScalarType.BYTES:
      return [...BYTES, Buffer.alloc(HUGE, "h"), Buffer.alloc(TOO_LARGE, "t")];
    case ScalarType.STRING:
      return STRINGS;
    case ScalarType.BOOL:
      return [false, true];
    case ScalarType.INT64:
      return INT64S;
    case ScalarType.UINT64:
      return UINT64S;
    default:
      return INT32S;
  }
}

function sensible(desc: DescMessage): ReflectMessage {
  const message = reflect(desc, create(desc), false);
  for (const [name, value] of Object.entries(SENSIBLE[desc.name] ?? {})) {
    const field = desc.fields.find((candidate) => candidate.name === name);
    if (field === undefined) throw new Error(`${desc.name} has no field ${name}`);
    message.set(field, value);
  }
  return message;
}

function show(value: unknown): string {
  if (value instanceof Uint8Array) {
    return value.length > 20
      ? `(${value.length} bytes)`
      : JSON.stringify(Buffer.from(value).toString("latin1"));
  }
  if (typeof value === "string") return value.length > 20 ? `(${value.length} chars)` : JSON.stringify(value);
  return String(value);
}

function build(desc: DescMessage, isBare: boolean, edits: readonly Edit[]): Extreme {
  const message = isBare ? reflect(desc, create(desc), false) : sensible(desc);
  for (const edit of edits) edit.apply(message);
  const prefix = isBare ? "only " : "";
  const what = edits.length === 0 ? "nothing else" : edits.map((edit) => edit.what).join(", ");
  return { what: prefix + what, bytes: toBinary(desc, clone(desc, message.message)) };
}

/** Every extreme value of every field by itself, in an empty request and in a sensible one. */
export function singleExtremes(desc: DescMessage): Extreme[] {
  const edits = editsOf(desc, DEPTH_MAX);
  const bases = desc.name in SENSIBLE ? [true, false] : [true];
  return bases.flatMap((isBare) => [
    build(desc, isBare, []),
    ...edits.map((edit) => build(desc, isBare, [edit])),
  ]);
}

/** Several extreme values in one request. */
export function combinedExtremes(desc: DescMessage, count: number, random: SeededRandom): Extreme[] {
  const edits = editsOf(desc, DEPTH_MAX);
  if (edits.length < 2) return [];
  return Array.from({ length: count }, () => {
    const chosen = Array.from({ length: 2 + random.below(4) }, () => edits[random.below(edits.length)]);
    return build(desc, random.below(2) === 0, chosen);
  });
}

/** Bytes that are no message of this type, or an unusual form of one. */
export function damagedBytes(desc: DescMessage): Extreme[] {
  const whole = Buffer.from(toBinary(desc, sensible(desc).message));
  const of = (what: string, ...bytes: number[]): Extreme => ({ what, bytes: Buffer.from(bytes) });
  const damaged = [
    of("field number 0", 0x00, 0x00),
    of("wire type 6", 0x0e),
    of("wire type 7", 0x0f),
    of("a group that does not end", 0xa3, 0x06),
    of("an empty unknown group", 0xa3, 0x06, 0xa4, 0x06),
    of("an end of a group that did not begin", 0xa4, 0x06),
    of("a tag that is cut", 0x80),
    of("a tag of eleven bytes", ...new Array(10).fill(0x80), 0x01),
    of("an unknown varint", 0xa0, 0x06, 0x01),
    of("an unknown varint that is cut", 0xa0, 0x06, 0x80),
    of("an unknown varint of eleven bytes", 0xa0, 0x06, ...new Array(10).fill(0xff), 0x01),
    of("an unknown fixed64", 0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8),
    of("an unknown fixed64 that is cut", 0xa1, 0x06, 1, 2, 3),
    of("an unknown fixed32", 0xa5, 0x06, 1, 2, 3, 4),
    of("an unknown text", 0xa2, 0x06, 0x02, 0x41, 0x41),
    of("an unknown text longer than the message", 0xa2, 0x06, 0x7f, 0x41),
    of("an unknown text of negative length", 0xa2, 0x06, ...new Array(9).fill(0xff), 0x01),
    of("the largest field number", 0xf8, 0xff, 0xff, 0xff, 0x0f, 0x01),
  ];
  for (let length = 1; length < whole.length; length++)
    damaged.push({ what: `cut after ${length} bytes`, bytes: whole.subarray(0, length) });
  for (const field of desc.fields) damaged.push(...misreadings(field));
  return damaged;
}

/** The field with every wire type, most of which are not its own, and with a length that cannot be. */
function misreadings(field: DescField): Extreme[] {
  const { number, name } = field;
  const tag = (wireType: number): number[] => {
    const value = number * 8 + wireType;
    return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, value >> 7];
  };
  const isText = field.message !== undefined || isAmong(field, ScalarType.BYTES, ScalarType.STRING);
  const of = (what: string, wireType: number, ...bytes: number[]): Extreme => ({
    what: `${name} ${what}`,
    bytes: Buffer.from([...tag(wireType), ...bytes]),
  });
  /** Well-formed, and not this field: whoever reads it passes over it. */
  const foreign = (isForeign: boolean, extreme: Extreme): Extreme => ({ ...extreme, isEmpty: isForeign });
  const isNumber = !isText && field.fieldKind !== "list";
  return [
    foreign(isText, of("as a varint", 0, 0x01)),
    foreign(isText, of("as the largest varint", 0, ...new Array(9).fill(0xff), 0x01)),
    of("as a varint of eleven bytes", 0, ...new Array(10).fill(0xff), 0x01),
    of("as a varint that is cut", 0, 0x80),
    foreign(true, of("as fixed64", 1, 1, 2, 3, 4, 5, 6, 7, 8)),
    foreign(isNumber, of("as two bytes", 2, 0x02, 0x08, 0x01)),
    foreign(isNumber, of("as no bytes", 2, 0x00)),
    foreign(isNumber, of("as bytes that are no UTF-8", 2, 0x02, 0xc3, 0x28)),
    of("longer than the message", 2, 0x05, 0x01),
    of("of negative length", 2, ...new Array(9).fill(0xff), 0x01),
    foreign(true, of("as a group", 3, ...tag(4))),
    foreign(true, of("as fixed32", 5, 1, 2, 3, 4)),
  ];
}

function isAmong(field: DescField, ...scalars: readonly ScalarType[]): boolean {
  return field.scalar !== undefined && scalars.includes(field.scalar);
}
