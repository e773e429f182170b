// Between the notation of scenarios and protobuf messages, driven by descriptors, so that every service is covered with
// no code of its own. What differs from run to run is written in a way that does not: revisions are relative to the
// revision at which the case began (`r`, `r+2`), ids of this cluster and member by what they are, ids that the server
// chose by order of appearance (`lease#1`), sizes and log positions as `some`.

import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { type ReflectList, type ReflectMap, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { quote, type Value } from "./notation.js";

/** What is known of the running member and the case; turns run-dependent numbers into names and back. */
export class Names {
  /** Revision of the store when the case began. */
  base = 0n;
  memberId = 0n;
  clusterId = 0n;
  raftTerm = 0n;
  /** Print long lists whole: for comparing by machine. */
  wholeLists = false;
  /** Texts that the run determines and what to write for them, as URLs. */
  readonly texts = new Map<string, string>();
  readonly #labels = new Map<string, bigint>();

  /** The name of a number that the server made up, by order of first appearance. */
  label(kind: string, value: bigint): string {
    for (const [name, known] of this.#labels) {
      if (known === value && name.startsWith(`${kind}#`)) return name;
    }
    let count = 1;
    while (this.#labels.has(`${kind}#${count}`)) count++;
    this.#labels.set(`${kind}#${count}`, value);
    return `${kind}#${count}`;
  }

  number(text: string): bigint {
    const relative = /^r([+-]\d+)?$/.exec(text);
    if (relative !== null) return this.base + BigInt(relative[1] ?? 0);
    if (text === "member") return this.memberId;
    if (text === "cluster") return this.clusterId;
    const labelled = this.#labels.get(text);
    if (labelled !== undefined) return labelled;
    if (!/^-?\d+$/.test(text)) throw new Error(`not a number: ${text}`);
    return BigInt(text);
  }

  revision(value: bigint): string {
    if (value <= 0n || this.base === 0n) return String(value);
    const distance = value - this.base;
    if (distance === 0n) return "r";
    return distance > 0n ? `r+${distance}` : `r${distance}`;
  }
}

// ---- notation -> message

export function buildMessage(desc: DescMessage, value: Value, names: Names): Message {
  const message = create(desc);
  fill(reflect(desc, message, false), value, names);
  return message;
}

function fill(target: ReflectMessage, value: Value, names: Names): void {
  if (value.kind !== "object") throw new Error(`${target.desc.name}: an object is needed`);
  for (const [name, given] of value.entries) {
    const field = target.fields.find((candidate) => candidate.name === name);
    if (field === undefined) throw new Error(`${target.desc.name} has no field ${name}`);
    setField(target, field, given, names);
  }
}

function setField(target: ReflectMessage, field: DescField, given: Value, names: Names): void {
  if (field.fieldKind === "list") {
    if (given.kind !== "list") throw new Error(`${field.name}: a list is needed`);
    const list = target.get(field) as ReflectList;
    for (const item of given.items) list.add(single(field, item, names));
    return;
  }
  target.set(field, single(field, given, names));
}

function single(field: DescField, given: Value, names: Names): unknown {
  if (field.message !== undefined) {
    const nested = reflect(field.message, create(field.message), false);
    fill(nested, given, names);
    return nested;
  }
  if (given.kind !== "text") throw new Error(`${field.name}: a single value is needed`);
  if (field.enum !== undefined) {
    return field.enum.values.find((value) => value.name === given.text)?.number ?? Number(given.text);
  }
  return scalar(field.scalar!, given.text, names);
}

function scalar(type: ScalarType, text: string, names: Names): unknown {
  switch (type) {
    case ScalarType.BYTES:
      return Buffer.from(text, "latin1");
    case ScalarType.STRING:
      return text;
    case ScalarType.BOOL:
      return text === "true";
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return names.number(text);
    default:
      return Number(text);
  }
}

// ---- message -> notation

export function printMessage(desc: DescMessage, message: Message, names: Names): string {
  return print(reflect(desc, message, false), names);
}

function print(source: ReflectMessage, names: Names): string {
  if (source.desc.name === "ResponseHeader") return printHeader(source, names);
  if (source.desc.name === "KeyValue") return printKeyValue(source, names);
  const parts: string[] = [];
  for (const field of source.sortedFields) {
    if (isRemaining(source, field)) parts.push("TTL: near granted");
    else if (source.isSet(field)) parts.push(`${field.name}: ${printField(source, field, names)}`);
  }
  for (const unknown of source.getUnknown() ?? []) parts.push(`unknown field ${unknown.no}`);
  return `{${parts.join(", ")}}`;
}

/** The time that a lease has left depends on the moment; it counts as right when it is a little less than granted. */
function isRemaining(source: ReflectMessage, field: DescField): boolean {
  if (field.name !== "TTL" || source.desc.name !== "LeaseTimeToLiveResponse") return false;
  const granted = source.get(source.desc.field["grantedTTL"]) as bigint;
  const left = source.get(field) as bigint;
  return left > 0n && left <= granted && left >= granted - 3n;
}

function printHeader(header: ReflectMessage, names: Names): string {
  const [clusterId, memberId, revision, raftTerm] = header.sortedFields.map(
    (field) => header.get(field) as bigint,
  );
  const at = revision === 0n ? "" : ` ${names.revision(revision)}`;
  if (clusterId === names.clusterId && memberId === names.memberId && raftTerm === names.raftTerm)
    return `full${at}`;
  if (clusterId === 0n && memberId === 0n && raftTerm === 0n) return `bare${at}`;
  return `{cluster_id: ${clusterId}, member_id: ${memberId}, raft_term: ${raftTerm}}${at}`;
}

/** `"key"="value" create=r mod=r+1 version=2 lease=5`, leaving out what is not set. */
function printKeyValue(kv: ReflectMessage, names: Names): string {
  const [key, created, modified, version, value, lease] = kv.sortedFields.map((field) => kv.get(field));
  const parts = [`${printBytes(key as Uint8Array)}=${printBytes(value as Uint8Array)}`];
  if (created !== 0n) parts.push(`create=${names.revision(created as bigint)}`);
  if (modified !== 0n) parts.push(`mod=${names.revision(modified as bigint)}`);
  if (version !== 0n) parts.push(`version=${version}`);
  if (lease !== 0n) parts.push(`lease=${printLease(lease as bigint, names)}`);
  return parts.join(" ");
}

function printField(source: ReflectMessage, field: DescField, names: Names): string {
  const value = source.get(field);
  if (field.fieldKind === "list") {
    const items = [...(value as ReflectList)].map((item) => printSingle(field, item, names));
    const folded = foldRepeats(items);
    return `[${(names.wholeLists ? folded : shorten(folded)).join(", ")}]`;
  }
  if (field.fieldKind === "map") {
    const entries = [...(value as ReflectMap)].map(
      ([key, item]) => `${key}: ${printSingle(field, item, names)}`,
    );
    return `{${entries.sort().join(", ")}}`;
  }
  return printSingle(field, value, names);
}

/** Of a long list the ends and the number. */
function shorten(items: readonly string[]): readonly string[] {
  if (items.length <= 12) return items;
  return [items[0], `... ${items.length - 2} more ...`, items[items.length - 1]];
}

/** Three or more equal neighbours become one with a count. */
function foldRepeats(items: readonly string[]): string[] {
  const folded: string[] = [];
  for (let first = 0; first < items.length; ) {
    let end = first + 1;
    while (end < items.length && items[end] === items[first]) end++;
    if (end - first >= 3) folded.push(`${items[first]} * ${end - first}`);
    else folded.push(...items.slice(first, end));
    first = end;
  }
  return folded;
}

function printSingle(field: DescField, value: unknown, names: Names): string {
  if (field.message !== undefined) return print(value as ReflectMessage, names);
  if (field.enum !== undefined) {
    return field.enum.values.find((candidate) => candidate.number === value)?.name ?? String(value);
  }
  if (value instanceof Uint8Array) return printBytes(value);
  if (typeof value === "string") return printText(value, names);
  if (typeof value === "bigint" || typeof value === "number") return printNumber(field, BigInt(value), names);
  return String(value);
}

const SOME = new Set(["dbSize", "dbSizeInUse", "raftIndex", "raftAppliedIndex"]);

function printNumber(field: DescField, value: bigint, names: Names): string {
  if (/revision$/.test(field.name)) return names.revision(value);
  if (SOME.has(field.name)) return "some";
  if (field.name === "hash" && names.base > 0n) return names.label("hash", value);
  if (field.name === "raftTerm" && value === names.raftTerm) return "term";
  if (field.scalar === ScalarType.UINT64) {
    if (value === names.memberId) return "member";
    if (value === names.clusterId) return "cluster";
  }
  if (/^(ID|lease)$/.test(field.name)) return printLease(value, names);
  return String(value);
}

/** Ids above 2^40 were chosen by the server; those that a scenario chooses stay below. */
function printLease(id: bigint, names: Names): string {
  return id > 1n << 40n && id < (1n << 63n) - 1n ? names.label("lease", id) : String(id);
}

function printText(text: string, names: Names): string {
  for (const [known, name] of names.texts) {
    if (text === known) return name;
  }
  return quote(text.replaceAll(String(names.memberId), "member").replace(/ +/g, " ").trim());
}

function printBytes(bytes: Uint8Array): string {
  return quote(Buffer.from(bytes).toString("latin1"));
}
