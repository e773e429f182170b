// What is refused before it is proposed, in the order in which etcd checks: a request with two faults gets the same
// error from both. Pure functions of the request: every member would decide the same, so only the member that the
// client talks to looks.

import {
  type Compare,
  DeleteRangeRequest,
  ErrEmptyKey,
  ErrInvalidSortOption,
  ErrKeyNotFound,
  ErrLeaseProvided,
  ErrTooManyOps,
  ErrValueProvided,
  NO_LEASE,
  PutRequest,
  type PutShape,
  RangeRequest,
  type RequestOp,
  type RpcError,
  SortOrder,
  SortTarget,
  type TxnRequest,
} from "#proto";
import { checkOverlaps } from "./txn-overlap.js";

/** etcd's default for --max-txn-ops. */
export const TXN_OPS_MAX_DEFAULT = 128;

/** Checks a Range request. */
export function checkRange(req: RangeRequest): RpcError | undefined {
  if (req.key.length === 0) return ErrEmptyKey;
  if (req.sortOrder < SortOrder.None || req.sortOrder > SortOrder.Descend) return ErrInvalidSortOption;
  if (req.sortTarget < SortTarget.Key || req.sortTarget > SortTarget.Value) return ErrInvalidSortOption;
  return undefined;
}

/** Checks a Put request. */
export function checkPut(req: PutShape): RpcError | undefined {
  if (req.keyLength === 0) return ErrEmptyKey;
  if (req.ignoreValue && req.valueLength !== 0) return ErrValueProvided;
  if (req.ignoreLease && req.lease !== NO_LEASE) return ErrLeaseProvided;
  return undefined;
}

/** Checks a DeleteRange request. */
export function checkDelete(req: DeleteRangeRequest): RpcError | undefined {
  return req.key.length === 0 ? ErrEmptyKey : undefined;
}

/**
 * Checks a transaction: number of operations, each comparison and operation, then puts and deletes of the same key.
 * @param opsMax --max-txn-ops: bounds the longest of the three lists; a nested transaction gets what its parent's
 *   longest list leaves over
 */
export function checkTxn(req: TxnRequest, opsMax: number): RpcError | undefined {
  return checkTxnOps(req, opsMax) ?? checkOverlaps(req);
}

function checkTxnOps(req: TxnRequest, opsMax: number): RpcError | undefined {
  const ops = Math.max(req.compare.length, req.success.length, req.failure.length);
  if (ops > opsMax) return ErrTooManyOps;
  if (req.compare.some(hasEmptyKey)) return ErrEmptyKey;
  return checkOps(req.success, opsMax - ops) ?? checkOps(req.failure, opsMax - ops);
}

function checkOps(ops: readonly RequestOp[], opsMax: number): RpcError | undefined {
  for (const op of ops) {
    const error = checkOp(op, opsMax);
    if (error !== undefined) return error;
  }
  return undefined;
}

function checkOp(op: RequestOp, opsMax: number): RpcError | undefined {
  if (op === undefined) return ErrKeyNotFound;
  if (op instanceof RangeRequest) return checkRange(op);
  if (op instanceof PutRequest) return checkPut(op);
  if (op instanceof DeleteRangeRequest) return checkDelete(op);
  return checkTxnOps(op, opsMax);
}

function hasEmptyKey(compare: Compare): boolean {
  return compare.key.length === 0;
}
