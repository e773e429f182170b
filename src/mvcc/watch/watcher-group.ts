// Watchers of the same key, or of the same range, kept in one dense array: the loop over it is the whole fan-out of what
// happened to their keys. A watcher knows its place in it, so it leaves in O(1).

import { panic } from "#base";
import type { SharedEvent } from "./events.js";
import type { Watcher } from "./watcher.js";

/** All watchers of one key or of one range. The order of `watchers` means nothing. */
export class WatcherGroup {
  readonly begin: Uint8Array;
  readonly end: Uint8Array | undefined;
  readonly hash: number;
  readonly watchers: Watcher[] = [];
  /** How many of them want previous values. */
  prevWatchers = 0;
  /** Events for this group that its watchers do not have yet, in order; see fan-out.ts. */
  private gathered: SharedEvent[] | undefined = undefined;

  constructor(begin: Uint8Array, end: Uint8Array | undefined, hash: number) {
    this.begin = begin;
    this.end = end;
    this.hash = hash;
  }

  add(watcher: Watcher): void {
    watcher.group = this;
    watcher.slot = this.watchers.length;
    this.watchers.push(watcher);
    if (watcher.prevKv) this.prevWatchers++;
  }

  remove(watcher: Watcher): void {
    const last = this.watchers.pop();
    if (last === undefined) panic("watcher removed from an empty group");
    if (last !== watcher) {
      this.watchers[watcher.slot] = last;
      last.slot = watcher.slot;
    }
    watcher.group = undefined;
    watcher.slot = -1;
    if (watcher.prevKv) this.prevWatchers--;
  }

  /** @returns whether it is the first since `takeGathered` */
  gather(event: SharedEvent): boolean {
    if (this.gathered !== undefined) {
      this.gathered.push(event);
      return false;
    }
    this.gathered = [event];
    return true;
  }

  takeGathered(): readonly SharedEvent[] {
    const events = this.gathered;
    if (events === undefined) panic("watcher group has gathered no events");
    this.gathered = undefined;
    return events;
  }
}
