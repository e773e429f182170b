// What is queued for a client: an etcdserverpb.WatchResponse without the two fields that differ between receivers of the
// same content, the header (cut when it is sent, but for its revision) and the watch id. A response about events points
// to shared events, which are encoded once if several receivers share the response; a control response (created, canceled,
// progress) carries its few encoded fields.

import { BytePages, EMPTY_BYTES, WireWriter } from "#base";
import type { SharedEvent } from "./events.js";

const NO_EVENTS: readonly SharedEvent[] = Object.freeze([]);

/** What a queued response costs besides its bytes. */
const OVERHEAD_BYTES = 64;

export class Response {
  /** header.revision */
  readonly revision: number;
  /** Encoded fields 3 to 6 (created, canceled, compact_revision, cancel_reason). */
  readonly control: Uint8Array;
  readonly events: readonly SharedEvent[];
  readonly withPrev: boolean;
  /** Encoded size of control fields and events. */
  readonly size: number;
  /** How many times it was queued. */
  receivers = 0;
  private encodedEvents: Uint8Array | undefined = undefined;

  constructor(revision: number, control: Uint8Array, events: readonly SharedEvent[], withPrev: boolean) {
    this.revision = revision;
    this.control = control;
    this.events = events;
    this.withPrev = withPrev;
    let size = control.length;
    for (let i = 0; i < events.length; i++) size += events[i].size(withPrev);
    this.size = size;
  }

  /** The events as all receivers get them. The bytes never change. */
  get body(): Uint8Array {
    if (this.encodedEvents === undefined) this.encodedEvents = encode(this.events, this.withPrev);
    return this.encodedEvents;
  }

  /** What it counts against a queue's bound. */
  get cost(): number {
    return this.size + OVERHEAD_BYTES;
  }
}

const bodies = new BytePages();
const bodyWriter = new WireWriter(64 * 1024);

function encode(events: readonly SharedEvent[], withPrev: boolean): Uint8Array {
  bodyWriter.reset();
  for (let i = 0; i < events.length; i++) events[i].write(bodyWriter, withPrev);
  const size = bodyWriter.length;
  const start = bodies.reserve(size);
  bodies.buf.set(bodyWriter.view(), start);
  return bodies.cut(start, start + size);
}

export function eventResponse(revision: number, events: readonly SharedEvent[], withPrev: boolean): Response {
  return new Response(revision, EMPTY_BYTES, events, withPrev);
}

const writer = new WireWriter(64);

function controlResponse(revision: number): Response {
  return new Response(revision, writer.finish(), NO_EVENTS, false);
}

export function createdResponse(revision: number): Response {
  writer.reset();
  writer.byte(0x18);
  writer.byte(1);
  return controlResponse(revision);
}

/** A create that is refused: created and canceled at once. */
export function refusedResponse(revision: number, reason: string): Response {
  writer.reset();
  writer.byte(0x18);
  writer.byte(1);
  writer.byte(0x20);
  writer.byte(1);
  writer.byte(0x32);
  writer.string(reason);
  return controlResponse(revision);
}

/** @param compactRevision what made the watch impossible, or 0 when the client asked for the end */
export function canceledResponse(revision: number, compactRevision: number): Response {
  writer.reset();
  writer.byte(0x20);
  writer.byte(1);
  if (compactRevision > 0) {
    writer.byte(0x28);
    writer.varint(compactRevision);
  }
  return controlResponse(revision);
}

/** Nothing but a header: every event up to its revision has been sent. */
export function progressResponse(revision: number): Response {
  return new Response(revision, EMPTY_BYTES, NO_EVENTS, false);
}
