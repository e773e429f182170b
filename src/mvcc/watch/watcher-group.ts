// Watchers of the same key, or of the same range, kept in one dense array: the loop over it is the whole fan-out of an
// event. A watcher knows its place in it, so it leaves in O(1).

import { panic } from "#base";
import type { Watcher } from "./watcher.js";

/** All watchers of one key or of one range. The order of `watchers` means nothing. */
export class WatcherGroup {
  readonly begin: Uint8Array;
  readonly end: Uint8Array | undefined;
  readonly hash: number;
  readonly watchers: Watcher[] = [];

  constructor(begin: Uint8Array, end: Uint8Array | undefined, hash: number) {
    this.begin = begin;
    this.end = end;
    this.hash = hash;
  }

  add(watcher: Watcher): void {
    watcher.group = this;
    watcher.slot = this.watchers.length;
    this.watchers.push(watcher);
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
  }
}
