// Transactions: conditions, and what to do when all of them hold or some does not.

import { Compare, CompareResult, CompareTarget, type LeaseId, type RequestOp, TxnRequest } from "#proto";
import { type BytesLike, bytesOf, type RangeOptions, rangeOf } from "./range.js";

export type CompareOperator = "=" | "!=" | ">" | "<";

/** A transaction as plain data. */
export interface Txn {
  /** Conditions, joined by "and"; none means that they hold. */
  compare?: readonly Compare[];
  /** Operations when all conditions hold. Build them with `op`. */
  success?: readonly TxnOp[];
  /** Operations otherwise. */
  failure?: readonly TxnOp[];
}

export type TxnOp = NonNullable<RequestOp>;

const RESULTS: Readonly<Record<CompareOperator, number>> = {
  "=": CompareResult.Equal,
  "!=": CompareResult.NotEqual,
  ">": CompareResult.Greater,
  "<": CompareResult.Less,
};

function comparison(key: BytesLike, operator: CompareOperator, target: number, range: RangeOptions): Compare {
  const { key: start, end } = rangeOf(key, range);
  const compare = new Compare();
  compare.key = start;
  compare.rangeEnd = end;
  compare.result = RESULTS[operator];
  compare.target = target;
  // The target_union's field numbers follow the targets.
  compare.unionField = target + 4;
  return compare;
}

/**
 * Conditions of a transaction. With a range, every key in it must meet the condition. A key that is not there has version,
 * revisions and lease 0; a comparison of its value never holds.
 */
export const compare = {
  version(key: BytesLike, operator: CompareOperator, version: number, range: RangeOptions = {}): Compare {
    const c = comparison(key, operator, CompareTarget.Version, range);
    c.version = version;
    return c;
  },
  createRevision(
    key: BytesLike,
    operator: CompareOperator,
    revision: number,
    range: RangeOptions = {},
  ): Compare {
    const c = comparison(key, operator, CompareTarget.Create, range);
    c.createRevision = revision;
    return c;
  },
  modRevision(
    key: BytesLike,
    operator: CompareOperator,
    revision: number,
    range: RangeOptions = {},
  ): Compare {
    const c = comparison(key, operator, CompareTarget.Mod, range);
    c.modRevision = revision;
    return c;
  },
  value(key: BytesLike, operator: CompareOperator, value: BytesLike, range: RangeOptions = {}): Compare {
    const c = comparison(key, operator, CompareTarget.Value, range);
    c.value = bytesOf(value);
    return c;
  },
  lease(key: BytesLike, operator: CompareOperator, lease: LeaseId, range: RangeOptions = {}): Compare {
    const c = comparison(key, operator, CompareTarget.Lease, range);
    c.lease = lease;
    return c;
  },
} as const;

/** The request of a transaction; also an operation of another one. */
export function txnRequest(txn: Txn): TxnRequest {
  const request = new TxnRequest();
  request.compare = [...(txn.compare ?? [])];
  request.success = [...(txn.success ?? [])];
  request.failure = [...(txn.failure ?? [])];
  return request;
}
