// One gRPC Watch stream: its watchers, their ids, and the queue of what its client has not taken yet. The server pulls:
// it calls `next` while its transport accepts more and stops when the transport is full, so a client that does not read
// fills its own queue and nothing else. When the queue is full its watchers lag (see catch-up.ts); the queue itself
// stays in order, because what comes from history later is newer than everything queued before.

import { EMPTY_BYTES, type WireWriter } from "#base";
import { ErrCompacted } from "#proto";
import type { WatchHub } from "./hub.js";
import { mutations } from "./mutations.js";
import { NO_WATCH, Receiver, ResponseQueue, type WatchId } from "./queue.js";
import {
  canceledResponse,
  createdResponse,
  progressResponse,
  type Response,
  refusedResponse,
} from "./response.js";
import { intervalOf, Watcher, type WatchSpec } from "./watcher.js";

/** Reasons that etcd gives in cancel_reason; they are not errors of the call. */
const REASON_EMPTY_RANGE = "mvcc: watcher range is empty";
const REASON_DUPLICATE_ID = "mvcc: duplicate watch ID provided on the WatchStream";

const WHOLE_STREAM = new Receiver(NO_WATCH, false);

export class WatchStream {
  /** Free for the owner, for example the call that this stream belongs to. */
  context: unknown = undefined;

  readonly watchers = new Map<WatchId, Watcher>();
  /** Watchers whose cursor is behind the hub's revision. */
  readonly lagging = new Set<Watcher>();
  /** The hub announced output that has not been pulled to its end. */
  announced = false;
  /** Whether catch-up may queue for this stream; kept by catch-up.ts. */
  catchingUp = false;
  closed = false;
  /** The end of the message that `next` has begun. It is shared with other streams: the bytes never change. */
  body: Uint8Array = EMPTY_BYTES;
  /** Those that asked for progress notices; the one whose last notice is oldest comes first. */
  readonly progressWatchers = new Set<Watcher>();
  nextProgressMs: number;
  readonly progressPeriodMs: number;

  private readonly hub: WatchHub;
  private readonly queue = new ResponseQueue();
  private nextId: WatchId = 0n;
  /** Events of the oldest response that went out in earlier fragments. */
  private fragmentStart = 0;

  constructor(hub: WatchHub, nowMs: number, progressPeriodMs: number) {
    this.hub = hub;
    this.progressPeriodMs = progressPeriodMs;
    this.nextProgressMs = nowMs + progressPeriodMs;
  }

  /** Adds a watcher and queues the answer, which always says created. A refusal is an answer too, with id -1.
   *  @returns the watcher, or undefined when it was refused or is canceled already */
  create(spec: WatchSpec): Watcher | undefined {
    if (this.closed) return undefined;
    this.hub.flush();
    if (spec.startRevision < 0) return this.refuse(ErrCompacted.message);
    const interval = intervalOf(spec.key, spec.rangeEnd);
    if (interval.isEmpty) return this.refuse(REASON_EMPTY_RANGE);
    if (spec.watchId !== 0n && this.watchers.has(spec.watchId)) return this.refuse(REASON_DUPLICATE_ID);
    const current = this.hub.history.currentRevision;
    const cursor = spec.startRevision === 0 ? current + 1 : spec.startRevision;
    const watcher = new Watcher(this, this.chooseId(spec.watchId), interval, cursor, spec);
    this.watchers.set(watcher.id, watcher);
    this.push(watcher, createdResponse(current));
    this.hub.addWatcher(watcher);
    return this.watchers.has(watcher.id) ? watcher : undefined;
  }

  /** Queues the answer to a create that may not be: created and canceled, id -1, with a reason in words. */
  refuse(reason: string): undefined {
    this.push(WHOLE_STREAM, refusedResponse(this.hub.history.currentRevision, reason));
    return undefined;
  }

  /** Ends a watcher at its client's wish. @returns false, and no answer, for an id that is not in use */
  cancel(id: WatchId): boolean {
    const watcher = this.watchers.get(id);
    if (watcher === undefined) return false;
    this.hub.flush();
    this.hub.removeWatcher(watcher);
    this.push(watcher, canceledResponse(this.hub.history.currentRevision, 0));
    return true;
  }

  /** Ends a watcher whose next events are compacted away. What is queued for it still goes out first. The header of
   *  this answer carries no revision, as etcd's does not. */
  cancelCompacted(watcher: Watcher, compactRevision: number): void {
    this.hub.removeWatcher(watcher);
    this.push(watcher, canceledResponse(0, compactRevision));
  }

  /** Queues a progress notice for the whole stream if every watcher is synced and none waits for a future revision.
   *  Otherwise nothing happens, as etcd has it; the client asks again. @returns whether it was queued */
  requestProgress(): boolean {
    this.hub.flush();
    const revision = this.hub.revision;
    if (this.watchers.size === 0 || this.lagging.size > 0) return false;
    for (const watcher of this.watchers.values()) if (watcher.startRevision > revision) return false;
    this.pushProgress(WHOLE_STREAM, revision);
    return true;
  }

  /** Queues a progress notice for every idle synced watcher that asked for them, as far as there is room. Whoever gets one
   *  goes to the end of the line, so that a stream with more watchers than room serves them in turn. */
  tickProgress(): void {
    const revision = this.hub.revision;
    let left = this.progressWatchers.size;
    for (const watcher of this.progressWatchers) {
      // Behind the last one come those that were served in this tick.
      if (left-- === 0) break;
      if (watcher.idle && watcher.synced && watcher.startRevision <= revision && this.hasRoom) {
        this.pushProgress(watcher, revision);
        this.progressWatchers.delete(watcher);
        this.progressWatchers.add(watcher);
      }
      watcher.idle = true;
    }
  }

  /** Whether events may be queued. Control responses always may. */
  get hasRoom(): boolean {
    const { queue, hub } = this;
    return queue.length === 0 || (queue.length < hub.queueResponsesMax && queue.bytes < hub.queueBytesMax);
  }

  /** Whether the queue has drained far enough for catch-up to go on. */
  get isDrained(): boolean {
    const { queue, hub } = this;
    return queue.length * 2 <= hub.queueResponsesMax && queue.bytes * 2 <= hub.queueBytesMax;
  }

  /** Responses waiting. A server stops reading requests from a client who lets them pile up beyond the bound. */
  get queued(): number {
    return this.queue.length;
  }

  get queuedBytes(): number {
    return this.queue.bytes;
  }

  push(receiver: Receiver, response: Response): void {
    if (this.closed) return;
    response.receivers++;
    this.queue.push(receiver, response);
    this.hub.pendingEvents += response.events.length;
    if (!this.announced) this.announce();
  }

  /** Takes the next encoded WatchResponse: appends its beginning to `out` and leaves the rest in `body`.
   *  @returns false, writing nothing, when there is none; the hub announces the stream again when there is */
  next(out: WireWriter): boolean {
    const response = this.queue.first;
    const receiver = this.queue.firstReceiver;
    if (response === undefined || receiver === undefined) {
      this.announced = false;
      return false;
    }
    this.body = EMPTY_BYTES;
    const sent = receiver.fragment
      ? this.nextFragment(receiver, response, out)
      : this.whole(receiver, response, out);
    this.hub.pendingEvents -= sent;
    this.hub.eventsTotal += sent;
    if (this.lagging.size > 0 && !this.catchingUp && this.isDrained) this.hub.catchUp.resume(this);
    return true;
  }

  /** Ends all watchers and forgets what is queued. Nothing can be pulled afterwards. */
  close(): void {
    if (this.closed) return;
    for (const watcher of this.watchers.values()) this.hub.removeWatcher(watcher);
    let waiting = -this.fragmentStart;
    for (let response = this.queue.first; response !== undefined; response = this.queue.first) {
      waiting += response.events.length;
      this.queue.drop();
    }
    this.hub.pendingEvents -= waiting;
    this.closed = true;
    this.hub.forgetStream(this);
  }

  private announce(): void {
    this.announced = true;
    this.hub.onReady(this);
  }

  private chooseId(wanted: WatchId): WatchId {
    if (wanted !== 0n) return wanted;
    while (this.watchers.has(this.nextId)) this.nextId++;
    return this.nextId++;
  }

  private pushProgress(receiver: Receiver, revision: number): void {
    if (!mutations.progressBeforeQueuedEvents) return this.push(receiver, progressResponse(revision));
    this.queue.pushFirst(receiver, progressResponse(revision));
    if (!this.announced) this.announce();
  }

  private whole(receiver: Receiver, response: Response, out: WireWriter): number {
    this.hub.writeHeader(out, response.revision);
    receiver.writeId(out);
    out.raw(response.control);
    const events = response.events;
    if (response.receivers > 1) this.body = response.body;
    else for (let i = 0; i < events.length; i++) events[i].write(out, response.withPrev);
    this.queue.drop();
    return events.length;
  }

  /** Cuts a response that is too large for one message at event boundaries; all parts but the last say fragment. */
  private nextFragment(receiver: Receiver, response: Response, out: WireWriter): number {
    const { events, withPrev } = response;
    const start = this.fragmentStart;
    let room = this.hub.fragmentBytes - this.hub.headerSize(response.revision) - receiver.idSize;
    if (events.length < 2 || (start === 0 && response.size < room))
      return this.whole(receiver, response, out);
    room -= 2;
    let end = start;
    while (end < events.length) {
      room -= events[end].size(withPrev);
      if (end > start && room <= 0) break;
      end++;
    }
    this.hub.writeHeader(out, response.revision);
    receiver.writeId(out);
    const more = end < events.length;
    if (more) {
      out.byte(0x38);
      out.byte(1);
    }
    for (let i = start; i < end; i++) events[i].write(out, withPrev);
    this.fragmentStart = more ? end : 0;
    if (!more) this.queue.drop();
    return end - start;
  }
}
