// Random requests for the property tests: few keys, so that they meet; every option; some of them invalid.

import { create } from "@bufbuild/protobuf";
import { type Random, utf8 } from "#base";
import { rpcpb } from "#proto";

/** What the generator has to know of the store to be interesting. */
export interface Situation {
  readonly current: number;
  readonly compacted: number;
  readonly leases: readonly bigint[];
}

const KEYS = ["a", "b", "c", "aa", "ab", "ab\0", "b/", "z\u007f"];
const VALUES = ["", "x", "y", "xx", "yy"];

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)];
}

function chance(random: Random, percent: number): boolean {
  return random.below(100) < percent;
}

function someKey(random: Random): Uint8Array {
  return utf8(pick(random, KEYS));
}

function someEnd(random: Random): Uint8Array {
  return utf8(pick(random, ["", "", "\0", "b", "c", "ac", "zz"]));
}

function someRevision(random: Random, { current, compacted }: Situation): bigint {
  if (chance(random, 60)) return 0n;
  if (chance(random, 85)) {
    const low = Math.max(1, compacted);
    return BigInt(low + random.below(current - low + 1));
  }
  return BigInt(pick(random, [-1, current + 1, current + 5, Math.max(1, compacted - 1), 1]));
}

/** 0 mostly, otherwise a revision near the current one. */
function someFilter(random: Random, situation: Situation, percent: number): bigint {
  return chance(random, percent) ? BigInt(Math.max(1, situation.current - random.below(8))) : 0n;
}

export function randomRange(random: Random, situation: Situation): rpcpb.RangeRequest {
  const filters = chance(random, 25) ? 50 : 0;
  const sorted = chance(random, 40);
  return create(rpcpb.RangeRequestSchema, {
    key: chance(random, 1) ? utf8("") : chance(random, 10) ? utf8("\0") : someKey(random),
    rangeEnd: someEnd(random),
    limit: BigInt(chance(random, 40) ? pick(random, [1, 2, 3, 10, -1]) : 0),
    revision: someRevision(random, situation),
    sortOrder: sorted ? random.below(3) : 0,
    sortTarget: sorted ? random.below(5) : 0,
    keysOnly: chance(random, 15),
    countOnly: chance(random, 10),
    minModRevision: someFilter(random, situation, filters),
    maxModRevision: someFilter(random, situation, filters),
    minCreateRevision: someFilter(random, situation, filters),
    maxCreateRevision: someFilter(random, situation, filters),
  });
}

export function randomPut(random: Random, { leases }: Situation): rpcpb.PutRequest {
  return create(rpcpb.PutRequestSchema, {
    key: chance(random, 1) ? utf8("") : someKey(random),
    value: utf8(pick(random, VALUES)),
    lease: chance(random, 30) ? pick(random, [...leases, 999n]) : 0n,
    prevKv: chance(random, 20),
    ignoreValue: chance(random, 10),
    ignoreLease: chance(random, 10),
  });
}

export function randomDelete(random: Random): rpcpb.DeleteRangeRequest {
  return create(rpcpb.DeleteRangeRequestSchema, {
    key: someKey(random),
    rangeEnd: chance(random, 50) ? utf8("") : someEnd(random),
    prevKv: chance(random, 30),
  });
}

function randomCompare(random: Random, situation: Situation): rpcpb.Compare {
  const number = BigInt(chance(random, 50) ? random.below(4) : situation.current - random.below(5));
  return create(rpcpb.CompareSchema, {
    result: random.below(4),
    target: random.below(5),
    key: someKey(random),
    rangeEnd: chance(random, 70) ? utf8("") : someEnd(random),
    targetUnion: pick<rpcpb.Compare["targetUnion"]>(random, [
      { case: "version", value: number },
      { case: "createRevision", value: number },
      { case: "modRevision", value: number },
      { case: "value", value: utf8(pick(random, VALUES)) },
      { case: "lease", value: pick(random, [0n, ...situation.leases]) },
      { case: undefined },
    ]),
  });
}

function randomOp(random: Random, situation: Situation, depth: number): rpcpb.RequestOp {
  const kind = random.below(depth > 2 ? 9 : 12);
  const request: rpcpb.RequestOp["request"] =
    kind < 3
      ? { case: "requestRange", value: randomRange(random, situation) }
      : kind < 7
        ? { case: "requestPut", value: randomPut(random, situation) }
        : kind < 9
          ? { case: "requestDeleteRange", value: randomDelete(random) }
          : { case: "requestTxn", value: randomTxn(random, situation, depth + 1) };
  return create(rpcpb.RequestOpSchema, { request: chance(random, 1) ? { case: undefined } : request });
}

export function randomTxn(random: Random, situation: Situation, depth = 0): rpcpb.TxnRequest {
  const some = <T>(make: () => T, max: number): T[] => Array.from({ length: random.below(max + 1) }, make);
  return create(rpcpb.TxnRequestSchema, {
    compare: some(() => randomCompare(random, situation), 2),
    success: some(() => randomOp(random, situation, depth), 3),
    failure: some(() => randomOp(random, situation, depth), 3),
  });
}
