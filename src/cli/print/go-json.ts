// Go's encoding/json of a protobuf struct, which is what `-w json` has always printed; not the JSON mapping of protobuf.
// Names are those of the .proto files, 64-bit integers are JSON numbers (exact: no detour over doubles), bytes are base64,
// enums are numbers, and zero values are left out. A oneof becomes an object named for it, as Go's wrapper types make it.

import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { jsonString } from "./go-format.js";

/** JSON that is text already. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | RawJson
  | Uint8Array
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined };

/** Any value as encoding/json writes it; undefined members are left out. */
export function toJson(value: JsonValue): string {
  if (value === null) return "null";
  if (typeof value === "string") return jsonString(value);
  if (typeof value !== "object") return String(value);
  if (value instanceof RawJson) return value.text;
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString("base64")}"`;
  if (isList(value)) return `[${value.map(toJson).join(",")}]`;
  const members: string[] = [];
  for (const name in value) {
    const member = value[name];
    if (member !== undefined) members.push(`${jsonString(name)}:${toJson(member)}`);
  }
  return `{${members.join(",")}}`;
}

function isList(value: object): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** A message as Go's encoding/json writes its struct. */
export function messageJson(schema: DescMessage, message: Message): RawJson {
  return new RawJson(`{${membersOf(reflect(schema, message)).join(",")}}`);
}

/** The members of a message, `"name":value` each: for shapes that flatten a message into another. */
export function messageMembers(schema: DescMessage, message: Message | undefined): string[] {
  return message === undefined ? [] : membersOf(reflect(schema, message));
}

function membersOf(message: ReflectMessage): string[] {
  const members: string[] = [];
  for (const field of message.desc.fields) {
    if (!message.isSet(field)) continue;
    const member = `"${field.name}":${fieldJson(message, field)}`;
    members.push(field.oneof === undefined ? member : `"${goName(field.oneof.name)}":{${member}}`);
  }
  return members;
}

function goName(name: string): string {
  return name[0].toUpperCase() + name.slice(1);
}

function fieldJson(message: ReflectMessage, field: DescField): string {
  switch (field.fieldKind) {
    case "message":
      return `{${membersOf(message.get(field)).join(",")}}`;
    case "list": {
      const items: string[] = [];
      for (const item of message.get(field)) items.push(itemJson(item));
      return `[${items.join(",")}]`;
    }
    case "map":
      throw new Error(`map field ${field.name}: etcd's messages have none`);
    default:
      return itemJson(message.get(field));
  }
}

function itemJson(item: unknown): string {
  if (item instanceof Uint8Array) return toJson(item);
  if (typeof item === "object" && item !== null && "desc" in item) {
    return `{${membersOf(item as ReflectMessage).join(",")}}`;
  }
  return typeof item === "string" ? jsonString(item) : String(item);
}
