// RangeStream: a range in several messages, all of the revision at which the first was read. The size of the next
// message follows from the last one's: ten keys at first, then twice or half as many until messages are about as large
// as a request may be.
//
// Unlike a Range, which pins its revision, a stream lives as long as its client is slow. It is not worth holding back
// compaction for: a stream that compaction overtakes ends with the Compacted error, as etcd's does.

import { EMPTY_BYTES, varintSize, type WireWriter } from "#base";
import {
  ErrCompacted,
  ErrFutureRev,
  NO_LEASE,
  type RangeRequest,
  type RpcError,
  SortOrder,
  SortTarget,
} from "#proto";
import { KeyCursor } from "./key-cursor.js";
import { endOf, hasRevisionFilters, ownedRange, readStored, successorOf, writeBareKey } from "./range.js";
import type { StoreState } from "./state.js";

const FIRST_CHUNK_KEYS = 10;
const TAG_KVS = 0x12;
const TAG_MORE = 0x18;
const TAG_COUNT = 0x20;

/** What RangeStream cannot do, as the text of an Unimplemented status; undefined if it can. */
export function rangeStreamRefusal(req: RangeRequest): string | undefined {
  const byKey =
    req.sortOrder === SortOrder.None ||
    (req.sortOrder === SortOrder.Ascend && req.sortTarget === SortTarget.Key);
  if (!byKey) return "RangeStream does not support custom sort orders";
  if (hasRevisionFilters(req)) return "RangeStream does not support revision filters";
  return undefined;
}

export class RangeStream {
  /** Set with the last message: the one that carries the response header. */
  done = false;
  /** The newest revision when the stream began, for that header. */
  headerRevision = 0;
  private readonly req: RangeRequest;
  private readonly end: Uint8Array | undefined;
  private readonly cursor: KeyCursor;
  private readonly keysMax: number;
  /** Keys for the next message; not positive means all. */
  private chunkKeys: number;
  private start: Uint8Array;
  private sent = 0;
  private more = false;

  /**
   * @param req checked, and not refused by `rangeStreamRefusal`; copied
   * @param chunkBytes the size that messages should have: --max-request-bytes
   */
  constructor(
    private readonly state: StoreState,
    req: RangeRequest,
    private readonly chunkBytes: number,
  ) {
    this.req = ownedRange(req);
    this.start = this.req.key;
    this.end = endOf(this.req.key, this.req.rangeEnd);
    this.cursor = new KeyCursor(state.index);
    this.keysMax = req.limit === 0 ? Number.POSITIVE_INFINITY : req.limit;
    this.chunkKeys = Math.min(FIRST_CHUNK_KEYS, this.keysMax);
  }

  /**
   * Writes the body of the next RangeResponse, without header, and sets `done` with the last one.
   * @returns the error that ends the stream
   */
  next(out: WireWriter): RpcError | undefined {
    const { req, state } = this;
    const current = state.currentRevision;
    if (req.revision > current) return ErrFutureRev;
    if (this.headerRevision === 0) {
      this.headerRevision = current;
      if (req.revision === 0) req.revision = current;
      state.counters.ranges++;
    }
    const atRevision = req.revision < 0 ? current : req.revision;
    if (atRevision < state.compactedRevision) return ErrCompacted;
    this.cursor.index = state.index;
    if (!req.countOnly) this.writeChunk(out, atRevision);
    this.done = req.countOnly || !this.more || this.sent === this.keysMax;
    if (this.done) this.writeTotals(out, atRevision);
    return undefined;
  }

  private writeChunk(out: WireWriter, atRevision: number): void {
    const { cursor } = this;
    const before = out.length;
    const keysMax = this.chunkKeys > 0 ? this.chunkKeys : Number.POSITIVE_INFINITY;
    let keys = 0;
    cursor.seek(this.start, this.end, atRevision, false);
    this.more = false;
    let last: Uint8Array = EMPTY_BYTES;
    while (cursor.next()) {
      if (keys === keysMax) {
        this.more = true;
        break;
      }
      last = this.state.index.entries.keyView(cursor.ref);
      this.write(out, last);
      keys++;
    }
    if (this.more) this.start = successorOf(last);
    this.sent += keys;
    this.sizeNextChunk(out.length - before, keys);
  }

  private write(out: WireWriter, key: Uint8Array): void {
    const { main, sub, created, version } = this.cursor.revision;
    if (this.req.keysOnly) return writeBareKey(out, key, created, main, version, NO_LEASE);
    out.byte(TAG_KVS);
    out.bytes(readStored(this.state, main, sub));
  }

  private writeTotals(out: WireWriter, atRevision: number): void {
    if (this.more) {
      out.byte(TAG_MORE);
      out.byte(1);
    }
    let count = this.sent;
    if (this.req.countOnly || this.more) {
      this.cursor.seek(this.start, this.end, atRevision, false);
      for (let leaf = this.cursor.countLeaf(); leaf >= 0; leaf = this.cursor.countLeaf()) count += leaf;
    }
    if (count === 0) return;
    out.byte(TAG_COUNT);
    out.varint(count);
  }

  /** etcd measures a response as it would look with a header of its own and the count of the keys it has seen. */
  private sizeNextChunk(kvsBytes: number, keys: number): void {
    const seen = keys + (this.more ? 1 : 0);
    const bytes = kvsBytes + 3 + varintSize(this.headerRevision) + (this.more ? 2 : 0) + 1 + varintSize(seen);
    if (bytes < Math.floor(this.chunkBytes / 2)) this.chunkKeys *= 2;
    else if (bytes > this.chunkBytes * 2) this.chunkKeys = Math.max(1, Math.floor(this.chunkKeys / 2));
    this.chunkKeys = Math.min(this.chunkKeys, this.keysMax - this.sent);
  }
}
