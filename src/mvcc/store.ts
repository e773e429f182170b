// The store: etcd's multi-version key space. Every write makes a new revision; every revision since the last compaction
// can be read. This class is the way in; the parts are in files of their own.
//
// Writes come from the raft log, one entry at a time, and must end the same way on every member: their outcome depends
// on the entry, on this state and on the leases, and on nothing else. A refusal is part of that outcome. Whether
// somebody waits for the response (`out`) may change what is read, never what is written or refused.
//
// Response bodies are written without the outer header, whose fields only the API layer knows.

import type { WireWriter } from "#base";
import type { DeleteRangeRequest, PutRequest, RangeRequest, RpcError, TxnRequest } from "#proto";
import type { Backend } from "./backend.js";
import { type CompactionProgress, Compactor } from "./compaction.js";
import { HashCache, HashReader, type RevisionHash } from "./hash.js";
import { KeyRevision } from "./key-history.js";
import type { EventSink, Leases } from "./ports.js";
import { ownedRange, RangeReader, readStored } from "./range.js";
import { RangeStream } from "./range-stream.js";
import { restoreState } from "./restore.js";
import { type StoreCounters, StoreState } from "./state.js";
import { TxnRunner } from "./txn.js";
import type { History, RecordVisitor } from "./watch/history.js";
import { WriteTxn } from "./write-txn.js";

export interface StoreOptions {
  readonly leases: Leases;
  /** Hears of every revision; may be set later through `Store.events`. */
  readonly events?: EventSink;
}

/** The outcome of a write. The store has one, and fills it anew with each call. */
export class ApplyResult {
  /** Why the write was refused; it has then changed nothing. */
  error: RpcError | undefined = undefined;
  /** For the response header: the revision of the write, or the current one if it changed nothing. */
  revision = 0;
  /** Keys deleted by a DeleteRange. */
  deleted = 0;
  /** Whether the comparisons of a Txn held. */
  succeeded = false;
}

export class Store implements History {
  private readonly state: StoreState;
  private readonly leases: Leases;
  private readonly write: WriteTxn;
  private readonly txns: TxnRunner;
  private readonly reader: RangeReader;
  private readonly hashes = new HashCache();
  private readonly compactor: Compactor;
  private readonly result = new ApplyResult();
  private readonly revision = new KeyRevision();

  /** The store is empty until `restore` is called. */
  constructor(backend: Backend, options: StoreOptions) {
    this.state = new StoreState(backend);
    this.leases = options.leases;
    this.write = new WriteTxn(this.state, this.leases, options.events);
    this.txns = new TxnRunner(this.state, this.leases, this.write);
    this.reader = new RangeReader(this.state);
    this.compactor = new Compactor(this.state, this.hashes);
  }

  /** The watch hub, or whoever else wants to hear of changes. */
  set events(sink: EventSink | undefined) {
    this.write.sink = sink;
  }

  /** Rebuilds the state in memory from the backend: at start, or from another one after a snapshot was installed. The
   *  leases must be there already; keys are attached to them. */
  restore(backend: Backend = this.state.backend): void {
    this.state.backend = backend;
    this.hashes.clear();
    restoreState(this.state, this.compactor, this.leases);
  }

  get currentRevision(): number {
    return this.state.currentRevision;
  }

  /** Reads below this revision are refused; -1 when nothing was ever compacted. */
  get compactedRevision(): number {
    return this.state.compactedRevision;
  }

  /** The revision up to which compaction has deleted everything, -1 for none. */
  get finishedCompactRevision(): number {
    return this.compactor.finishedRevision;
  }

  get counters(): StoreCounters {
    return this.state.counters;
  }

  /** Keys that exist at the current revision. */
  get keyCount(): number {
    return this.state.index.liveKeys;
  }

  /** Memory held by the key index, in bytes. */
  get indexBytes(): number {
    return this.state.index.bytes;
  }

  /** Applies a Put. @param out gets the response body; undefined if nobody waits for it */
  applyPut(req: PutRequest, out: WireWriter | undefined): ApplyResult {
    const found = this.state.index.find(req.key);
    const error = this.txns.checkPut(req, found);
    if (error !== undefined) return this.refused(error);
    this.write.begin();
    this.write.put(req, found, out);
    this.write.end();
    return this.applied();
  }

  /** Applies a DeleteRange. @param out as for `applyPut` */
  applyDeleteRange(req: DeleteRangeRequest, out: WireWriter | undefined): ApplyResult {
    this.write.begin();
    const deleted = this.write.deleteRange(req, out);
    this.write.end();
    const result = this.applied();
    result.deleted = deleted;
    return result;
  }

  /** Applies a Txn, or runs one that only reads. @param out as for `applyPut` */
  applyTxn(req: TxnRequest, out: WireWriter | undefined): ApplyResult {
    this.write.begin();
    const error = this.txns.run(req, out);
    this.write.end();
    this.state.counters.txns++;
    if (error !== undefined) return this.refused(error);
    const result = this.applied();
    result.succeeded = this.txns.succeeded;
    return result;
  }

  /** Deletes the keys of a revoked lease, all in one revision. Keys that do not exist are passed over. */
  applyDeleteKeys(keys: readonly Uint8Array[]): ApplyResult {
    this.write.begin();
    for (const key of keys) this.write.deleteKey(key);
    this.write.end();
    const result = this.applied();
    result.deleted = this.write.changes;
    return result;
  }

  /** Answers a Range in one go. For the header: `currentRevision`. */
  range(req: RangeRequest, out: WireWriter): RpcError | undefined {
    const error = this.reader.open(req, out, this.state.currentRevision);
    if (error === undefined) this.reader.step(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
    return error;
  }

  /**
   * Starts a Range that is answered in steps; `reader.error` is set if it is refused. `out` belongs to the reader
   * until it is done. The header's revision is the current one at this call. Step it until it is done, or close it:
   * compaction waits for it.
   */
  openRange(req: RangeRequest, out: WireWriter): RangeReader {
    const reader = new RangeReader(this.state);
    reader.error = reader.open(ownedRange(req), out, this.state.currentRevision);
    if (reader.error === undefined) reader.pause();
    return reader;
  }

  /** Starts a RangeStream. @param chunkBytes the size that messages should have */
  openRangeStream(req: RangeRequest, chunkBytes: number): RangeStream {
    return new RangeStream(this.state, req, chunkBytes);
  }

  /** Decides a compaction; the work is done by `compactionStep`. */
  compact(revision: number): RpcError | undefined {
    return this.compactor.compact(revision);
  }

  /** Does a part of the pending compaction work. @param budget keys or records to look at */
  compactionStep(budget: number): CompactionProgress {
    return this.compactor.step(budget);
  }

  /** Starts a HashKV, to be computed in steps. @param revision 0 for the current one */
  hashKv(revision: number): HashReader {
    return new HashReader(this.state, this.hashes, revision);
  }

  /** Hashes left by the last compactions, oldest first. */
  compactionHashes(): readonly RevisionHash[] {
    return this.hashes.all();
  }

  readEventsFrom(revision: number, visit: RecordVisitor): void {
    this.state.backend.scanRevisions(revision, 0, visit);
  }

  previousKv(key: Uint8Array, beforeRevision: number): Uint8Array | undefined {
    const atRevision = beforeRevision - 1;
    if (atRevision < this.state.compactedRevision) return undefined;
    if (!this.state.index.get(key, atRevision, this.revision)) return undefined;
    return readStored(this.state, this.revision.main, this.revision.sub);
  }

  private applied(): ApplyResult {
    const { result } = this;
    result.error = undefined;
    result.revision = this.state.currentRevision;
    result.deleted = 0;
    result.succeeded = false;
    return result;
  }

  private refused(error: RpcError): ApplyResult {
    const result = this.applied();
    result.error = error;
    return result;
  }
}
