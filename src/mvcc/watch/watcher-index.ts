// Who watches this key? Watchers of single keys sit in a hash table by key, watchers of ranges in an interval tree;
// watchers of the same key or range form one group. The work of a lookup depends on the watchers found, not on those
// that exist. Adding and removing a watcher is O(1) in its group, because a watcher knows its place.

import { equalBytes, panic, type Random } from "#base";
import { IntervalTree } from "./interval-tree.js";
import type { KeyHash } from "./sip-hash.js";
import type { Watcher } from "./watcher.js";
import { WatcherGroup } from "./watcher-group.js";

const FIRST_SLOTS = 16;

export class WatcherIndex {
  private slots: (WatcherGroup | undefined)[] = new Array(FIRST_SLOTS).fill(undefined);
  private keys = 0;
  private readonly hash: KeyHash;
  private readonly ranges: IntervalTree;
  /** Watchers in the index. */
  size = 0;

  constructor(hash: KeyHash, random: Random) {
    this.hash = hash;
    this.ranges = new IntervalTree(random);
  }

  add(watcher: Watcher): void {
    const { key, end, single } = watcher.interval;
    const group = single ? this.ensureKey(key) : this.ranges.ensure(key, end);
    group.add(watcher);
    this.size++;
  }

  remove(watcher: Watcher): void {
    const group = watcher.group;
    if (group === undefined) panic("watcher is in no index", { id: watcher.id });
    group.remove(watcher);
    this.size--;
    if (group.watchers.length > 0) return;
    if (watcher.interval.single) this.forgetKey(group);
    else this.ranges.remove(group.begin, group.end);
  }

  /** Appends all groups that watch `key`. */
  collect(key: Uint8Array, into: WatcherGroup[]): void {
    if (this.keys > 0) {
      const group = this.find(key, this.hash.of(key));
      if (group !== undefined) into.push(group);
    }
    if (this.ranges.size > 0) this.ranges.collect(key, into);
  }

  private find(key: Uint8Array, hash: number): WatcherGroup | undefined {
    let group = this.slots[hash & (this.slots.length - 1)];
    while (group !== undefined && !(group.hash === hash && equalBytes(group.begin, key))) group = group.next;
    return group;
  }

  private ensureKey(key: Uint8Array): WatcherGroup {
    const hash = this.hash.of(key);
    const found = this.find(key, hash);
    if (found !== undefined) return found;
    if (this.keys === this.slots.length) this.resize(this.slots.length * 2);
    const group = new WatcherGroup(key, undefined, hash);
    this.link(group);
    this.keys++;
    return group;
  }

  private forgetKey(group: WatcherGroup): void {
    const at = group.hash & (this.slots.length - 1);
    if (this.slots[at] === group) {
      this.slots[at] = group.next;
    } else {
      let before = this.slots[at];
      while (before !== undefined && before.next !== group) before = before.next;
      if (before === undefined) panic("watched key is not in its slot");
      before.next = group.next;
    }
    this.keys--;
    if (this.slots.length > FIRST_SLOTS && this.keys * 8 < this.slots.length)
      this.resize(this.slots.length / 2);
  }

  private link(group: WatcherGroup): void {
    const at = group.hash & (this.slots.length - 1);
    group.next = this.slots[at];
    this.slots[at] = group;
  }

  private resize(size: number): void {
    const old = this.slots;
    this.slots = new Array(size).fill(undefined);
    for (const first of old) {
      for (let group = first; group !== undefined; ) {
        const next: WatcherGroup | undefined = group.next;
        this.link(group);
        group = next;
      }
    }
  }
}
