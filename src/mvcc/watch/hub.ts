// The watch hub: fans the changes of the store out to the watchers of all streams. One `onEvents` per revision finds the
// watchers of the changed keys through an index and queues one shared response for each, so a write costs what its own
// watchers cost, however many others there are and however slowly they read.
//
// Invariants. (1) Every watcher is either synced, then its queue holds every matching event up to the hub's revision,
// or lagging, then its queue holds every matching event below its cursor and history is read from there. (2) A queue is
// in revision order per watcher, and a progress notice goes to its end, so it never overtakes an event. (3) All events
// of a revision that a watcher wants are in one response. (4) A watcher whose cursor falls below the compacted revision
// is told so; it is never left silent.
//
// The hub is a pure state machine: time and the store are arguments, output is pulled from the streams.

import { panic, type Random, WireWriter } from "#base";
import { EventType } from "#proto";
import type { EventSink } from "../ports.js";
import { CatchUp } from "./catch-up.js";
import { type EventBatch, SharedEvent, type StoreEvent } from "./events.js";
import type { History } from "./history.js";
import {
  CATCH_UP_RECORDS,
  PROGRESS_INTERVAL_MS_MIN,
  QUEUE_BYTES_MAX,
  QUEUE_RESPONSES_MAX,
} from "./limits.js";
import { mutations } from "./mutations.js";
import { eventResponse, type Response } from "./response.js";
import { KeyHash } from "./sip-hash.js";
import { WatchStream } from "./stream.js";
import type { Watcher } from "./watcher.js";
import type { WatcherGroup } from "./watcher-group.js";
import { WatcherIndex } from "./watcher-index.js";

export interface WatchHubOptions {
  /** For the secret of the key hash, the shape of trees and the jitter of progress notices. */
  readonly random: Random;
  /** Called when a stream that had no output gets some. The stream must not be pulled within the call. */
  readonly onReady: (stream: WatchStream) => void;
  /** Responses to watchers that allow fragments are cut to this size. */
  readonly fragmentBytes: number;
  readonly progressIntervalMs: number;
  readonly queueResponsesMax?: number;
  readonly queueBytesMax?: number;
}

export class WatchHub implements EventSink {
  readonly history: History;
  readonly onReady: (stream: WatchStream) => void;
  readonly fragmentBytes: number;
  readonly queueResponsesMax: number;
  readonly queueBytesMax: number;
  /** The newest revision that was notified, or that a snapshot brought. */
  revision: number;

  // Read by metrics.
  streams = 0;
  watchers = 0;
  /** Events queued and not yet pulled, once per receiver. */
  pendingEvents = 0;
  /** Events pulled since start, once per receiver. */
  eventsTotal = 0;

  readonly catchUp: CatchUp;
  private readonly synced: WatcherIndex;
  private readonly random: Random;
  private readonly progressIntervalMs: number;
  private readonly progressStreams = new Set<WatchStream>();
  private nextProgressMs = Number.POSITIVE_INFINITY;
  private readonly allStreams = new Set<WatchStream>();

  private clusterId = 0n;
  private memberId = 0n;
  private raftTerm = 0;
  private readonly header = new WireWriter(64);
  private headerRevision = -1;

  // Scratch of onEvents, kept to allocate nothing per event.
  private readonly groups: WatcherGroup[] = [];
  private readonly touched: Watcher[] = [];
  private readonly overflowed: Watcher[] = [];

  constructor(history: History, options: WatchHubOptions) {
    this.history = history;
    this.revision = history.currentRevision;
    this.onReady = options.onReady;
    this.fragmentBytes = options.fragmentBytes;
    this.queueResponsesMax = options.queueResponsesMax ?? QUEUE_RESPONSES_MAX;
    this.queueBytesMax = options.queueBytesMax ?? QUEUE_BYTES_MAX;
    this.progressIntervalMs = Math.max(PROGRESS_INTERVAL_MS_MIN, options.progressIntervalMs);
    this.random = options.random;
    const hash = new KeyHash(options.random);
    this.synced = new WatcherIndex(hash, options.random);
    this.catchUp = new CatchUp(this, new WatcherIndex(hash, options.random));
  }

  /** What the header of every response says besides the revision. */
  setHeader(clusterId: bigint, memberId: bigint, raftTerm: number): void {
    this.clusterId = clusterId;
    this.memberId = memberId;
    this.raftTerm = raftTerm;
    this.headerRevision = -1;
  }

  createStream(nowMs: number): WatchStream {
    const jitter = this.random.float() * (this.progressIntervalMs / 10);
    const stream = new WatchStream(this, nowMs, this.progressIntervalMs + jitter);
    this.allStreams.add(stream);
    this.streams++;
    return stream;
  }

  /** Watchers that are behind, whether their client is slow or they started in the past. */
  get slowWatchers(): number {
    return this.catchUp.size;
  }

  /** Nobody looks at events while every watcher is behind or there is none: what they missed is read from history. */
  get wantsEvents(): boolean {
    return this.synced.size > 0;
  }

  /** Queues the changes of one revision. To be called once per revision, ascending, after the store has applied it. A
   *  batch that was made while nobody wanted events may come without them. */
  onEvents(batch: EventBatch): void {
    const { revision, events } = batch;
    if (revision <= this.revision) {
      panic("watch hub was told of an old revision", { revision, current: this.revision });
    }
    this.revision = revision;
    if (this.synced.size === 0) return;
    if (events.length === 1) this.notifyOne(revision, events[0]);
    else this.notifyMany(revision, events);
    if (this.overflowed.length > 0) this.settleOverflowed(revision);
  }

  /** Sends the progress notices that are due. Cheap when none is. */
  tick(nowMs: number): void {
    if (nowMs < this.nextProgressMs) return;
    let next = Number.POSITIVE_INFINITY;
    for (const stream of this.progressStreams) {
      if (nowMs >= stream.nextProgressMs) {
        stream.nextProgressMs = nowMs + stream.progressPeriodMs;
        stream.tickProgress();
      }
      next = Math.min(next, stream.nextProgressMs);
    }
    this.nextProgressMs = next;
  }

  /** Whether `syncStep` has work: some lagging watcher's stream has room. */
  get syncPending(): boolean {
    return this.catchUp.pending;
  }

  /** Reads one bounded slice of history for lagging watchers.
   *  @param records most records of the revision log to read
   *  @returns whether there is more to do now */
  syncStep(records = CATCH_UP_RECORDS): boolean {
    return this.catchUp.step(records);
  }

  /** Tells the watchers whose next events were compacted away, those of full streams too. To be called after every
   *  compaction. */
  compacted(): void {
    const compacted = this.history.compactedRevision;
    for (const stream of this.allStreams) {
      for (const watcher of stream.lagging) {
        if (watcher.cursor < compacted) stream.cancelCompacted(watcher, compacted);
      }
    }
  }

  /** After a snapshot was installed: every watcher goes on from where it was, through history, because the changes
   *  that led to the snapshot were never notified. */
  requeueAll(): void {
    const before = this.revision;
    const current = this.history.currentRevision;
    if (current < before) panic("snapshot is older than what watchers have seen", { current, before });
    this.revision = current;
    for (const stream of this.allStreams) {
      for (const watcher of stream.watchers.values()) {
        if (!watcher.synced) continue;
        if (!mutations.watchBackInTimeAfterSnapshot) watcher.cursor = Math.max(watcher.cursor, before + 1);
        if (watcher.cursor <= current) this.fallBehind(watcher);
      }
    }
    this.compacted();
  }

  /** Short deterministic text: streams in order of creation, their watchers and cursors. */
  describe(): string {
    let text = `revision=${this.revision} watchers=${this.watchers} slow=${this.slowWatchers} pending=${this.pendingEvents}`;
    for (const stream of this.allStreams) {
      text += `\nstream queued=${stream.queued} bytes=${stream.queuedBytes}`;
      for (const watcher of stream.watchers.values()) text += `\n  ${watcher.describe()}`;
    }
    return text;
  }

  // For the other files of this room.

  addWatcher(watcher: Watcher): void {
    this.watchers++;
    const { stream } = watcher;
    if (watcher.progressNotify) {
      stream.progressWatchers.add(watcher);
      this.progressStreams.add(stream);
      this.nextProgressMs = Math.min(this.nextProgressMs, stream.nextProgressMs);
    }
    if (watcher.cursor > this.revision) this.join(watcher);
    else this.catchUp.add(watcher);
  }

  removeWatcher(watcher: Watcher): void {
    const { stream } = watcher;
    stream.watchers.delete(watcher.id);
    this.watchers--;
    if (watcher.synced) this.leave(watcher);
    else this.catchUp.remove(watcher);
    stream.progressWatchers.delete(watcher);
    if (stream.progressWatchers.size === 0) this.progressStreams.delete(stream);
  }

  forgetStream(stream: WatchStream): void {
    this.allStreams.delete(stream);
    this.streams--;
  }

  /** Makes a watcher that has caught up a synced one. */
  join(watcher: Watcher): void {
    watcher.synced = true;
    this.synced.add(watcher);
  }

  /** The event with its previous value, if a watcher needs that and it was not looked up yet. */
  resolvePrev(event: SharedEvent): void {
    if (event.prevKnown) return;
    event.prevKnown = true;
    const prev = this.history.previousKv(event.key, event.revision);
    if (prev !== undefined) event.prevKv = new Uint8Array(prev);
  }

  headerSize(revision: number): number {
    this.encodeHeader(revision);
    return this.header.length;
  }

  /** Appends WatchResponse.header. */
  writeHeader(out: WireWriter, revision: number): void {
    this.encodeHeader(revision);
    out.rawRange(this.header.buf, 0, this.header.length);
  }

  private encodeHeader(revision: number): void {
    if (this.headerRevision === revision) return;
    const fields = this.header;
    fields.reset();
    fields.byte(0x0a);
    fields.byte(0); // length, known below; a header is at most 44 bytes
    writeUint64(fields, 0x08, this.clusterId);
    writeUint64(fields, 0x10, this.memberId);
    if (revision > 0) {
      fields.byte(0x18);
      fields.varint(revision);
    }
    if (this.raftTerm > 0) {
      fields.byte(0x20);
      fields.varint(this.raftTerm);
    }
    fields.buf[1] = fields.length - 2;
    this.headerRevision = revision;
  }

  private leave(watcher: Watcher): void {
    watcher.synced = false;
    this.synced.remove(watcher);
  }

  private fallBehind(watcher: Watcher): void {
    this.leave(watcher);
    this.catchUp.add(watcher);
  }

  /** The common case, one change per revision: one response, shared by all watchers without and one by all with
   *  prev_kv. */
  private notifyOne(revision: number, change: StoreEvent): void {
    const groups = this.groups;
    groups.length = 0;
    this.synced.collect(change.key, groups);
    if (groups.length === 0) return;
    const isDelete = change.type === EventType.Delete;
    const event = new SharedEvent(revision, isDelete, change.key, change.kv);
    const events = [event];
    let plain: Response | undefined;
    let withPrev: Response | undefined;
    for (const group of groups) {
      const watchers = group.watchers;
      for (let i = 0; i < watchers.length; i++) {
        const watcher = watchers[i];
        if (!admits(watcher, revision, isDelete)) continue;
        const stream = watcher.stream;
        if (!stream.hasRoom) {
          this.overflowed.push(watcher);
          continue;
        }
        watcher.idle = false;
        if (!watcher.prevKv) {
          if (plain === undefined) plain = eventResponse(revision, events, false);
          stream.push(watcher, plain);
          continue;
        }
        if (withPrev === undefined) {
          this.resolvePrev(event);
          withPrev = eventResponse(revision, events, true);
        }
        stream.push(watcher, withPrev);
      }
    }
  }

  /** A transaction or a range delete: each watcher gets its share of the events in one response. */
  private notifyMany(revision: number, changes: readonly StoreEvent[]): void {
    const { groups, touched } = this;
    for (const change of changes) {
      groups.length = 0;
      this.synced.collect(change.key, groups);
      if (groups.length === 0) continue;
      const isDelete = change.type === EventType.Delete;
      const event = new SharedEvent(revision, isDelete, change.key, change.kv);
      for (const group of groups) {
        for (const watcher of group.watchers) {
          if (!admits(watcher, revision, isDelete)) continue;
          if (watcher.pending === undefined) touched.push(watcher);
          if (watcher.prevKv) this.resolvePrev(event);
          watcher.gather(event);
        }
      }
    }
    for (const watcher of touched) {
      const events = watcher.takePending();
      if (!watcher.stream.hasRoom) {
        this.overflowed.push(watcher);
        continue;
      }
      watcher.idle = false;
      watcher.stream.push(watcher, eventResponse(revision, events, watcher.prevKv));
    }
    touched.length = 0;
  }

  /** Watchers for which this revision found no room go on from it, through history. */
  private settleOverflowed(revision: number): void {
    for (const watcher of this.overflowed) {
      if (mutations.eventsLostOnFullStream) break;
      watcher.cursor = revision;
      this.fallBehind(watcher);
    }
    this.overflowed.length = 0;
  }
}

function admits(watcher: Watcher, revision: number, isDelete: boolean): boolean {
  if (revision < watcher.cursor && !mutations.futureRevisionWatchGetsOlderEvents) return false;
  return watcher.wants(isDelete);
}

function writeUint64(out: WireWriter, tag: number, value: bigint): void {
  if (value === 0n) return;
  out.byte(tag);
  out.bigint(value);
}
