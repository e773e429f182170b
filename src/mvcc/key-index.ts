// The key index: every key that has any revision left, in memory, with all its revisions. Values are in
// the backend under their revision; the index says which revision a key had when.
//
// Five parts: `KeyEntries` (a block of memory per key with its bytes and newest revision), `KeyHistory` (older
// revisions), `KeyTable` (exact lookup), `OrderedKeys` (ranges and counts), `LeaseSlots` (lease per key). This class
// keeps them in step. Invariants: a key is in the ordered keys as long as it has an entry; revisions of a key ascend;
// `liveKeys` and the leaf counts of the ordered keys are what a walk over all entries would find.
//
// Compaction at R keeps, per key, the newest revision <= R unless that is a tombstone older than R, and all newer
// ones. Nothing that a read at R or later can see changes, so it can go key by key while requests run.

import { panic } from "#base";
import { type LeaseId, NO_LEASE } from "#proto";
import { KeyArrivals } from "./key-arrivals.js";
import { KeyEntries } from "./key-entry.js";
import { hashBytes, hashKey, KeyTable, UNSETTLED } from "./key-hash.js";
import { KeyHistory, type KeyRevision } from "./key-history.js";
import { OrderedKeys } from "./key-order.js";
import { LeaseSlots } from "./lease-slots.js";
import { dropsLastTombstones } from "./mutations.js";

export class KeyIndex {
  readonly entries = new KeyEntries();
  readonly order = new OrderedKeys(this.entries);
  /** Keys whose newest revision is not a tombstone. */
  liveKeys = 0;
  /** Keys with any revision left. */
  keys = 0;
  /** Set by `put`: create revision of the key. */
  created = 0;
  /** Set by `put`: version of the key. */
  version = 0;
  /** Set by `compactKey`: something of the key at or below the revision remains. */
  keptOlder = false;
  private readonly table = new KeyTable(this.entries);
  private readonly history = new KeyHistory(this.entries.memory);
  private readonly leases = new LeaseSlots();
  /** While the index is restored. */
  private arrivals: KeyArrivals | undefined = undefined;

  /** The key's ref, 0 if the index has no such key. Valid until a key is removed, that is, until compaction runs. */
  find(key: Uint8Array): number {
    return this.findHashed(key, hashBytes(key));
  }

  /** True if `ref` is a key whose newest revision is not a tombstone. */
  isLive(ref: number): boolean {
    return ref !== 0 && !this.entries.isTombstone(ref);
  }

  /** The key's lease as of its newest revision. */
  leaseOf(ref: number): LeaseId {
    return this.leases.id(this.entries.leaseSlot(ref));
  }

  /** What `key` was at `atRevision`. False if it did not exist then. */
  get(key: Uint8Array, atRevision: number, into: KeyRevision): boolean {
    const ref = this.find(key);
    return ref !== 0 && this.resolve(ref, atRevision, into);
  }

  /** What the key of `ref` was at `atRevision`. False if it did not exist then. */
  resolve(ref: number, atRevision: number, into: KeyRevision): boolean {
    const entries = this.entries;
    const main = entries.main(ref);
    if (main <= atRevision) {
      const subAndTombstone = entries.subAndTombstone(ref);
      if ((subAndTombstone & 1) === 1) return false;
      into.main = main;
      into.sub = subAndTombstone >>> 1;
      into.tombstone = false;
      into.created = entries.created(ref);
      into.version = entries.version(ref);
      return true;
    }
    const older = entries.older(ref);
    return older !== 0 && this.history.find(older, atRevision, into) && !into.tombstone;
  }

  /**
   * Records a put. Sets `created` and `version`.
   * @param found `find(key)`
   * @returns the key's ref
   */
  put(key: Uint8Array, found: number, main: number, sub: number, lease: LeaseId): number {
    const entries = this.entries;
    if (found === 0) {
      this.created = main;
      this.version = 1;
      return this.add(key, main, sub << 1, lease);
    }
    const dead = entries.isTombstone(found);
    this.created = dead ? main : entries.created(found);
    this.version = entries.version(found) + 1; // a tombstone has version 0
    this.retire(found, main, sub);
    entries.setNewest(found, main, sub << 1, this.created, this.version);
    if (dead) this.noteLife(found, 1, main);
    if (lease !== NO_LEASE || entries.leaseSlot(found) !== 0) this.setLease(found, lease);
    return found;
  }

  /** Records the deletion of a live key. */
  tombstone(ref: number, main: number, sub: number): void {
    if (!this.isLive(ref)) panic("tombstone on a key that does not exist", { main, sub });
    this.retire(ref, main, sub);
    this.entries.setNewest(ref, main, (sub << 1) | 1, 0, 0);
    this.noteLife(ref, -1, main);
    if (this.entries.leaseSlot(ref) !== 0) this.setLease(ref, NO_LEASE);
  }

  /** To be called on an empty index; then only `restore` until `endRestore`, which puts the keys in order. */
  beginRestore(): void {
    this.arrivals = new KeyArrivals();
  }

  /**
   * Takes in one record of the revision log at start; records come in ascending order. Create revision and version are
   * those of the record: earlier ones of the key may be compacted away. The key is `bytes[start, end)`.
   */
  restore(
    bytes: Uint8Array,
    start: number,
    end: number,
    main: number,
    sub: number,
    tombstone: boolean,
    created: number,
    version: number,
    lease: LeaseId,
  ): void {
    const { arrivals, entries } = this;
    if (arrivals === undefined) panic("a record for an index that is not being restored", { main, sub });
    const ref = entries.createFrom(bytes, start, end);
    if (tombstone) entries.setNewest(ref, main, (sub << 1) | 1, 0, 0);
    else entries.setNewest(ref, main, sub << 1, created, version);
    if (lease !== NO_LEASE) entries.setLeaseSlot(ref, this.leases.acquire(lease));
    if (arrivals.push(ref, hashKey(entries, ref))) this.takeArrivals(arrivals);
  }

  endRestore(): void {
    const { arrivals } = this;
    if (arrivals === undefined) return;
    this.takeArrivals(arrivals);
    this.orderArrivals(arrivals);
    this.arrivals = undefined;
  }

  /**
   * Drops the revisions of a key that nobody can read at `revision` or later. Sets `keptOlder`.
   * @returns true if nothing remains and the caller has to remove the key
   */
  compactKey(ref: number, revision: number): boolean {
    const entries = this.entries;
    const tombstonesFrom = dropsLastTombstones() ? revision + 1 : revision;
    const older = entries.older(ref);
    if (entries.main(ref) <= revision) {
      if (older !== 0) {
        this.history.drop(older);
        entries.setOlder(ref, 0);
      }
      const gone = entries.isTombstone(ref) && entries.main(ref) < tombstonesFrom;
      this.keptOlder = !gone;
      return gone;
    }
    this.keptOlder = false;
    if (older === 0) return false;
    const rest = this.history.dropBefore(older, revision, tombstonesFrom);
    entries.setOlder(ref, rest);
    this.keptOlder = rest !== 0 && this.history.oldestMain(rest) <= revision;
    return false;
  }

  /** Removes a key that `compactKey` declared gone, found at the given position of the ordered keys. */
  removeAt(position: number, slot: number): void {
    const ref = this.order.refAt(position, slot);
    this.order.removeAt(position, slot);
    this.table.remove(hashBytes(this.entries.keyView(ref)), ref);
    this.entries.destroy(ref);
    this.keys--;
  }

  /** Calls `visit` for every key with a lease. */
  forEachLeased(visit: (key: Uint8Array, lease: LeaseId) => void): void {
    if (this.leases.isEmpty) return;
    for (let position = 0; position < this.order.leafCount; position++) {
      for (let slot = 0; slot < this.order.keyCount(position); slot++) {
        const ref = this.order.refAt(position, slot);
        if (this.entries.leaseSlot(ref) !== 0) visit(this.entries.keyView(ref), this.leaseOf(ref));
      }
    }
  }

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.entries.memory.bytesReserved + this.table.bytes + this.order.bytes;
  }

  /** All revisions of a key, oldest first, as `main.sub` with a `t` for tombstones; for tests and debugging. */
  describeKey(ref: number): string {
    let text = "";
    this.history.forEach(this.entries.older(ref), (main, sub, tombstone) => {
      text += `${main}.${sub}${tombstone ? "t" : ""} `;
    });
    const subAndTombstone = this.entries.subAndTombstone(ref);
    return `${text}${this.entries.main(ref)}.${subAndTombstone >>> 1}${subAndTombstone & 1 ? "t" : ""}`;
  }

  private findHashed(key: Uint8Array, hash: number): number {
    const ref = this.table.find(key, hash);
    if (ref !== UNSETTLED) return ref;
    return this.order.locate(key) ? this.order.refAt(this.order.leafAt, this.order.slotAt) : 0;
  }

  private add(key: Uint8Array, main: number, subAndTombstone: number, lease: LeaseId): number {
    const ref = this.entries.create(key);
    this.entries.setNewest(ref, main, subAndTombstone, this.created, this.version);
    this.table.insert(hashBytes(key), ref);
    this.order.insert(key, ref, true, main);
    this.keys++;
    this.liveKeys++;
    if (lease !== NO_LEASE) this.setLease(ref, lease);
    return ref;
  }

  private takeArrivals(arrivals: KeyArrivals): void {
    const { refs, hashes, count } = arrivals;
    this.table.touch(hashes, count);
    for (let i = 0; i < count; i++) this.takeArrival(arrivals, refs[i], hashes[i]);
    arrivals.count = 0;
  }

  /** Looks up the key of a block that holds one record: the block becomes the key's, or its content goes there. */
  private takeArrival(arrivals: KeyArrivals, ref: number, hash: number): void {
    const { entries, table } = this;
    let found = table.findSame(ref, hash);
    if (found === UNSETTLED) {
      // Only the ordered keys know. From here on it goes key by key.
      this.orderArrivals(arrivals);
      found = this.findHashed(entries.keyView(ref), hash);
    }
    if (found !== 0) return this.merge(ref, found);
    const live = this.isLive(ref);
    table.insert(hash, ref);
    if (arrivals.keys !== undefined) arrivals.keys.push(ref);
    else this.order.insert(entries.keyView(ref), ref, live, entries.main(ref));
    this.keys++;
    if (live) this.liveKeys++;
  }

  /** The record in block `ref` becomes the newest revision of `found`. */
  private merge(ref: number, found: number): void {
    const { entries, leases } = this;
    const main = entries.main(ref);
    const subAndTombstone = entries.subAndTombstone(ref);
    const wasLive = this.isLive(found);
    const live = this.isLive(ref);
    this.retire(found, main, subAndTombstone >>> 1);
    entries.setNewest(found, main, subAndTombstone, entries.created(ref), entries.version(ref));
    if (wasLive !== live) this.noteLife(found, live ? 1 : -1, main);
    leases.release(entries.leaseSlot(found));
    entries.setLeaseSlot(found, entries.leaseSlot(ref));
    entries.destroy(ref);
  }

  private orderArrivals(arrivals: KeyArrivals): void {
    if (arrivals.keys === undefined) return;
    this.order.build(arrivals.keys.view());
    arrivals.keys = undefined;
  }

  /** Moves the newest revision to the older ones, to make place for (main, sub). */
  private retire(ref: number, main: number, sub: number): void {
    const entries = this.entries;
    const oldMain = entries.main(ref);
    const old = entries.subAndTombstone(ref);
    if (main < oldMain || (main === oldMain && sub <= old >>> 1)) {
      panic("revision of a key goes backwards", { main, sub, oldMain, oldSub: old >>> 1 });
    }
    const older = entries.older(ref);
    entries.setOlder(ref, this.history.push(older, oldMain, old, entries.created(ref), entries.version(ref)));
  }

  private noteLife(ref: number, change: number, main: number): void {
    this.liveKeys += change;
    if (this.arrivals?.keys !== undefined) return; // found out when they are put in order
    if (!this.order.locate(this.entries.keyView(ref)))
      panic("a key is missing from the ordered keys", { main });
    this.order.noteLife(this.order.leafAt, change, main);
  }

  private setLease(ref: number, lease: LeaseId): void {
    const slot = this.leases.acquire(lease);
    this.leases.release(this.entries.leaseSlot(ref));
    this.entries.setLeaseSlot(ref, slot);
  }
}
