// What the store tells the watch hub: one batch per revision, holding the changes of that revision in sub order. The
// hub keeps references to these bytes for as long as a slow watcher needs them, so nobody may change them afterwards.
//
// Inside the hub every event becomes one `SharedEvent`. All watchers that want it point to the same object; only the
// response header and the watch id differ between them. The KeyValue bytes are those the backend stores, with one
// exception: a tombstone is stored as a bare key, while a client expects the revision of the delete in it, so
// `mod_revision` is appended when the event is written (protobuf fields may follow each other in any number of pieces,
// and field 3 comes after field 1 in canonical order too).

import { varintSize, WireReader, type WireWriter } from "#base";
import { EventType } from "#proto";

/** One change of a key. */
export interface StoreEvent {
  readonly type: EventType;
  readonly key: Uint8Array;
  /** Encoded mvccpb.KeyValue as the revision log stores it; for a delete it holds the key alone. */
  readonly kv: Uint8Array;
}

/** Everything that one revision changed, in sub order; empty if nobody wanted events when it was made. */
export interface EventBatch {
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

const TAG_EVENTS = 0x5a; // WatchResponse.events = 11
const TAG_EVENT_TYPE = 0x08;
const TAG_EVENT_KV = 0x12;
const TAG_EVENT_PREV_KV = 0x1a;
const TAG_KV_MOD_REVISION = 0x18;

/** An event on its way to clients: encoded once, shared by all its watchers. */
export class SharedEvent {
  readonly revision: number;
  readonly isDelete: boolean;
  readonly key: Uint8Array;
  readonly kv: Uint8Array;
  /** The value before this revision, encoded; looked up only when a watcher asked for it. */
  prevKv: Uint8Array | undefined = undefined;
  prevKnown = false;
  private readonly kvSize: number;

  constructor(revision: number, isDelete: boolean, key: Uint8Array, kv: Uint8Array) {
    this.revision = revision;
    this.isDelete = isDelete;
    this.key = key;
    this.kv = kv;
    this.kvSize = kv.length + (isDelete ? 1 + varintSize(revision) : 0);
  }

  private eventSize(withPrev: boolean): number {
    const size = (this.isDelete ? 2 : 0) + 1 + varintSize(this.kvSize) + this.kvSize;
    const prev = this.prevKv;
    return withPrev && prev !== undefined ? size + 1 + varintSize(prev.length) + prev.length : size;
  }

  /** Bytes that it holds, about what `write` takes with the previous value. */
  get bytes(): number {
    return this.kvSize + (this.prevKv === undefined ? 0 : this.prevKv.length);
  }

  /** Bytes that `write` takes. */
  size(withPrev: boolean): number {
    const size = this.eventSize(withPrev);
    return 1 + varintSize(size) + size;
  }

  /** Appends this event as one element of WatchResponse.events. */
  write(out: WireWriter, withPrev: boolean): void {
    out.byte(TAG_EVENTS);
    out.varint(this.eventSize(withPrev));
    if (this.isDelete) {
      out.byte(TAG_EVENT_TYPE);
      out.byte(EventType.Delete);
    }
    out.byte(TAG_EVENT_KV);
    out.varint(this.kvSize);
    out.raw(this.kv);
    if (this.isDelete) {
      out.byte(TAG_KV_MOD_REVISION);
      out.varint(this.revision);
    }
    if (withPrev && this.prevKv !== undefined) {
      out.byte(TAG_EVENT_PREV_KV);
      out.bytes(this.prevKv);
    }
  }
}

const reader = new WireReader();

/** The key inside encoded KeyValue bytes, as a view into them. */
export function keyOf(kv: Uint8Array): Uint8Array {
  reader.reset(kv, 0, kv.length);
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 0x0a) return reader.bytes();
    reader.skip(tag);
  }
  return kv.subarray(0, 0);
}
