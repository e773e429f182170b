// From the changes of a turn to responses. Gathering costs what the groups of watchers of a changed key cost, however
// many watchers are in them; once per turn everything gathered for a group becomes one response, shared by its watchers,
// which the transport encodes once. So a watcher that hundreds of writes of one turn concern gets one message.
//
// A response is cut between revisions, never within one, once it is large. Filters and previous values make variants of
// it. A watcher whose start lies among the events gets one of its own.

import { EventType } from "#proto";
import { SharedEvent, type StoreEvent } from "./events.js";
import type { WatchHub } from "./hub.js";
import { GATHERED_BYTES_MAX } from "./limits.js";
import { mutations } from "./mutations.js";
import { eventResponse, type Response } from "./response.js";
import { VARIANTS, type Watcher } from "./watcher.js";
import type { WatcherGroup } from "./watcher-group.js";
import type { WatcherIndex } from "./watcher-index.js";

export class FanOut {
  private readonly hub: WatchHub;
  /** The synced watchers. */
  private readonly index: WatcherIndex;
  private readonly responseBytesMax: number;
  /** Groups that have gathered events. */
  private readonly groups: WatcherGroup[] = [];
  private bytes = 0;

  // Scratch, kept to allocate nothing per event.
  private readonly found: WatcherGroup[] = [];
  private readonly overflowed: Watcher[] = [];
  /** The responses of one segment; null where a variant's filters leave nothing. */
  private readonly variants: (Response | null | undefined)[] = new Array(VARIANTS).fill(undefined);

  constructor(hub: WatchHub, index: WatcherIndex, responseBytesMax: number) {
    this.hub = hub;
    this.index = index;
    this.responseBytesMax = responseBytesMax;
  }

  /** Takes in the changes of one revision. */
  gather(revision: number, changes: readonly StoreEvent[]): void {
    const { index, found, groups } = this;
    for (let i = 0; i < changes.length; i++) {
      const { type, key, kv } = changes[i];
      found.length = 0;
      index.collect(key, found);
      if (found.length === 0) continue;
      const event = new SharedEvent(revision, type === EventType.Delete, key, kv);
      for (let j = 0; j < found.length; j++) {
        const group = found[j];
        // Now, not later: a compaction of the same turn may take the previous value away.
        if (group.prevWatchers > 0) this.hub.resolvePrev(event);
        if (group.gather(event)) groups.push(group);
      }
      this.bytes += event.bytes;
    }
    if (this.bytes > GATHERED_BYTES_MAX) this.flush();
  }

  /** Queues everything gathered. */
  flush(): void {
    const { groups } = this;
    if (groups.length === 0) return;
    for (let i = 0; i < groups.length; i++) this.deliver(groups[i]);
    groups.length = 0;
    this.bytes = 0;
  }

  private deliver(group: WatcherGroup): void {
    const events = group.takeGathered();
    for (let start = 0; start < events.length; ) {
      const end = this.segmentEnd(events, start);
      this.deliverSegment(group.watchers, end - start === events.length ? events : events.slice(start, end));
      start = end;
    }
  }

  /** Where the response that begins with `events[start]` ends: as many whole revisions as fit, at least one. */
  private segmentEnd(events: readonly SharedEvent[], start: number): number {
    let end = start;
    let bytes = 0;
    while (end < events.length) {
      const { revision } = events[end];
      let next = end;
      while (next < events.length && events[next].revision === revision) bytes += events[next++].bytes;
      if (end > start && bytes > this.responseBytesMax) break;
      end = next;
    }
    return end;
  }

  private deliverSegment(watchers: readonly Watcher[], events: readonly SharedEvent[]): void {
    const { variants, overflowed } = this;
    const first = events[0].revision;
    variants.fill(undefined);
    for (let i = 0; i < watchers.length; i++) {
      const watcher = watchers[i];
      let response: Response | null | undefined;
      if (watcher.cursor <= first || mutations.futureRevisionWatchGetsOlderEvents) {
        response = variants[watcher.variant];
        if (response === undefined) response = variants[watcher.variant] = responseTo(watcher, events);
      } else response = responseTo(watcher, fromRevision(events, watcher.cursor));
      if (response === null) continue;
      if (!watcher.stream.hasRoom) {
        overflowed.push(watcher);
        continue;
      }
      watcher.idle = false;
      watcher.stream.push(watcher, response);
    }
    if (overflowed.length > 0) this.settleOverflowed(first);
  }

  /** Watchers for which events from this revision on found no room go on from it, through history. */
  private settleOverflowed(revision: number): void {
    for (const watcher of this.overflowed) {
      if (mutations.eventsLostOnFullStream) break;
      watcher.cursor = Math.max(watcher.cursor, revision);
      this.hub.fallBehind(watcher);
    }
    this.overflowed.length = 0;
  }
}

/** What of these events the watcher's filters let through. */
function responseTo(watcher: Watcher, events: readonly SharedEvent[]): Response | null {
  const wanted =
    watcher.noPut || watcher.noDelete ? events.filter((event) => watcher.wants(event.isDelete)) : events;
  if (wanted.length === 0) return null;
  return eventResponse(wanted[wanted.length - 1].revision, wanted, watcher.prevKv);
}

function fromRevision(events: readonly SharedEvent[], revision: number): readonly SharedEvent[] {
  let start = 0;
  while (start < events.length && events[start].revision < revision) start++;
  return events.slice(start);
}
