// One revision in the making: puts and deletes that share a main revision and take sub revisions in order. A
// revision that changed nothing does not exist. Nothing here can fail: whatever may be refused was checked before the
// first write.
//
// Order within a change: the old record is read before the index forgets where it is; the index is changed; the record
// is appended; the lease learns of the key. The events of the revision go to the watchers when it is complete.

import type { WireWriter } from "#base";
import { type DeleteRangeRequest, EventType, NO_LEASE, type PutRequest } from "#proto";
import { KeyCursor } from "./key-cursor.js";
import type { EventSink, Leases } from "./ports.js";
import { endOf, readStored } from "./range.js";
import { RecordWriter, valueOfRecord } from "./record.js";
import type { StoreState } from "./state.js";
import type { StoreEvent } from "./watch/events.js";

const TAG_PUT_PREV_KV = 0x12;
const TAG_DELETED = 0x10;
const TAG_DELETE_PREV_KVS = 0x1a;

/** A change as the watchers get it. The record is shared; the key is a part of it, cut out when somebody asks. */
class RecordEvent implements StoreEvent {
  constructor(
    readonly type: EventType,
    readonly kv: Uint8Array,
    private readonly keyLength: number,
  ) {}

  get key(): Uint8Array {
    const at = this.keyLength < 0x80 ? 2 : this.keyLength < 0x4000 ? 3 : this.keyLength < 0x200000 ? 4 : 5;
    return this.kv.subarray(at, at + this.keyLength);
  }
}

export class WriteTxn {
  /** The revision that the changes get. */
  main = 0;
  /** Changes made so far. */
  changes = 0;
  private events: StoreEvent[] = [];
  private readonly records = new RecordWriter();
  private readonly cursor: KeyCursor;
  private doomed = new Uint32Array(16);

  constructor(
    private readonly state: StoreState,
    private readonly leases: Leases,
    public sink: EventSink | undefined,
  ) {
    this.cursor = new KeyCursor(state.index);
  }

  /** Opens the next revision. */
  begin(): void {
    this.main = this.state.currentRevision + 1;
    this.changes = 0;
  }

  /** The revision that reads see at this point: with what was written so far, within the same transaction too. */
  get readRevision(): number {
    return this.changes > 0 ? this.main : this.main - 1;
  }

  /** Closes the revision: it becomes current, unless nothing was changed. */
  end(): void {
    if (this.changes === 0) return;
    this.state.currentRevision = this.main;
    if (this.sink === undefined) return;
    const { events } = this;
    if (events.length > 0) this.events = [];
    this.sink.onEvents({ revision: this.main, events });
  }

  /**
   * @param found `index.find(req.key)`
   * @param out gets the body of the PutResponse (prev_kv), if anybody wants it
   */
  put(req: PutRequest, found: number, out: WireWriter | undefined): void {
    const { backend, counters, index } = this.state;
    const live = index.isLive(found);
    const oldLease = live ? index.leaseOf(found) : NO_LEASE;
    const lease = req.ignoreLease ? oldLease : req.lease;
    let value = req.value;
    if (live && (req.ignoreValue || (req.prevKv && out !== undefined))) {
      const previous = this.newestRecord(found);
      if (req.prevKv && out !== undefined) {
        out.byte(TAG_PUT_PREV_KV);
        out.bytes(previous);
      }
      if (req.ignoreValue) value = valueOfRecord(previous);
    }
    const sub = this.changes++;
    index.put(req.key, found, this.main, sub, lease);
    const record = this.records.put(req.key, index.created, this.main, index.version, value, lease);
    backend.appendRevision(this.main, sub, false, record);
    counters.puts++;
    counters.putBytes += record.length;
    if (this.sink?.wantsEvents === true)
      this.events.push(new RecordEvent(EventType.Put, record, req.key.length));
    if (oldLease === lease) return;
    if (oldLease !== NO_LEASE) this.leases.detach(oldLease, req.key);
    if (lease !== NO_LEASE) this.leases.attach(lease, req.key);
  }

  /**
   * Deletes every live key of a range.
   * @param out gets the body of the DeleteRangeResponse (deleted, prev_kvs), if anybody wants it
   * @returns the number of keys deleted
   */
  deleteRange(req: DeleteRangeRequest, out: WireWriter | undefined): number {
    const count = this.findDoomed(req);
    if (out !== undefined && count > 0) {
      out.byte(TAG_DELETED);
      out.varint(count);
      for (let i = 0; req.prevKv && i < count; i++) {
        out.byte(TAG_DELETE_PREV_KVS);
        out.bytes(this.newestRecord(this.doomed[i]));
      }
    }
    for (let i = 0; i < count; i++) this.delete(this.doomed[i]);
    return count;
  }

  /** True if the range has a live key. */
  wouldDelete(req: DeleteRangeRequest): boolean {
    const { index } = this.state;
    if (req.rangeEnd.length === 0) return index.isLive(index.find(req.key));
    this.cursor.index = index;
    this.cursor.seek(req.key, endOf(req.key, req.rangeEnd), this.main, false);
    return this.cursor.next();
  }

  /** Deletes one key, if it is live. */
  deleteKey(key: Uint8Array): boolean {
    const found = this.state.index.find(key);
    if (!this.state.index.isLive(found)) return false;
    this.delete(found);
    return true;
  }

  /** Collects the refs of the live keys of a range in `doomed`. */
  private findDoomed(req: DeleteRangeRequest): number {
    const { index } = this.state;
    if (req.rangeEnd.length === 0) {
      this.doomed[0] = index.find(req.key);
      return index.isLive(this.doomed[0]) ? 1 : 0;
    }
    const { cursor } = this;
    cursor.index = index;
    cursor.seek(req.key, endOf(req.key, req.rangeEnd), this.main, false);
    let count = 0;
    while (cursor.next()) {
      if (count === this.doomed.length) {
        const bigger = new Uint32Array(count * 2);
        bigger.set(this.doomed);
        this.doomed = bigger;
      }
      this.doomed[count++] = cursor.ref;
    }
    return count;
  }

  private delete(ref: number): void {
    const { backend, counters, index } = this.state;
    const key = index.entries.keyView(ref);
    const lease = index.leaseOf(ref);
    const sub = this.changes++;
    index.tombstone(ref, this.main, sub);
    const record = this.records.tombstone(key);
    backend.appendRevision(this.main, sub, true, record);
    counters.deletes++;
    if (this.sink?.wantsEvents === true)
      this.events.push(new RecordEvent(EventType.Delete, record, key.length));
    if (lease !== NO_LEASE) this.leases.detach(lease, key);
  }

  private newestRecord(ref: number): Uint8Array {
    const { entries } = this.state.index;
    return readStored(this.state, entries.main(ref), entries.subAndTombstone(ref) >>> 1);
  }
}
