// One watcher: what a client asked for, and how far it has come. `cursor` is the whole state of progress: every
// matching event below it has been queued for the client (or was never wanted), none at or above it has. A watcher is
// either synced, then new events reach it as they are applied, or lagging, then history is read for it from `cursor`.
// While it is synced the true cursor follows the hub's revision, and the field is a lower bound that keeps a watcher of a
// future revision from receiving what comes before.

import { compareBytes, copyBytes, panic, printable } from "#base";
import type { SharedEvent } from "./events.js";
import { Receiver, type WatchId } from "./queue.js";
import type { WatchStream } from "./stream.js";
import type { WatcherGroup } from "./watcher-group.js";

/** What a client asks for (etcdserverpb.WatchCreateRequest). The bytes are copied by the hub where it keeps them. */
export interface WatchSpec {
  readonly key: Uint8Array;
  /** Empty: the key alone. A single zero byte: all keys from `key` on. */
  readonly rangeEnd: Uint8Array;
  /** 0: after the current revision. */
  readonly startRevision: number;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly prevKv: boolean;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
  /** 0: the stream chooses. */
  readonly watchId: WatchId;
}

/** The keys watched: one key (`single`), [key, end), or everything from `key` on (`end` undefined). */
export class KeyInterval {
  readonly key: Uint8Array;
  readonly end: Uint8Array | undefined;
  readonly single: boolean;

  constructor(key: Uint8Array, end: Uint8Array | undefined, single: boolean) {
    this.key = key;
    this.end = end;
    this.single = single;
  }

  get isEmpty(): boolean {
    return !this.single && this.end !== undefined && compareBytes(this.key, this.end) >= 0;
  }
}

const SMALLEST_KEY = new Uint8Array([0]);

/** The interval that a request's key and range_end mean; it owns its bytes. */
export function intervalOf(key: Uint8Array, rangeEnd: Uint8Array): KeyInterval {
  const begin = key.length === 0 ? SMALLEST_KEY : copyBytes(key);
  if (rangeEnd.length === 0) return new KeyInterval(begin, undefined, true);
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return new KeyInterval(begin, undefined, false);
  return new KeyInterval(begin, copyBytes(rangeEnd), false);
}

/** How many combinations there are of filters and the wish for previous values. */
export const VARIANTS = 8;

export class Watcher extends Receiver {
  readonly stream: WatchStream;
  readonly interval: KeyInterval;
  /** As the client gave it; 0 when he named none. */
  readonly startRevision: number;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly prevKv: boolean;
  readonly progressNotify: boolean;
  /** Watchers of the same variant, below VARIANTS, get the same bytes for the same events. */
  readonly variant: number;

  /** Events below this revision are not (or no longer) for this watcher. */
  cursor: number;
  synced = false;
  /** No event was sent since the last progress tick. */
  idle = true;
  /** Where the index keeps this watcher: its group and the place in it. */
  group: WatcherGroup | undefined = undefined;
  slot = -1;
  /** Events gathered for the response in the making. */
  pending: SharedEvent[] | undefined = undefined;

  constructor(stream: WatchStream, id: WatchId, interval: KeyInterval, cursor: number, spec: WatchSpec) {
    super(id, spec.fragment);
    this.stream = stream;
    this.interval = interval;
    this.startRevision = spec.startRevision;
    this.noPut = spec.noPut;
    this.noDelete = spec.noDelete;
    this.prevKv = spec.prevKv;
    this.progressNotify = spec.progressNotify;
    this.variant = (spec.prevKv ? 1 : 0) + (spec.noPut ? 2 : 0) + (spec.noDelete ? 4 : 0);
    this.cursor = cursor;
  }

  gather(event: SharedEvent): void {
    if (this.pending === undefined) this.pending = [event];
    else this.pending.push(event);
  }

  takePending(): readonly SharedEvent[] {
    const events = this.pending;
    if (events === undefined) panic("watcher has gathered no events", { id: this.id });
    this.pending = undefined;
    return events;
  }

  /** Whether the filters let this kind of event through. */
  wants(isDelete: boolean): boolean {
    return isDelete ? !this.noDelete : !this.noPut;
  }

  describe(): string {
    const { key, end, single } = this.interval;
    const keys = single ? printable(key) : `[${printable(key)},${end === undefined ? "" : printable(end)})`;
    return `${this.id} ${keys} ${this.synced ? "synced" : "lagging"} cursor=${this.cursor}`;
  }
}
