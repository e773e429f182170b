// For the tests of this room: a store as simple as can be (a list of records and a map), and a reader of encoded
// WatchResponses that shares no code with their writer.

import { hexOf, printable, utf8, WireReader, WireWriter } from "#base";
import { EventType } from "#proto";
import type { EventBatch, StoreEvent } from "./events.js";
import type { History, RecordVisitor } from "./history.js";
import type { WatchStream } from "./stream.js";

export interface Change {
  readonly key: string;
  /** undefined deletes. */
  readonly value: string | undefined;
}

interface ModelKv {
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly value: string;
}

export interface ModelRecord {
  readonly main: number;
  readonly sub: number;
  readonly key: string;
  readonly kv: ModelKv | undefined;
  readonly prev: ModelKv | undefined;
  readonly bytes: Uint8Array;
}

export class ModelStore implements History {
  currentRevision = 1;
  compactedRevision = -1;
  /** Every record ever written, compacted or not. */
  readonly log: ModelRecord[] = [];
  private readonly state = new Map<string, ModelKv>();

  /** Applies changes as one revision. Deleting what is not there changes nothing. */
  apply(changes: readonly Change[]): EventBatch | undefined {
    const main = this.currentRevision + 1;
    const events: StoreEvent[] = [];
    for (const { key, value } of changes) {
      const prev = this.state.get(key);
      if (value === undefined && prev === undefined) continue;
      const kv =
        value === undefined
          ? undefined
          : { create: prev?.create ?? main, mod: main, version: (prev?.version ?? 0) + 1, value };
      if (kv === undefined) this.state.delete(key);
      else this.state.set(key, kv);
      const bytes = encodeKv(key, kv);
      this.log.push({ main, sub: events.length, key, kv, prev, bytes });
      events.push({ type: kv === undefined ? EventType.Delete : EventType.Put, key: utf8(key), kv: bytes });
    }
    if (events.length === 0) return undefined;
    this.currentRevision = main;
    return { revision: main, events };
  }

  compact(revision: number): void {
    this.compactedRevision = revision;
  }

  readEventsFrom(revision: number, visit: RecordVisitor): void {
    const buffer = Buffer.alloc(1 << 16); // reused for every record, as a real backend may
    for (const record of this.log) {
      if (record.main < revision) continue;
      if (record.main < this.compactedRevision) throw new Error(`read of compacted revision ${record.main}`);
      buffer.fill(0xee);
      buffer.set(record.bytes);
      const view = buffer.subarray(0, record.bytes.length);
      if (!visit(record.main, record.sub, record.kv === undefined, view)) return;
    }
  }

  previousKv(key: Uint8Array, beforeRevision: number): Uint8Array | undefined {
    if (beforeRevision - 1 < this.compactedRevision) return undefined;
    const name = Buffer.from(key).toString();
    let found: ModelRecord | undefined;
    for (const record of this.log) {
      if (record.main < beforeRevision && record.key === name) found = record;
    }
    return found?.kv === undefined ? undefined : found.bytes;
  }
}

function encodeKv(key: string, kv: ModelKv | undefined): Uint8Array {
  const out = new WireWriter();
  out.byte(0x0a);
  out.string(key);
  if (kv === undefined) return out.finish();
  for (const [tag, value] of [
    [0x10, kv.create],
    [0x18, kv.mod],
    [0x20, kv.version],
  ]) {
    out.byte(tag);
    out.varint(value);
  }
  out.byte(0x2a);
  out.string(kv.value);
  return out.finish();
}

export interface DecodedKv {
  key: string;
  create: number;
  mod: number;
  version: number;
  value: string;
}

export interface DecodedEvent {
  isDelete: boolean;
  kv: DecodedKv;
  prev: DecodedKv | undefined;
}

export interface DecodedResponse {
  header: string;
  revision: number;
  watchId: bigint;
  created: boolean;
  canceled: boolean;
  compactRevision: number;
  reason: string;
  fragment: boolean;
  events: DecodedEvent[];
  size: number;
}

function fieldsOf(
  bytes: Uint8Array,
  onField: (field: number, reader: WireReader, tag: number) => void,
): void {
  const reader = new WireReader(bytes);
  while (!reader.done) {
    const tag = reader.tag();
    onField(tag >>> 3, reader, tag);
  }
}

function decodeKv(bytes: Uint8Array): DecodedKv {
  const kv: DecodedKv = { key: "", create: 0, mod: 0, version: 0, value: "" };
  fieldsOf(bytes, (field, reader, tag) => {
    if (field === 1) kv.key = printable(reader.bytes());
    else if (field === 2) kv.create = reader.int64();
    else if (field === 3) kv.mod = reader.int64();
    else if (field === 4) kv.version = reader.int64();
    else if (field === 5) kv.value = printable(reader.bytes());
    else reader.skip(tag);
  });
  return kv;
}

function decodeEvent(bytes: Uint8Array): DecodedEvent {
  let isDelete = false;
  let kv: DecodedKv | undefined;
  let prev: DecodedKv | undefined;
  fieldsOf(bytes, (field, reader, tag) => {
    if (field === 1) isDelete = reader.uint32() === 1;
    else if (field === 2) kv = decodeKv(reader.bytes());
    else if (field === 3) prev = decodeKv(reader.bytes());
    else reader.skip(tag);
  });
  if (kv === undefined) throw new Error("event without kv");
  return { isDelete, kv, prev };
}

/** The next WatchResponse of a stream, decoded. */
export function pullResponse(stream: WatchStream): DecodedResponse | undefined {
  const out = new WireWriter();
  if (!stream.next(out)) return undefined;
  out.raw(stream.body);
  return decodeResponse(out.view());
}

export function decodeResponse(bytes: Uint8Array): DecodedResponse {
  const response: DecodedResponse = {
    header: "",
    revision: 0,
    watchId: 0n,
    created: false,
    canceled: false,
    compactRevision: 0,
    reason: "",
    fragment: false,
    events: [],
    size: bytes.length,
  };
  fieldsOf(bytes, (field, reader, tag) => {
    if (field === 1) {
      const header = reader.bytes();
      response.header = hexOf(header);
      fieldsOf(header, (inner, headerReader, headerTag) => {
        if (inner === 3) response.revision = headerReader.int64();
        else headerReader.skip(headerTag);
      });
    } else if (field === 2) response.watchId = reader.bigInt64();
    else if (field === 3) response.created = reader.bool();
    else if (field === 4) response.canceled = reader.bool();
    else if (field === 5) response.compactRevision = reader.int64();
    else if (field === 6) response.reason = Buffer.from(reader.bytes()).toString();
    else if (field === 7) response.fragment = reader.bool();
    else if (field === 11) response.events.push(decodeEvent(reader.bytes()));
    else throw new Error(`unexpected field ${field} with tag ${tag}`);
  });
  return response;
}

function kvText(kv: DecodedKv): string {
  return `${kv.key}=${kv.value}@${kv.create}/${kv.mod}v${kv.version}`;
}

/** One line: revision, id, flags, events. */
export function responseText(response: DecodedResponse): string {
  let text = `rev=${response.revision} id=${response.watchId}`;
  if (response.created) text += " created";
  if (response.canceled) text += " canceled";
  if (response.compactRevision !== 0) text += ` compact_revision=${response.compactRevision}`;
  if (response.reason !== "") text += ` reason="${response.reason}"`;
  if (response.fragment) text += " fragment";
  for (const event of response.events) {
    const { kv, prev } = event;
    text += event.isDelete ? ` DEL ${kv.key}@${kv.mod}` : ` PUT ${kvText(kv)}`;
    if (prev !== undefined) text += ` (was ${kvText(prev)})`;
  }
  return text;
}
