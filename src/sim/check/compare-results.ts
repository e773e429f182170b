// Compares a response with what the model says it should be, and names the first difference. Where the protocol promises
// no order (elements that are equal under the sort that was asked for) any order will do.

import { SortTarget } from "#proto";
import type { Kv, KvOp, RangeOp, RangeResult, Result, TxnOp, TxnResult } from "../history.js";
import { sortKey } from "./model-range.js";

/**
 * Names the first difference between two results of `op`.
 * @returns undefined when they agree
 */
export function difference(
  op: { readonly type: string },
  expected: Result,
  actual: Result,
): string | undefined {
  if (expected.type !== actual.type) return `a ${actual.type} response to a ${expected.type} request`;
  const revisions = differenceOf("revision", revisionOf(expected), revisionOf(actual));
  if (revisions !== undefined) return revisions;
  switch (expected.type) {
    case "put":
      return actual.type === "put" ? kvDifference("prev_kv", expected.prevKv, actual.prevKv) : undefined;
    case "delete":
      return actual.type === "delete"
        ? (differenceOf("deleted", expected.deleted, actual.deleted) ??
            kvsDifference("prev_kvs", expected.prevKvs, actual.prevKvs))
        : undefined;
    case "range":
      return actual.type === "range" ? rangeDifference(op as RangeOp, expected, actual) : undefined;
    case "txn":
      return actual.type === "txn" ? txnDifference(op as TxnOp, expected, actual) : undefined;
    case "leaseGrant":
      return actual.type === "leaseGrant"
        ? (differenceOf("id", expected.id, actual.id) ?? differenceOf("ttl", expected.ttl, actual.ttl))
        : undefined;
    default:
      return undefined;
  }
}

/** The header revision of a result, undefined where there is none. */
export function revisionOf(result: Result): number | undefined {
  return "revision" in result ? result.revision : undefined;
}

export function kvDifference(
  name: string,
  expected: Kv | undefined,
  actual: Kv | undefined,
): string | undefined {
  if (expected === undefined || actual === undefined) {
    if (expected === actual) return undefined;
    return `${name} is ${describeKv(actual)}, not ${describeKv(expected)}`;
  }
  const isSame =
    expected.key === actual.key &&
    expected.value === actual.value &&
    expected.modRevision === actual.modRevision &&
    expected.createRevision === actual.createRevision &&
    expected.version === actual.version &&
    expected.lease === actual.lease;
  return isSame ? undefined : `${name} is ${describeKv(actual)}, not ${describeKv(expected)}`;
}

export function describeKv(kv: Kv | undefined): string {
  if (kv === undefined) return "absent";
  const lease = kv.lease === 0n ? "" : ` lease=${kv.lease}`;
  return `${kv.key}=${kv.value}@${kv.modRevision}(create=${kv.createRevision} version=${kv.version}${lease})`;
}

function kvsDifference(name: string, expected: readonly Kv[], actual: readonly Kv[]): string | undefined {
  const count = differenceOf(`number of ${name}`, expected.length, actual.length);
  if (count !== undefined) return `${count} [${actual.map((kv) => describeKv(kv)).join(", ")}]`;
  for (let i = 0; i < expected.length; i++) {
    const found = kvDifference(`${name}[${i}]`, expected[i], actual[i]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function rangeDifference(op: RangeOp, expected: RangeResult, actual: RangeResult): string | undefined {
  const cut =
    differenceOf("count", expected.count, actual.count) ?? differenceOf("more", expected.more, actual.more);
  if (cut !== undefined) return cut;
  const kvs = kvsDifference("kvs", expected.kvs, actual.kvs);
  return kvs !== undefined && op.sortTarget !== SortTarget.Key ? looseDifference(op, expected, actual) : kvs;
}

/** The values sorted by must come in the same order; which of the records that share one comes first is free. */
function looseDifference(op: RangeOp, expected: RangeResult, actual: RangeResult): string | undefined {
  if (expected.kvs.length !== actual.kvs.length)
    return differenceOf("number of kvs", expected.kvs.length, actual.kvs.length);
  // A blanked value cannot be sorted by, and records at the cut may be others than the model chose.
  if (op.keysOnly && op.sortTarget === SortTarget.Value) return undefined;
  const keys = new Set<string>();
  for (let i = 0; i < expected.kvs.length; i++) {
    keys.add(actual.kvs[i].key);
    const values = differenceOf(
      `sort value ${i}`,
      sortKey(expected.kvs[i], op.sortTarget),
      sortKey(actual.kvs[i], op.sortTarget),
    );
    if (values !== undefined) return values;
  }
  if (keys.size !== actual.kvs.length) return "the same key twice";
  for (const kv of expected.kvs) {
    const other = actual.kvs.find((candidate) => candidate.key === kv.key);
    const found = other === undefined ? undefined : kvDifference("kv", kv, other);
    if (found !== undefined) return found;
  }
  return undefined;
}

function txnDifference(op: TxnOp, expected: TxnResult, actual: TxnResult): string | undefined {
  const shape =
    differenceOf("succeeded", expected.succeeded, actual.succeeded) ??
    differenceOf("number of responses", expected.responses.length, actual.responses.length);
  if (shape !== undefined) return shape;
  const ops: readonly KvOp[] = expected.succeeded ? op.success : op.failure;
  for (let i = 0; i < ops.length; i++) {
    const found = difference(ops[i], expected.responses[i], actual.responses[i]);
    if (found !== undefined) return `response ${i}: ${found}`;
  }
  return undefined;
}

function differenceOf<T>(name: string, expected: T, actual: T): string | undefined {
  return expected === actual ? undefined : `${name} is ${String(actual)}, not ${String(expected)}`;
}
