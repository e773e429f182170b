import { describe, expect, it } from "vitest";
import { SortOrder, SortTarget } from "#proto";
import type { CompareOp, Kv, KvOp, RangeResult, TxnOp } from "../history.js";
import { type Applied, Model, Refusal } from "./model.js";
import { deleteOp, putOp, rangeOp } from "./testkit.js";

function kv(key: string, value: string, create: number, mod: number, version: number, lease = 0n): Kv {
  return { key, value, createRevision: create, modRevision: mod, version, lease };
}

function ok(applied: Applied): Applied["result"] {
  expect(applied.error).toBeUndefined();
  return applied.result;
}

function txn(compare: CompareOp[], success: KvOp[], failure: KvOp[] = []): TxnOp {
  return { type: "txn", compare, success, failure };
}

function keysOf(result: RangeResult): string {
  return result.kvs.map((one) => one.key).join("");
}

const ALL = { rangeEnd: "\0" };

describe("writes", () => {
  it("counts revisions from 1, versions from 1, and starts anew after a deletion", () => {
    const model = new Model(2);
    expect(ok(model.apply(putOp("a", "1")))).toEqual({ type: "put", revision: 2, prevKv: undefined });
    expect(ok(model.apply(putOp("a", "2", { prevKv: true })))).toEqual({
      type: "put",
      revision: 3,
      prevKv: kv("a", "1", 2, 2, 1),
    });
    expect(model.get("a", 3)).toEqual(kv("a", "2", 2, 3, 2));
    expect(ok(model.apply(deleteOp("a", "", true)))).toEqual({
      type: "delete",
      revision: 4,
      deleted: 1,
      prevKvs: [kv("a", "2", 2, 3, 2)],
    });
    model.apply(putOp("a", "3"));
    expect(model.get("a", 5)).toEqual(kv("a", "3", 5, 5, 1));
    expect(model.get("a", 4)).toBeUndefined();
    expect(model.get("a", 2)).toEqual(kv("a", "1", 2, 2, 1));
  });

  it("takes no revision for what changes nothing", () => {
    const model = new Model(2);
    expect(ok(model.apply(deleteOp("a")))).toEqual({ type: "delete", revision: 1, deleted: 0, prevKvs: [] });
    expect(ok(model.apply(txn([], [rangeOp("a"), deleteOp("x")])))?.type).toBe("txn");
    expect(model.revision).toBe(1);
  });

  it("keeps value or lease when told to ignore them, which needs the key", () => {
    const model = new Model(2);
    model.apply({ type: "leaseGrant", id: 7n, ttl: 1 });
    expect(model.apply(putOp("a", "", { ignoreValue: true })).error).toBe(Refusal.KeyNotFound);
    model.apply(putOp("a", "1", { lease: 7n }));
    model.apply(putOp("a", "", { ignoreValue: true, ignoreLease: true }));
    expect(model.get("a", 3)).toEqual(kv("a", "1", 2, 3, 2, 7n));
  });

  it("gives all changes of a transaction one revision, and shows them to later reads of it", () => {
    const model = new Model(2);
    model.apply(putOp("a", "1"));
    const result = ok(
      model.apply(
        txn([], [rangeOp("b"), putOp("b", "2"), rangeOp("b"), deleteOp("a"), txn([], [putOp("c", "3")])]),
      ),
    );
    expect(result).toMatchObject({ revision: 3, succeeded: true });
    if (result?.type !== "txn") throw new Error("no transaction");
    expect(result.responses.map((response) => response.revision)).toEqual([2, 3, 3, 3, 0]);
    expect(result.responses[0]).toMatchObject({ count: 0 });
    expect(result.responses[2]).toMatchObject({ kvs: [kv("b", "2", 3, 3, 1)] });
    expect(model.lastEvents.map((event) => `${event.type} ${event.kv.key}@${event.kv.modRevision}`)).toEqual([
      "put b@3",
      "delete a@3",
      "put c@3",
    ]);
    expect(model.lastEvents[1].prevKv).toEqual(kv("a", "1", 2, 2, 1));
  });

  it("refuses a transaction as a whole, before anything is written", () => {
    const model = new Model(2);
    model.apply(putOp("a", "1"));
    model.apply(putOp("a", "2"));
    model.apply({ type: "compact", revision: 3, physical: false });
    const past = txn([], [putOp("b", "1"), rangeOp("a", { revision: 2 })]);
    expect(model.apply(past).error).toBe(Refusal.Compacted);
    expect(model.apply(txn([], [putOp("b", "1"), rangeOp("a", { revision: 9 })])).error).toBe(
      Refusal.FutureRev,
    );
    expect(model.apply(txn([], [putOp("b", "1"), putOp("c", "1", { lease: 5n })])).error).toBe(
      Refusal.LeaseNotFound,
    );
    expect(model.revision).toBe(3);
    expect(model.get("b", 3)).toBeUndefined();
  });
});

describe("comparisons", () => {
  const model = new Model(2);
  model.apply(putOp("a", "1"));
  model.apply(putOp("a", "2"));
  model.apply(putOp("b", "2"));
  const holds = (compare: CompareOp): boolean => {
    const result = model.readTxn(txn([compare], [rangeOp("a")]), model.revision);
    return result.succeeded;
  };
  const of = (
    target: CompareOp["target"],
    result: CompareOp["result"],
    operand: CompareOp["operand"],
    key = "a",
  ) => holds({ target, result, key, rangeEnd: "", operand });

  it("compares each property", () => {
    expect(of("version", "=", 2)).toBe(true);
    expect(of("create", "=", 2)).toBe(true);
    expect(of("mod", ">", 2)).toBe(true);
    expect(of("value", "<", "3")).toBe(true);
    expect(of("lease", "!=", 0n)).toBe(false);
  });

  it("takes a missing key for one of zeros, but for its value, of which nothing holds", () => {
    expect(of("version", "=", 0, "x")).toBe(true);
    expect(of("mod", "<", 1, "x")).toBe(true);
    expect(of("lease", "=", 0n, "x")).toBe(true);
    expect(of("value", "!=", "1", "x")).toBe(false);
  });

  it("wants every key of a range to pass", () => {
    const compare = { target: "value", result: "=", key: "a", rangeEnd: "\0", operand: "2" } as const;
    expect(holds(compare)).toBe(true);
    expect(holds({ ...compare, target: "version", operand: 2 })).toBe(false);
  });
});

describe("ranges", () => {
  const model = new Model(2);
  for (const [key, value] of ["b3", "a2", "c1", "a4"]) model.apply(putOp(key, value));
  // a: create 3, mod 5, version 2, value 4; b: 2, 2, 1, 3; c: 4, 4, 1, 1

  it("answers in key order, cut at the limit, with the count of all", () => {
    const result = model.range(rangeOp("a", { ...ALL, limit: 2 }));
    expect(result).toMatchObject({ more: true, count: 3, revision: 5 });
    expect(keysOf(result)).toBe("ab");
    expect(keysOf(model.range(rangeOp("a", { rangeEnd: "c" })))).toBe("ab");
    expect(keysOf(model.range(rangeOp("c", { rangeEnd: "a" })))).toBe("");
    expect(keysOf(model.range(rangeOp("a", { ...ALL, sortOrder: SortOrder.Descend })))).toBe("cba");
  });

  it("sorts by other properties, upwards if no order is given, and then only what the limit lets in", () => {
    const by = (sortTarget: number, sortOrder: number, limit = 0) =>
      keysOf(model.range(rangeOp("a", { ...ALL, sortTarget, sortOrder, limit })));
    expect(by(SortTarget.Mod, SortOrder.Descend)).toBe("acb");
    expect(by(SortTarget.Create, SortOrder.Ascend)).toBe("bac");
    expect(by(SortTarget.Value, SortOrder.None)).toBe("cba");
    expect(by(SortTarget.Value, SortOrder.Ascend, 1)).toBe("c");
    expect(by(SortTarget.Value, SortOrder.None, 1)).toBe("b");
  });

  it("filters before it cuts; the count does not know of filters", () => {
    const result = model.range(rangeOp("a", { ...ALL, minModRevision: 4, limit: 1 }));
    expect(result).toMatchObject({ more: true, count: 3 });
    expect(keysOf(result)).toBe("a");
    expect(keysOf(model.range(rangeOp("a", { ...ALL, maxCreateRevision: 3, minCreateRevision: 3 })))).toBe(
      "a",
    );
  });

  it("reads the past, keys only, or nothing but the count", () => {
    expect(model.range(rangeOp("a", { revision: 3 })).kvs).toEqual([kv("a", "2", 3, 3, 1)]);
    expect(model.range(rangeOp("a", { keysOnly: true })).kvs).toEqual([kv("a", "", 3, 5, 2)]);
    expect(model.range(rangeOp("a", { ...ALL, countOnly: true, limit: 1 }))).toMatchObject({
      kvs: [],
      more: false,
      count: 3,
    });
  });
});

describe("leases, compaction, alarms", () => {
  it("ends a lease with its keys, in their order, in one revision", () => {
    const model = new Model(2);
    expect(ok(model.apply({ type: "leaseGrant", id: 7n, ttl: 1 }))).toMatchObject({
      id: 7n,
      ttl: 2,
      revision: 1,
    });
    expect(model.apply({ type: "leaseGrant", id: 7n, ttl: 1 }).error).toBe(Refusal.LeaseExist);
    for (const key of ["c", "a", "b"]) model.apply(putOp(key, key, { lease: 7n }));
    model.apply(putOp("b", "free"));
    expect(ok(model.apply({ type: "leaseRevoke", id: 7n }))).toEqual({ type: "leaseRevoke", revision: 6 });
    expect(model.lastEvents.map((event) => `${event.type} ${event.kv.key}@${event.kv.modRevision}`)).toEqual([
      "delete a@6",
      "delete c@6",
    ]);
    expect(model.apply({ type: "leaseRevoke", id: 7n }).error).toBe(Refusal.LeaseNotFound);
    expect(model.get("b", 6)).toBeDefined();
  });

  it("moves the compaction mark only forwards and not beyond the newest revision", () => {
    const model = new Model(2);
    model.apply(putOp("a", "1"));
    const compact = (revision: number) => model.apply({ type: "compact", revision, physical: false }).error;
    expect([compact(3), compact(2), compact(2), compact(1)]).toEqual([
      Refusal.FutureRev,
      undefined,
      Refusal.Compacted,
      Refusal.Compacted,
    ]);
  });

  it("refuses growth under NOSPACE and everything under CORRUPT", () => {
    const model = new Model(2);
    const alarm = (raise: boolean, type: number) =>
      model.apply({ type: "alarmChange", raise, alarm: type, memberId: 9n });
    model.apply(putOp("a", "1"));
    alarm(true, 1);
    expect(model.apply(putOp("a", "2")).error).toBe(Refusal.NoSpace);
    expect(model.apply(txn([], [deleteOp("a")], [txn([], [putOp("x", "1")])])).error).toBe(Refusal.NoSpace);
    expect(model.apply(deleteOp("a")).error).toBeUndefined();
    alarm(true, 2);
    expect(model.apply(deleteOp("a")).error).toBe(Refusal.Corrupt);
    alarm(false, 1);
    alarm(false, 2);
    expect(model.apply(putOp("a", "2")).error).toBeUndefined();
  });
});
