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
  // The table of watched keys: open addressing with linear probing, the hashes apart from the groups, so that looking
  // past another key's slot, or finding that nobody watches a key, touches nothing but the hashes.
  private hashes = new Int32Array(FIRST_SLOTS);
  private groups: (WatcherGroup | undefined)[] = new Array(FIRST_SLOTS).fill(undefined);
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
    const hashes = this.hashes;
    const mask = hashes.length - 1;
    // 0 marks a free slot; KeyHash never returns it.
    for (let slot = hash & mask; hashes[slot] !== 0; slot = (slot + 1) & mask) {
      if (hashes[slot] !== hash) continue;
      const group = this.groups[slot];
      if (group !== undefined && equalBytes(group.begin, key)) return group;
    }
    return undefined;
  }

  private ensureKey(key: Uint8Array): WatcherGroup {
    const hash = this.hash.of(key);
    const found = this.find(key, hash);
    if (found !== undefined) return found;
    if ((this.keys + 1) * 2 > this.hashes.length) this.resize(this.hashes.length * 2);
    const group = new WatcherGroup(key, undefined, hash);
    this.place(group);
    this.keys++;
    return group;
  }

  /** Frees the group's slot and moves later groups of the same run back, so that no run has a hole. */
  private forgetKey(group: WatcherGroup): void {
    const { hashes, groups } = this;
    const mask = hashes.length - 1;
    let hole = group.hash & mask;
    while (groups[hole] !== group) {
      if (hashes[hole] === 0) panic("watched key is not in the table");
      hole = (hole + 1) & mask;
    }
    for (let next = (hole + 1) & mask; hashes[next] !== 0; next = (next + 1) & mask) {
      const home = hashes[next] & mask;
      if (((next - home) & mask) < ((next - hole) & mask)) continue; // it would land before its home
      hashes[hole] = hashes[next];
      groups[hole] = groups[next];
      hole = next;
    }
    hashes[hole] = 0;
    groups[hole] = undefined;
    this.keys--;
    if (hashes.length > FIRST_SLOTS && this.keys * 16 < hashes.length) this.resize(hashes.length / 2);
  }

  private place(group: WatcherGroup): void {
    const { hashes, groups } = this;
    const mask = hashes.length - 1;
    let slot = group.hash & mask;
    while (hashes[slot] !== 0) slot = (slot + 1) & mask;
    hashes[slot] = group.hash;
    groups[slot] = group;
  }

  private resize(size: number): void {
    const old = this.groups;
    this.hashes = new Int32Array(size);
    this.groups = new Array(size).fill(undefined);
    for (const group of old) if (group !== undefined) this.place(group);
  }
}
