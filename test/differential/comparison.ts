// What makes two answers equal. Answers are printed in the notation of the scenarios, where cluster, member and term are
// already named and not numbered; what is left to take out is listed here, each with its reason.

import { fromBinary } from "@bufbuild/protobuf";
import { findMethod, type Outcome } from "../support/index.js";
import { type Names, printMessage } from "../support/messages.js";
import type { Operation } from "./operations.js";

/** Differences between etcd 3.5 and 3.7 and answers that depend on the clock: taken out of both sides. */
const REMOVED: readonly { reason: string; methods: RegExp; pattern: RegExp; by: string }[] = [
  { reason: "came with 3.6", methods: /HashKV/, pattern: /, hash_revision: -?\d+/g, by: "" },
  {
    reason: "3.7 answers keys_only from the index, which knows no lease",
    methods: /KV\.(Range|Txn)/,
    pattern: /(="" [^",\]]*?) lease=-?\d+/g,
    by: "$1",
  },
  {
    reason: "depends on the moment",
    methods: /LeaseTimeToLive/,
    pattern: /\bTTL: (near granted|\d+), grantedTTL/g,
    by: "TTL: some, grantedTTL",
  },
];

/** 3.5 checks all puts of a transaction before its ranges, 3.7 every operation in turn: of several reasons to refuse one
 *  transaction they name different ones. */
const TXN_REFUSALS = new Set([
  "error 3 etcdserver: key not found",
  "error 5 etcdserver: requested lease not found",
  "error 11 etcdserver: mvcc: required revision has been compacted",
  "error 11 etcdserver: mvcc: required revision is a future revision",
]);

export function agree(operation: Operation, left: string, right: string): boolean {
  if (left === right) return true;
  return operation.method === "KV.Txn" && TXN_REFUSALS.has(left) && TXN_REFUSALS.has(right);
}

/** One line that is the same for equal answers. */
export function printAnswer(operation: Operation, outcome: Outcome<Uint8Array>, names: Names): string {
  if (!("response" in outcome)) return `error ${outcome.code} ${outcome.message}`;
  const { output } = findMethod(operation.method);
  let line = printMessage(output, fromBinary(output, outcome.response), names);
  for (const { methods, pattern, by } of REMOVED) {
    if (methods.test(operation.method)) line = line.replace(pattern, by);
  }
  return hasNoOrder(operation) ? sortLists(line) : line;
}

/** Attached keys and equal elements of a sorted range come in no promised order, leases in the order of their ends. */
function hasNoOrder(operation: Operation): boolean {
  return operation.unordered || operation.method.startsWith("Lease.");
}

function sortLists(line: string): string {
  return line.replace(/\[([^\]]*)\]/g, (_, items: string) => `[${items.split(", ").sort().join(", ")}]`);
}

export function printRequest(operation: Operation, names: Names): string {
  const { input } = findMethod(operation.method);
  return `${operation.method} ${printMessage(input, fromBinary(input, operation.bytes), names)}`;
}
