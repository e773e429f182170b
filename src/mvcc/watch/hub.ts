// The watch hub: brings the changes of the store to the watchers of all streams. One `onEvents` per revision finds the
// watchers of the changed keys through an index; one `flush` at the end of a turn queues for each what the turn's
// revisions had for it, as one response that it shares with all who watch the same (fan-out.ts). So a write costs what
// its own watchers cost, however many others there are and however slowly they read.
//
// Invariants. (1) Every watcher is either synced, then its queue and after it the events gathered for its group hold
// every matching event up to the hub's revision, or lagging, then its queue holds every matching event below its cursor
// and history is read from there. (2) A queue is in revision order per watcher. Whatever answers a client or speaks of a
// revision flushes first, so a notice or a cancellation never overtakes an event. (3) All events of a revision that a
// watcher wants are in one response. (4) A watcher whose cursor falls below the compacted revision is told so; it is never
// left silent.
//
// The hub is a pure state machine: time and the store are arguments, output is pulled from the streams.

import { panic, type Random, WireWriter } from "#base";
import type { EventSink } from "../ports.js";
import { CatchUp } from "./catch-up.js";
import type { EventBatch, SharedEvent } from "./events.js";
import { FanOut } from "./fan-out.js";
import type { History } from "./history.js";
import {
  CATCH_UP_RECORDS,
  PROGRESS_INTERVAL_MS_MIN,
  QUEUE_BYTES_MAX,
  QUEUE_RESPONSES_MAX,
  RESPONSE_BYTES_MAX,
} from "./limits.js";
import { mutations } from "./mutations.js";
import { KeyHash } from "./sip-hash.js";
import { WatchStream } from "./stream.js";
import type { Watcher } from "./watcher.js";
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
  readonly responseBytesMax?: number;
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
  private readonly fanOut: FanOut;
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
    this.fanOut = new FanOut(this, this.synced, options.responseBytesMax ?? RESPONSE_BYTES_MAX);
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

  /** Takes in the changes of one revision. To be called once per revision, ascending, after the store has applied it. A
   *  batch that was made while nobody wanted events may come without them. */
  onEvents(batch: EventBatch): void {
    const { revision, events } = batch;
    if (revision <= this.revision) {
      panic("watch hub was told of an old revision", { revision, current: this.revision });
    }
    this.revision = revision;
    if (this.synced.size > 0) this.fanOut.gather(revision, events);
  }

  /** Queues what `onEvents` has taken in. To be called at the end of each turn, before the streams are pulled. */
  flush(): void {
    this.fanOut.flush();
  }

  /** Sends the progress notices that are due. Cheap when none is. */
  tick(nowMs: number): void {
    if (nowMs < this.nextProgressMs) return;
    this.flush();
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
    this.flush();
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
    this.flush();
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

  /** Makes a synced watcher, whose cursor says from where, one that history is read for. */
  fallBehind(watcher: Watcher): void {
    this.leave(watcher);
    this.catchUp.add(watcher);
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
}

function writeUint64(out: WireWriter, tag: number, value: bigint): void {
  if (value === 0n) return;
  out.byte(tag);
  out.bigint(value);
}
