// What a write may add to the database, as etcd estimates it before proposing. An estimate only: a put counts its key
// and value and a fixed overhead; everything that frees space costs nothing.

import { PutRequest, type PutShape, type RequestOp, TxnRequest } from "#proto";

/** Overhead per key, in bytes: etcd's constant. */
const KEY_OVERHEAD_BYTES = 256;
/** What a new lease costs, in bytes. */
export const LEASE_GRANT_COST = 64;

/** Bytes a put is taken to cost. */
export function putCost(req: PutShape): number {
  return KEY_OVERHEAD_BYTES + req.keyLength + req.valueLength;
}

/** Bytes a transaction is taken to cost: its dearer branch, nested ones included. 0 for one that puts nothing. */
export function txnCost(req: TxnRequest): number {
  return Math.max(branchCost(req.success), branchCost(req.failure));
}

function branchCost(ops: readonly RequestOp[]): number {
  let cost = 0;
  for (const op of ops) {
    if (op instanceof PutRequest) cost += putCost(op);
    else if (op instanceof TxnRequest) cost += txnCost(op);
  }
  return cost;
}
