// The responses that a stream's client has not taken yet, oldest first: a ring of (receiver, response) pairs in two
// parallel arrays, so that queueing a shared response for one more watcher allocates nothing. Its bytes are counted
// once for a run of equal responses, which is what the same event for many watchers of one stream looks like.

import { varintSize, type WireWriter } from "#base";
import type { Response } from "./response.js";

/** A watch id: int64, chosen by the client or by the stream. */
export type WatchId = bigint;

/** The id under which refusals and answers for a whole stream are sent. */
export const NO_WATCH: WatchId = -1n;

/** To whom a response goes: a watcher, or the stream as a whole. */
export class Receiver {
  readonly id: WatchId;
  readonly fragment: boolean;
  /** The id if it is a small number, which nearly all are; -1 otherwise. */
  private readonly smallId: number;

  constructor(id: WatchId, fragment: boolean) {
    this.id = id;
    this.fragment = fragment;
    this.smallId = id >= 0n && id < 0x10000000n ? Number(id) : -1;
  }

  /** Bytes that `writeId` takes. */
  get idSize(): number {
    if (this.smallId === 0) return 0;
    if (this.smallId > 0) return 1 + varintSize(this.smallId);
    return 1 + (this.id < 0n ? 10 : varintSize(Number(this.id)));
  }

  /** Appends WatchResponse.watch_id; nothing for id 0. */
  writeId(out: WireWriter): void {
    if (this.smallId === 0) return;
    out.byte(0x10);
    if (this.smallId > 0) out.varint(this.smallId);
    else out.bigint(this.id);
  }
}

const FIRST_SLOTS = 8;
/** An empty queue that has grown beyond this gives its memory back. */
const SHRINK_SLOTS = 1024;

export class ResponseQueue {
  private receivers: (Receiver | undefined)[] = new Array(FIRST_SLOTS).fill(undefined);
  private responses: (Response | undefined)[] = new Array(FIRST_SLOTS).fill(undefined);
  private mask = FIRST_SLOTS - 1;
  private head = 0;
  private last: Response | undefined = undefined;
  length = 0;
  /** Bytes held, a run of equal responses counting once. */
  bytes = 0;

  push(receiver: Receiver, response: Response): void {
    if (this.length > this.mask) this.resize((this.mask + 1) * 2);
    const at = (this.head + this.length) & this.mask;
    this.receivers[at] = receiver;
    this.responses[at] = response;
    this.length++;
    if (response !== this.last) {
      this.last = response;
      this.bytes += response.cost;
    }
  }

  /** Puts a response before all others. No honest caller needs it; see mutations.ts. */
  pushFirst(receiver: Receiver, response: Response): void {
    if (this.length > this.mask) this.resize((this.mask + 1) * 2);
    this.head = (this.head - 1) & this.mask;
    this.receivers[this.head] = receiver;
    this.responses[this.head] = response;
    if (this.length++ === 0) this.last = response;
    this.bytes += response.cost;
  }

  /** The oldest response, or undefined when there is none. */
  get first(): Response | undefined {
    return this.responses[this.head];
  }

  get firstReceiver(): Receiver | undefined {
    return this.receivers[this.head];
  }

  /** Removes the oldest response. */
  drop(): void {
    const head = this.head;
    const gone = this.responses[head];
    if (gone === undefined) return;
    this.receivers[head] = undefined;
    this.responses[head] = undefined;
    this.head = (head + 1) & this.mask;
    this.length--;
    if (this.responses[this.head] !== gone) this.bytes -= gone.cost;
    if (this.length > 0) return;
    this.last = undefined;
    if (this.mask >= SHRINK_SLOTS) this.clear();
  }

  clear(): void {
    this.receivers = new Array(FIRST_SLOTS).fill(undefined);
    this.responses = new Array(FIRST_SLOTS).fill(undefined);
    this.mask = FIRST_SLOTS - 1;
    this.head = 0;
    this.length = 0;
    this.bytes = 0;
    this.last = undefined;
  }

  private resize(size: number): void {
    const receivers: (Receiver | undefined)[] = new Array(size).fill(undefined);
    const responses: (Response | undefined)[] = new Array(size).fill(undefined);
    for (let i = 0; i < this.length; i++) {
      const at = (this.head + i) & this.mask;
      receivers[i] = this.receivers[at];
      responses[i] = this.responses[at];
    }
    this.receivers = receivers;
    this.responses = responses;
    this.mask = size - 1;
    this.head = 0;
  }
}
