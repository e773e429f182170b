// Catching up: watchers whose cursor is in the past are fed from the revision log until they have reached the hub's
// revision and join the synced ones. It goes in slices. A slice takes the stream whose turn it is, starts at the oldest
// cursor among its watchers, reads a bounded stretch of the log once, and serves every lagging watcher of every stream
// whose cursor lies in that stretch; so watchers that crawl through the same past soon share their reads. Streams take
// turns, and one whose queue is full is left out until its client has read: it costs nothing meanwhile but its cursors.
//
// A slice ends between two revisions, never within one, and each watcher gets what it found there as one response.

import { keyOf, SharedEvent } from "./events.js";
import type { WatchHub } from "./hub.js";
import { CATCH_UP_BYTES, CATCH_UP_REVISIONS, CATCH_UP_VISITS } from "./limits.js";
import { eventResponse } from "./response.js";
import type { WatchStream } from "./stream.js";
import type { Watcher } from "./watcher.js";
import type { WatcherGroup } from "./watcher-group.js";
import type { WatcherIndex } from "./watcher-index.js";

export class CatchUp {
  private readonly hub: WatchHub;
  /** All lagging watchers by what they watch. */
  private readonly index: WatcherIndex;
  /** Streams with lagging watchers and room, in order of their turns. */
  private readonly streams = new Set<WatchStream>();

  // The slice being read.
  private readonly events: SharedEvent[] = [];
  private readonly groups: WatcherGroup[] = [];
  private readonly touched: Watcher[] = [];
  private from = 0;
  private through = 0;
  private atRevision = 0;
  private recordsLeft = 0;
  private bytesLeft = 0;
  private revisionsLeft = 0;
  private readonly visitRecord = this.onRecord.bind(this);

  constructor(hub: WatchHub, index: WatcherIndex) {
    this.hub = hub;
    this.index = index;
  }

  get size(): number {
    return this.index.size;
  }

  get pending(): boolean {
    return this.streams.size > 0;
  }

  /** Takes in a watcher whose cursor is at or below the hub's revision; cancels it if that is compacted away. */
  add(watcher: Watcher): void {
    const { stream } = watcher;
    this.index.add(watcher);
    stream.lagging.add(watcher);
    const compacted = this.hub.history.compactedRevision;
    if (watcher.cursor < compacted) stream.cancelCompacted(watcher, compacted);
    else if (!stream.catchingUp && stream.isDrained) this.resume(stream);
  }

  remove(watcher: Watcher): void {
    const { stream } = watcher;
    this.index.remove(watcher);
    stream.lagging.delete(watcher);
    if (stream.lagging.size === 0) this.pause(stream);
  }

  /** The stream has room: its lagging watchers take part again. */
  resume(stream: WatchStream): void {
    stream.catchingUp = true;
    this.streams.add(stream);
  }

  /** Reads one slice. @returns whether any stream can go on */
  step(records: number): boolean {
    const stream = this.takeTurn();
    if (stream === undefined) return false;
    this.from = oldestCursor(stream);
    this.read(records);
    this.route();
    this.advance();
    return this.pending;
  }

  private pause(stream: WatchStream): void {
    stream.catchingUp = false;
    this.streams.delete(stream);
  }

  /** The first stream in line that still has something to catch up with, put at the end of the line. */
  private takeTurn(): WatchStream | undefined {
    const compacted = this.hub.history.compactedRevision;
    for (const stream of this.streams) {
      for (const watcher of stream.lagging) {
        if (watcher.cursor < compacted) stream.cancelCompacted(watcher, compacted);
      }
      if (!stream.catchingUp) continue;
      this.streams.delete(stream);
      this.streams.add(stream);
      return stream;
    }
    return undefined;
  }

  /** Copies the records that some lagging watcher watches, from `from` on, and sets `through` to the last revision
   *  read in full. */
  private read(records: number): void {
    this.events.length = 0;
    this.atRevision = 0;
    this.recordsLeft = records;
    this.bytesLeft = CATCH_UP_BYTES;
    this.revisionsLeft = CATCH_UP_REVISIONS;
    this.through = this.hub.revision;
    this.hub.history.readEventsFrom(this.from, this.visitRecord);
  }

  private onRecord(main: number, _sub: number, tombstone: boolean, kv: Uint8Array): boolean {
    if (main !== this.atRevision && !this.enterRevision(main)) return false;
    this.recordsLeft--;
    const groups = this.groups;
    groups.length = 0;
    this.index.collect(keyOf(kv), groups);
    if (groups.length === 0) return true;
    const owned = new Uint8Array(kv);
    this.bytesLeft -= owned.length;
    this.events.push(new SharedEvent(main, tombstone, keyOf(owned), owned));
    return true;
  }

  /** Whether the slice goes on with revision `main`. */
  private enterRevision(main: number): boolean {
    if (main > this.hub.revision) return false;
    const found = this.events.length;
    if (found > 0 && this.events[found - 1].revision === this.atRevision) this.revisionsLeft--;
    if (this.recordsLeft <= 0 || this.bytesLeft <= 0 || this.revisionsLeft <= 0) {
      this.through = main - 1;
      return false;
    }
    this.atRevision = main;
    return true;
  }

  /** Hands the events to the watchers that take part; lowers `through` if there are too many for one slice. */
  private route(): void {
    const { events, groups } = this;
    let visits = 0;
    for (let i = 0; i < events.length; i++) {
      const event = events[i];
      if (visits > CATCH_UP_VISITS && event.revision !== events[i - 1].revision) {
        this.through = event.revision - 1;
        break;
      }
      groups.length = 0;
      this.index.collect(event.key, groups);
      for (const group of groups) {
        visits += group.watchers.length;
        for (const watcher of group.watchers) if (this.concerns(event, watcher)) this.gather(event, watcher);
      }
    }
    events.length = 0;
  }

  private concerns(event: SharedEvent, watcher: Watcher): boolean {
    return (
      watcher.stream.catchingUp &&
      watcher.cursor >= this.from &&
      watcher.cursor <= event.revision &&
      watcher.wants(event.isDelete)
    );
  }

  private gather(event: SharedEvent, watcher: Watcher): void {
    if (watcher.pending === undefined) this.touched.push(watcher);
    if (watcher.prevKv) this.hub.resolvePrev(event);
    watcher.gather(event);
  }

  /** Moves the cursors of all that took part past the slice; those that reached the hub's revision are synced. */
  private advance(): void {
    const arrived: Watcher[] = [];
    this.flush(arrived);
    for (const stream of this.streams) {
      for (const watcher of stream.lagging) {
        if (watcher.cursor >= this.from && watcher.cursor <= this.through) this.moveOn(watcher, arrived);
      }
      if (!stream.hasRoom) this.pause(stream);
    }
    for (const watcher of arrived) {
      this.remove(watcher);
      this.hub.join(watcher);
    }
  }

  /** Queues what was gathered. A stream that is full by now is out of this slice: its watchers keep their cursors. */
  private flush(arrived: Watcher[]): void {
    for (const watcher of this.touched) {
      const events = watcher.takePending();
      const { stream } = watcher;
      if (!stream.hasRoom) {
        this.pause(stream);
        continue;
      }
      watcher.idle = false;
      stream.push(watcher, eventResponse(this.hub.history.currentRevision, events, watcher.prevKv));
      this.moveOn(watcher, arrived);
    }
    this.touched.length = 0;
  }

  private moveOn(watcher: Watcher, arrived: Watcher[]): void {
    watcher.cursor = this.through + 1;
    if (watcher.cursor > this.hub.revision) arrived.push(watcher);
  }
}

function oldestCursor(stream: WatchStream): number {
  let oldest = Number.POSITIVE_INFINITY;
  for (const watcher of stream.lagging) oldest = Math.min(oldest, watcher.cursor);
  return oldest;
}
