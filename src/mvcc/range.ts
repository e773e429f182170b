// Range: the keys of [key, range_end) as they were at one revision. Results go straight into a RangeResponse
// body: stored KeyValue bytes are spliced in, never decoded, and keys_only is answered from the index alone. A read can
// be taken in steps, so that a range of a million keys does not hold up everybody else.
//
// A read in steps keeps to the revision at which it began. Writes in between do not show, because they are newer. A
// compaction past that revision takes effect for new requests at once, but what it would delete stays until this read
// is done or closed: so a Range never fails half-way. If the whole store is replaced (a snapshot from the leader), the
// read starts again on the new one; nothing of it has been sent yet, since the length of a gRPC message comes first.
//
// Limits, as etcd has them: with a sort order or with revision filters everything is read, then cut. An order of NONE
// with a target other than KEY, though, cuts first (limit + 1 keys in key order), and sorts only those.

import { copyBytes, EMPTY_BYTES, panic, type WireWriter } from "#base";
import {
  ErrCompacted,
  ErrFutureRev,
  KeyValue,
  type LeaseId,
  NO_LEASE,
  RangeRequest,
  type RpcError,
  SortOrder,
  SortTarget,
} from "#proto";
import { KeyCursor } from "./key-cursor.js";
import type { KeyRevision } from "./key-history.js";
import { beginMessage, endMessage } from "./nested.js";
import { RangeSort } from "./range-sort.js";
import { readRecord, valueOfRecord } from "./record.js";
import type { Pin, StoreState } from "./state.js";

const TAG_KVS = 0x12;
const TAG_MORE = 0x18;
const TAG_COUNT = 0x20;

const Phase = { Scan: 0, Gather: 1, Merge: 2, Count: 3, Done: 4 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const scratch = new KeyValue();

/** One Range request on its way through the store. Reused for reads that are taken in a single step. */
export class RangeReader implements Pin {
  pinnedRevision = 0;
  /** Set when the read has failed after `open`: only if the store was replaced meanwhile. */
  error: RpcError | undefined = undefined;
  private req = new RangeRequest();
  private out: WireWriter | undefined = undefined;
  private readonly cursor: KeyCursor;
  private phase: Phase = Phase.Done;
  private sort: RangeSort | undefined = undefined;
  /** Keys that existed, whether or not they pass the filters. */
  private count = 0;
  /** Keys that passed the filters. */
  private passed = 0;
  private written = 0;
  private more = false;
  /** Keys to stop the walk after; Infinity when all are needed. */
  private walkLimit = 0;
  private filtered = false;
  private pinned = false;
  private outStart = 0;
  private epoch = 0;

  constructor(private readonly state: StoreState) {
    this.cursor = new KeyCursor(state.index);
  }

  /**
   * Starts a read; `step` does it.
   * @param req stays as it is until the read is done
   * @param current the revision that counts as the newest: inside a transaction that has written, its own
   */
  open(req: RangeRequest, out: WireWriter, current: number): RpcError | undefined {
    const { state } = this;
    if (req.revision > current) return ErrFutureRev;
    const revision = req.revision <= 0 ? current : req.revision;
    if (revision < state.compactedRevision) return ErrCompacted;
    this.req = req;
    this.out = out;
    this.outStart = out.length;
    this.pinnedRevision = revision;
    this.epoch = state.epoch;
    this.error = undefined;
    this.sort = undefined;
    this.count = 0;
    this.passed = 0;
    this.written = 0;
    this.more = false;
    this.filtered = hasRevisionFilters(req);
    state.counters.ranges++;
    this.begin();
    return undefined;
  }

  /**
   * Goes on until about `keysMax` keys were visited or `bytesMax` bytes written, and pauses.
   * @returns true when the response body is complete (or `error` is set)
   */
  step(keysMax: number, bytesMax: number): boolean {
    if (this.pinned) this.wake();
    const bytesEnd = bytesMax + (this.out?.length ?? 0);
    for (let visited = 0; this.phase !== Phase.Done; ) {
      if (visited >= keysMax || (this.out?.length ?? 0) >= bytesEnd) {
        this.pause();
        return false;
      }
      visited += this.advance();
    }
    this.close();
    return true;
  }

  /** Lets the key index change before the next step. Until `close`, compaction waits for this read. */
  pause(): void {
    if (this.phase === Phase.Done) return;
    this.cursor.suspend();
    if (this.pinned) return;
    this.pinned = true;
    this.state.pin(this);
  }

  /** Ends the read, finished or not. Must be called for a read that is given up. */
  close(): void {
    if (this.pinned) this.state.unpin(this);
    this.pinned = false;
    this.phase = Phase.Done;
    this.out = undefined;
    this.sort = undefined;
  }

  private begin(): void {
    const { req } = this;
    if (req.rangeEnd.length === 0 && !req.countOnly) return this.readSingle();
    const byKey = req.sortTarget === SortTarget.Key;
    const descending = byKey && req.sortOrder === SortOrder.Descend && !req.countOnly; // counts go upwards
    this.cursor.index = this.state.index;
    this.cursor.seek(req.key, endOf(req.key, req.rangeEnd), this.pinnedRevision, descending);
    if (req.countOnly) {
      this.phase = Phase.Count;
      return;
    }
    this.walkLimit = req.limit > 0 ? req.limit + 1 : Number.POSITIVE_INFINITY;
    if (byKey) {
      this.phase = Phase.Scan;
      return;
    }
    this.phase = Phase.Gather;
    this.sort = new RangeSort(req.sortOrder === SortOrder.Descend);
    if (req.sortOrder !== SortOrder.None || this.filtered) this.walkLimit = Number.POSITIVE_INFINITY;
  }

  /** One small piece of work. @returns how many keys it looked at */
  private advance(): number {
    if (this.phase === Phase.Count) return this.countNext();
    if (this.phase === Phase.Merge) this.writeNextSorted();
    else this.walk();
    return 1;
  }

  private readSingle(): void {
    const { req } = this;
    const { index } = this.state;
    const found = index.find(req.key);
    const revision = this.cursor.revision;
    if (found !== 0 && index.resolve(found, this.pinnedRevision, revision)) {
      this.count = 1;
      if (!this.filtered || passes(req, revision)) this.write(revision.main, revision.sub, req.key, revision);
    }
    this.finish();
  }

  private walk(): void {
    const { cursor, req } = this;
    if (!cursor.next()) return this.walked();
    this.count++;
    if (this.filtered && !passes(req, cursor.revision)) return;
    this.passed++;
    if (this.phase === Phase.Gather) this.gather(cursor.revision);
    else if (this.passed === this.walkLimit) this.more = true;
    else {
      const key = this.fromIndex() ? this.state.index.entries.keyView(cursor.ref) : EMPTY_BYTES;
      this.write(cursor.revision.main, cursor.revision.sub, key, cursor.revision);
    }
    // The limit is reached: the rest only counts.
    if (this.passed === this.walkLimit) this.walked();
  }

  private gather(revision: KeyRevision): void {
    const { main, sub } = revision;
    const { sort } = this;
    if (sort === undefined) return;
    switch (this.req.sortTarget) {
      case SortTarget.Version:
        return sort.addNumber(revision.version, main, sub);
      case SortTarget.Create:
        return sort.addNumber(revision.created, main, sub);
      case SortTarget.Mod:
        return sort.addNumber(main, main, sub);
      default:
        return sort.addValue(valueOfRecord(readStored(this.state, main, sub)), main, sub);
    }
  }

  /** The walk is over: because of the range's end, or because of the limit, after which only counting is left. */
  private walked(): void {
    const { req, sort } = this;
    if (sort !== undefined) {
      this.more = req.limit > 0 && sort.length > req.limit;
      sort.finish();
      this.phase = Phase.Merge;
    } else this.countRest();
  }

  private countRest(): void {
    const { req } = this;
    if (this.passed < this.walkLimit) return this.finish();
    this.count = 0;
    this.cursor.seek(req.key, endOf(req.key, req.rangeEnd), this.pinnedRevision, false);
    this.phase = Phase.Count;
  }

  private writeNextSorted(): void {
    const { req, sort } = this;
    const element = sort === undefined || (req.limit > 0 && this.written === req.limit) ? -1 : sort.next();
    if (sort === undefined || element < 0) return this.countRest();
    this.write(sort.mainOf(element), sort.subOf(element), EMPTY_BYTES, undefined);
  }

  private countNext(): number {
    const counted = this.cursor.countLeaf();
    if (counted < 0) this.finish();
    else this.count += counted;
    return this.cursor.lookedAt;
  }

  private finish(): void {
    const { out } = this;
    if (out === undefined) panic("range is finished twice");
    if (this.more) {
      out.byte(TAG_MORE);
      out.byte(1);
    }
    if (this.count > 0) {
      out.byte(TAG_COUNT);
      out.varint(this.count);
    }
    this.phase = Phase.Done;
  }

  private fromIndex(): boolean {
    return this.req.keysOnly && this.req.sortTarget === SortTarget.Key;
  }

  private write(main: number, sub: number, key: Uint8Array, revision: KeyRevision | undefined): void {
    const { out, req } = this;
    if (out === undefined) return;
    this.written++;
    if (!req.keysOnly) {
      out.byte(TAG_KVS);
      out.bytes(readStored(this.state, main, sub));
    } else if (revision !== undefined && req.sortTarget !== SortTarget.Value) {
      writeBareKey(out, key, revision.created, main, revision.version, NO_LEASE);
    } else {
      const kv = readRecord(readStored(this.state, main, sub), scratch);
      // Sorted by value, the result comes from the records and has the lease; otherwise from the index, without.
      const lease = req.sortTarget === SortTarget.Value ? kv.lease : NO_LEASE;
      writeBareKey(out, kv.key, kv.createRevision, kv.modRevision, kv.version, lease);
    }
  }

  private wake(): void {
    if (this.epoch === this.state.epoch) return this.cursor.resume();
    const { out, req } = this;
    if (out === undefined) return;
    out.length = this.outStart;
    this.error = this.open(req, out, this.state.currentRevision);
    if (this.error !== undefined) this.phase = Phase.Done;
  }
}

/** The exclusive end of a range. A range_end of "\0" asks for all keys from `key` on: undefined. */
export function endOf(key: Uint8Array, rangeEnd: Uint8Array): Uint8Array | undefined {
  if (rangeEnd.length === 0) return successorOf(key);
  return rangeEnd.length === 1 && rangeEnd[0] === 0 ? undefined : rangeEnd;
}

/** The first key after `key`. */
export function successorOf(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** True if the request has any of the four revision filters. */
export function hasRevisionFilters(req: RangeRequest): boolean {
  return (
    req.minModRevision !== 0 ||
    req.maxModRevision !== 0 ||
    req.minCreateRevision !== 0 ||
    req.maxCreateRevision !== 0
  );
}

function passes(req: RangeRequest, revision: KeyRevision): boolean {
  return (
    (req.maxModRevision === 0 || revision.main <= req.maxModRevision) &&
    (req.minModRevision === 0 || revision.main >= req.minModRevision) &&
    (req.maxCreateRevision === 0 || revision.created <= req.maxCreateRevision) &&
    (req.minCreateRevision === 0 || revision.created >= req.minCreateRevision)
  );
}

/** A copy of the request that owns its bytes. */
export function ownedRange(req: RangeRequest): RangeRequest {
  const copy = Object.assign(new RangeRequest(), req);
  copy.key = copyBytes(req.key);
  copy.rangeEnd = copyBytes(req.rangeEnd);
  return copy;
}

/** The record of a revision that the index knows. Valid until the next call on the backend. */
export function readStored(state: StoreState, main: number, sub: number): Uint8Array {
  const record = state.backend.readRevision(main, sub);
  if (record === undefined) panic("a revision of the index is missing in the backend", { main, sub });
  return record;
}

/** Appends a KeyValue without a value to `kvs`. */
export function writeBareKey(
  out: WireWriter,
  key: Uint8Array,
  created: number,
  main: number,
  version: number,
  lease: LeaseId,
): void {
  const mark = beginMessage(out, TAG_KVS);
  out.byte(0x0a);
  out.bytes(key);
  out.byte(0x10);
  out.varint(created);
  out.byte(0x18);
  out.varint(main);
  out.byte(0x20);
  out.varint(version);
  if (lease !== NO_LEASE) {
    out.byte(0x30);
    out.bigint(lease);
  }
  endMessage(out, mark);
}
