// Transactions. Three passes over the request, and only the last one writes:
//
//   1. decide: every comparison, those of nested transactions on the chosen path too, against the state before the
//      whole transaction. The decisions are kept in the order in which execution will ask for them.
//   2. check: every operation on the chosen path, so that nothing can fail once something is written. This must not
//      depend on who executes: a member that has no client waiting skips the ranges' results, not their checks.
//   3. execute: all writes into one revision; reads see what was written before them.

import { compareBytes, EMPTY_BYTES, panic, type WireWriter } from "#base";
import {
  type Compare,
  CompareResult,
  CompareTarget,
  DeleteRangeRequest,
  ErrCompacted,
  ErrFutureRev,
  ErrKeyNotFound,
  ErrLeaseNotFound,
  NO_LEASE,
  PutRequest,
  RangeRequest,
  type RequestOp,
  type RpcError,
  type TxnRequest,
  writeRevisionHeader,
} from "#proto";
import { KeyCursor } from "./key-cursor.js";
import { KeyRevision } from "./key-history.js";
import { mutations } from "./mutations.js";
import { beginMessage, endMessage } from "./nested.js";
import type { Leases } from "./ports.js";
import { endOf, RangeReader, readStored } from "./range.js";
import { valueOfRecord } from "./record.js";
import type { StoreState } from "./state.js";
import type { WriteTxn } from "./write-txn.js";

const TAG_SUCCEEDED = 0x10;
const TAG_RESPONSES = 0x1a;
const TAG_RESPONSE_RANGE = 0x0a;
const TAG_RESPONSE_PUT = 0x12;
const TAG_RESPONSE_DELETE_RANGE = 0x1a;
const TAG_RESPONSE_TXN = 0x22;

export class TxnRunner {
  /** Decisions, outer transactions before those nested in them. */
  private readonly path: boolean[] = [];
  private pathAt = 0;
  private readonly revision = new KeyRevision();
  private readonly cursor: KeyCursor;
  private readonly reader: RangeReader;

  constructor(
    private readonly state: StoreState,
    private readonly leases: Leases,
    private readonly write: WriteTxn,
  ) {
    this.cursor = new KeyCursor(state.index);
    this.reader = new RangeReader(state);
  }

  /**
   * Runs a transaction between `write.begin()` and `write.end()`.
   * @param out gets the body of the TxnResponse; undefined if nobody waits for it
   * @returns why the transaction was refused as a whole; then nothing was written
   */
  run(req: TxnRequest, out: WireWriter | undefined): RpcError | undefined {
    this.path.length = 0;
    this.decide(req);
    this.pathAt = 0;
    const error = this.check(req);
    if (error !== undefined) return error;
    this.pathAt = 0;
    return this.execute(req, out);
  }

  /** The outcome of the comparisons of the last transaction that ran. */
  get succeeded(): boolean {
    return this.path[0];
  }

  private decide(req: TxnRequest): void {
    const succeeded = req.compare.every((compare) => this.holds(compare));
    this.path.push(succeeded);
    for (const op of succeeded ? req.success : req.failure) if (isTxn(op)) this.decide(op);
  }

  private holds(compare: Compare): boolean {
    const { index, currentRevision } = this.state;
    const { cursor } = this;
    if (compare.rangeEnd.length === 0) {
      const ref = index.find(compare.key);
      if (ref === 0 || !index.resolve(ref, currentRevision, this.revision)) return holdsForMissing(compare);
      return this.holdsFor(compare, ref, this.revision);
    }
    cursor.index = index;
    cursor.seek(compare.key, endOf(compare.key, compare.rangeEnd), currentRevision, false);
    if (!cursor.next()) return holdsForMissing(compare);
    do {
      if (!this.holdsFor(compare, cursor.ref, cursor.revision)) return false;
    } while (cursor.next());
    return true;
  }

  private holdsFor(compare: Compare, ref: number, revision: KeyRevision): boolean {
    switch (compare.target) {
      case CompareTarget.Version:
        return outcome(compare, revision.version - wantedNumber(compare));
      case CompareTarget.Create:
        return outcome(compare, revision.created - wantedNumber(compare));
      case CompareTarget.Mod:
        return outcome(compare, revision.main - wantedNumber(compare));
      case CompareTarget.Value:
        return outcome(
          compare,
          compareBytes(
            valueOfRecord(readStored(this.state, revision.main, revision.sub)),
            wantedValue(compare),
          ),
        );
      case CompareTarget.Lease:
        return outcome(compare, orderOf(this.state.index.leaseOf(ref), wantedLease(compare)));
      default:
        return outcome(compare, 0);
    }
  }

  private check(req: TxnRequest): RpcError | undefined {
    const ops = this.path[this.pathAt++] ? req.success : req.failure;
    for (const op of ops) {
      let error: RpcError | undefined;
      if (op instanceof RangeRequest) error = this.checkRange(op);
      else if (op instanceof PutRequest) error = this.checkPut(op, this.state.index.find(op.key));
      else if (isTxn(op)) error = this.check(op);
      if (error !== undefined) return error;
    }
    return undefined;
  }

  /** Unlike a Range of its own, a range in a transaction may not ask for a negative revision (it counts as compacted). */
  private checkRange(req: RangeRequest): RpcError | undefined {
    if (mutations.compactedRangeAbortsTxnHalfway || req.revision === 0) return undefined;
    if (req.revision > this.state.currentRevision) return ErrFutureRev;
    return req.revision < this.state.compactedRevision ? ErrCompacted : undefined;
  }

  /** A put is refused when it is applied for an unknown lease, or to keep the value or lease of a missing key.
   *  @param found `index.find(req.key)` */
  checkPut(req: PutRequest, found: number): RpcError | undefined {
    if (req.lease !== NO_LEASE && !this.leases.exists(req.lease)) return ErrLeaseNotFound;
    if ((req.ignoreValue || req.ignoreLease) && !this.state.index.isLive(found)) return ErrKeyNotFound;
    return undefined;
  }

  private execute(req: TxnRequest, out: WireWriter | undefined): RpcError | undefined {
    const succeeded = this.path[this.pathAt++];
    if (succeeded && out !== undefined) {
      out.byte(TAG_SUCCEEDED);
      out.byte(1);
    }
    for (const op of succeeded ? req.success : req.failure) {
      const mark = out === undefined ? 0 : beginMessage(out, TAG_RESPONSES);
      const error = this.executeOp(op, out);
      if (out !== undefined) endMessage(out, mark);
      if (error !== undefined) return error;
    }
    return undefined;
  }

  private executeOp(op: RequestOp, out: WireWriter | undefined): RpcError | undefined {
    if (op instanceof RangeRequest) return this.executeRange(op, out);
    if (op instanceof PutRequest) this.executePut(op, out);
    else if (op instanceof DeleteRangeRequest) this.executeDelete(op, out);
    else if (op !== undefined) return this.executeNested(op, out);
    return undefined;
  }

  private executeRange(req: RangeRequest, out: WireWriter | undefined): RpcError | undefined {
    if (out === undefined) return undefined; // nobody waits for the result
    const mark = beginMessage(out, TAG_RESPONSE_RANGE);
    const { readRevision } = this.write;
    writeRevisionHeader(out, readRevision);
    const error = this.reader.open(req, out, readRevision);
    if (error !== undefined) {
      if (!mutations.compactedRangeAbortsTxnHalfway) panic("a checked range failed", { error: error.name });
      return error;
    }
    this.reader.step(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
    endMessage(out, mark);
    return undefined;
  }

  private executePut(req: PutRequest, out: WireWriter | undefined): void {
    const found = this.state.index.find(req.key);
    if (out === undefined) return this.write.put(req, found, undefined);
    const mark = beginMessage(out, TAG_RESPONSE_PUT);
    writeRevisionHeader(out, this.write.main);
    this.write.put(req, found, out);
    endMessage(out, mark);
  }

  private executeDelete(req: DeleteRangeRequest, out: WireWriter | undefined): void {
    if (out === undefined) {
      this.write.deleteRange(req, undefined);
      return;
    }
    const mark = beginMessage(out, TAG_RESPONSE_DELETE_RANGE);
    // The header comes first and holds the revision after the delete, which depends on whether there is anything.
    writeRevisionHeader(out, this.write.wouldDelete(req) ? this.write.main : this.write.readRevision);
    this.write.deleteRange(req, out);
    endMessage(out, mark);
  }

  private executeNested(req: TxnRequest, out: WireWriter | undefined): RpcError | undefined {
    if (out === undefined) return this.execute(req, undefined);
    const mark = beginMessage(out, TAG_RESPONSE_TXN);
    writeRevisionHeader(out, 0); // a nested header is there, but empty
    const error = this.execute(req, out);
    endMessage(out, mark);
    return error;
  }
}

function isTxn(op: RequestOp): op is TxnRequest {
  return (
    op !== undefined &&
    !(op instanceof RangeRequest) &&
    !(op instanceof PutRequest) &&
    !(op instanceof DeleteRangeRequest)
  );
}

/** A missing key has no value that could be compared; its numbers are all 0. */
function holdsForMissing(compare: Compare): boolean {
  switch (compare.target) {
    case CompareTarget.Value:
      return false;
    case CompareTarget.Lease:
      return outcome(compare, orderOf(NO_LEASE, wantedLease(compare)));
    case CompareTarget.Version:
    case CompareTarget.Create:
    case CompareTarget.Mod:
      return outcome(compare, -wantedNumber(compare));
    default:
      return outcome(compare, 0);
  }
}

/** @param order negative, zero or positive as the key's property is below, at or above what the client named */
function outcome(compare: Compare, order: number): boolean {
  switch (compare.result) {
    case CompareResult.Equal:
      return order === 0;
    case CompareResult.NotEqual:
      return order !== 0;
    case CompareResult.Greater:
      return order > 0;
    case CompareResult.Less:
      return order < 0;
    default:
      return true; // etcd lets an unknown operator pass
  }
}

// A target without its own union field compares with zero. The field numbers are those of Compare.target_union.

function wantedNumber(compare: Compare): number {
  switch (compare.target) {
    case CompareTarget.Version:
      return compare.unionField === 4 ? compare.version : 0;
    case CompareTarget.Create:
      return compare.unionField === 5 ? compare.createRevision : 0;
    default:
      return compare.unionField === 6 ? compare.modRevision : 0;
  }
}

function wantedValue(compare: Compare): Uint8Array {
  return compare.unionField === 7 ? compare.value : EMPTY_BYTES;
}

function wantedLease(compare: Compare): bigint {
  return compare.unionField === 8 ? compare.lease : NO_LEASE;
}

function orderOf(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** True if the transaction can only read: both branches hold ranges alone (a nested transaction counts as a write). */
export function isTxnReadOnly(req: TxnRequest): boolean {
  return req.success.every(isRange) && req.failure.every(isRange);
}

/** True if no part of the transaction needs the leader: all of it are serializable ranges. */
export function isTxnSerializable(req: TxnRequest): boolean {
  return req.success.every(isSerializableRange) && req.failure.every(isSerializableRange);
}

function isRange(op: RequestOp): boolean {
  return op instanceof RangeRequest;
}

function isSerializableRange(op: RequestOp): boolean {
  return op instanceof RangeRequest && op.serializable;
}
