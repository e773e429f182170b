// A text for each operation, equal for equal operations: how a client's call is recognised in the log.

import type { PutOp } from "../history.js";
import type { LoggedOp } from "./model.js";

export function textOf(op: LoggedOp): string {
  switch (op.type) {
    case "put":
      return putText(op);
    case "delete":
      return `delete ${op.key}|${op.rangeEnd}|${flags(op.prevKv)}`;
    case "range":
      return (
        `range ${op.key}|${op.rangeEnd}|${op.limit}|${op.revision}|${op.sortOrder}|${op.sortTarget}|` +
        `${flags(op.serializable, op.keysOnly, op.countOnly)}|` +
        `${op.minModRevision}|${op.maxModRevision}|${op.minCreateRevision}|${op.maxCreateRevision}`
      );
    case "txn": {
      const compares = op.compare.map((c) => `${c.target}${c.result}${c.key}|${c.rangeEnd}|${c.operand}`);
      const success = op.success.map(textOf).join(";");
      return `txn if(${compares.join(";")}) then(${success}) else(${op.failure.map(textOf).join(";")})`;
    }
    case "compact":
      return `compact ${op.revision}|${flags(op.physical)}`;
    case "leaseGrant":
      return grantText(op.id, op.ttl);
    case "leaseRevoke":
      return `revoke ${op.id}`;
    default:
      return op.type;
  }
}

/** @param id of the lease as it was granted, also where the client let the member choose */
export function grantText(id: bigint, ttl: number): string {
  return `grant ${id}|${ttl}`;
}

/** A put that ignores its value is sent without one. */
function putText({ key, value, lease, prevKv, ignoreValue, ignoreLease }: PutOp): string {
  return `put ${key}|${ignoreValue ? "" : value}|${lease}|${flags(prevKv, ignoreValue, ignoreLease)}`;
}

function flags(...values: boolean[]): string {
  return values.map((value) => (value ? "1" : "0")).join("");
}
