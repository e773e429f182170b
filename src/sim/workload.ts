// What clients ask: operations drawn by the plan's weights. Every value that is ever put is different, so that a read shows
// which write it saw.

import type { Random } from "#base";
import type { CompareOp, DeleteOp, KvOp, Op, PutOp, RangeOp, TxnOp } from "./history.js";
import type { Knowledge } from "./knowledge.js";
import { type Plan, pick, WORK_KINDS, type WorkKind } from "./plan.js";

export const KEY_PREFIX = "k";
/** The end of the range of all keys of the workload. */
export const KEYS_END = "l";
const NO_LEASE = 0n;

export class Workload {
  private readonly plan: Plan;
  private readonly random: Random;
  private readonly knowledge: Knowledge;
  private readonly weightSum: number;
  private readonly client: number;
  private values = 0;

  constructor(client: number, plan: Plan, random: Random, knowledge: Knowledge) {
    this.client = client;
    this.plan = plan;
    this.random = random;
    this.knowledge = knowledge;
    this.weightSum = WORK_KINDS.reduce((sum, kind) => sum + plan.weights[kind], 0);
  }

  next(): Op {
    return this.draw(this.kind());
  }

  key(): string {
    return keyOf(this.random, this.plan.keys);
  }

  put(key = this.key()): PutOp {
    const { random } = this;
    const ignoreValue = random.below(30) === 0;
    const ignoreLease = random.below(20) === 0;
    return {
      type: "put",
      key,
      value: ignoreValue ? "" : this.value(),
      lease: !ignoreLease && random.below(6) === 0 ? this.lease() : NO_LEASE,
      prevKv: random.below(4) === 0,
      ignoreValue,
      ignoreLease,
    };
  }

  private kind(): WorkKind {
    let at = this.random.float() * this.weightSum;
    for (const kind of WORK_KINDS) {
      at -= this.plan.weights[kind];
      if (at < 0) return kind;
    }
    return "put";
  }

  private draw(kind: WorkKind): Op {
    switch (kind) {
      case "put":
        return this.put();
      case "get":
        return this.get({});
      case "range":
        return this.range({});
      case "staleRead":
        return this.random.below(2) === 0
          ? this.get({ serializable: true })
          : this.range({ serializable: true });
      case "pastRead":
        return this.random.below(2) === 0 ? this.get(this.past()) : this.range(this.past());
      case "delete":
        return this.delete(this.key(), "");
      case "deleteRange":
        return this.delete(...this.span());
      case "compareAndSwap":
        return this.compareAndSwap();
      case "txn":
        return this.txn(1);
      case "nestedTxn":
        return this.txn(3);
      case "lease":
        return this.leaseOp();
      default:
        return this.adminOp();
    }
  }

  private get(more: Partial<RangeOp>): RangeOp {
    return { ...PLAIN_RANGE, key: this.key(), ...more };
  }

  private range(more: Partial<RangeOp>): RangeOp {
    const { random } = this;
    const [key, rangeEnd] = this.span();
    const isPlain = random.below(2) === 0;
    if (isPlain) return { ...PLAIN_RANGE, key, rangeEnd, ...more };
    const near = (): number => (random.below(3) === 0 ? 1 + random.below(this.knowledge.revision) : 0);
    return {
      ...PLAIN_RANGE,
      key,
      rangeEnd,
      limit: random.below(3) === 0 ? 1 + random.below(4) : 0,
      sortOrder: random.below(3),
      sortTarget: random.below(5),
      keysOnly: random.below(6) === 0,
      countOnly: random.below(8) === 0,
      minModRevision: near(),
      maxModRevision: near(),
      minCreateRevision: near(),
      maxCreateRevision: near(),
      ...more,
    };
  }

  private delete(key: string, rangeEnd: string): DeleteOp {
    return { type: "delete", key, rangeEnd, prevKv: this.random.below(3) === 0 };
  }

  /** A range over some of the keys, or all of them. */
  private span(): [string, string] {
    if (this.random.below(3) === 0) return [KEY_PREFIX, KEYS_END];
    const a = this.key();
    const b = this.key();
    return a < b ? [a, b] : a > b ? [b, a] : [a, "\0"];
  }

  private past(): { revision: number } {
    const { revision, compacted } = this.knowledge;
    const back = this.random.below(30);
    const choice = pick(this.random, [revision - back, compacted, compacted - 1, revision + 1 + back]);
    return { revision: Math.max(1, choice) };
  }

  private compareAndSwap(): TxnOp {
    const key = this.key();
    const read: RangeOp = { ...PLAIN_RANGE, key };
    return { type: "txn", compare: [this.compare(key)], success: [this.put(key)], failure: [read] };
  }

  private compare(key: string): CompareOp {
    const { random } = this;
    const known = this.knowledge.kvs.get(key);
    const result = pick(random, ["=", "=", "=", ">", "<", "!="] as const);
    const rangeEnd = random.below(10) === 0 ? KEYS_END : "";
    const target = pick(random, ["mod", "mod", "value", "version", "create", "lease"] as const);
    const operand = {
      mod: known?.modRevision ?? 0,
      value: known?.value ?? "",
      version: known?.version ?? 0,
      create: known?.createRevision ?? 0,
      lease: known?.lease ?? NO_LEASE,
    }[target];
    return { target, result, key, rangeEnd, operand };
  }

  /** A transaction; a key is put or deleted at most once in each branch, as etcd demands. */
  private txn(depth: number): TxnOp {
    const compare = this.random.below(2) === 0 ? [this.compare(this.key())] : [];
    return { type: "txn", compare, success: this.branch(depth), failure: this.branch(depth) };
  }

  private branch(depth: number, taken = new Set<string>()): KvOp[] {
    const { random } = this;
    const ops: KvOp[] = [];
    const count = random.below(4);
    for (let i = 0; i < count; i++) {
      const choice = random.below(10);
      if (choice < 4) {
        const key = this.key();
        if (!taken.has(key)) ops.push(this.put(key));
        taken.add(key);
      } else if (choice < 6) ops.push(random.below(2) === 0 ? this.get({}) : this.range({}));
      else if (choice < 7) ops.push(random.below(3) === 0 ? this.get(this.past()) : this.get({}));
      else if (choice < 8) {
        const key = this.key();
        if (!taken.has(key)) ops.push(this.delete(key, ""));
        taken.add(key);
      } else if (depth > 1) {
        const success = this.branch(depth - 1, taken);
        const failure = this.branch(depth - 1, taken);
        const compare = random.below(2) === 0 ? [this.compare(this.key())] : [];
        ops.push({ type: "txn", compare, success, failure });
      }
    }
    return ops;
  }

  private leaseOp(): Op {
    const { random, knowledge } = this;
    const choice = random.below(10);
    if (choice < 4 || knowledge.leases.length === 0) {
      return { type: "leaseGrant", id: 0n, ttl: 1 + random.below(5) };
    }
    const { id } = pick(random, knowledge.leases);
    if (choice < 7) return { type: "leaseKeepAlive", id };
    if (choice < 8) return { type: "leaseTimeToLive", id, keys: random.below(2) === 0 };
    if (choice < 9) return { type: "leaseLeases" };
    return { type: "leaseRevoke", id };
  }

  private adminOp(): Op {
    const { random, knowledge } = this;
    switch (random.below(5)) {
      case 0:
        return { type: "defragment" };
      case 1:
        return { type: "alarm", action: "get", memberId: 0n };
      case 2:
        return { type: "memberList", linearizable: true };
      default: {
        const back = random.below(10);
        return { type: "hashKv", revision: back < 5 ? 0 : Math.max(1, knowledge.revision - back) };
      }
    }
  }

  private lease(): bigint {
    const { leases } = this.knowledge;
    return leases.length === 0 ? NO_LEASE : pick(this.random, leases).id;
  }

  private value(): string {
    const text = `v${this.client}.${++this.values}`;
    const { valueBytes } = this.plan;
    return valueBytes <= text.length ? text : `${text}:${".".repeat(this.random.below(valueBytes))}`;
  }
}

/** One of this many keys. */
export function keyOf(random: Random, keys: number): string {
  return `${KEY_PREFIX}${String(random.below(keys)).padStart(2, "0")}`;
}

export const PLAIN_RANGE: RangeOp = {
  type: "range",
  key: "",
  rangeEnd: "",
  limit: 0,
  revision: 0,
  sortOrder: 0,
  sortTarget: 0,
  serializable: false,
  keysOnly: false,
  countOnly: false,
  minModRevision: 0,
  maxModRevision: 0,
  minCreateRevision: 0,
  maxCreateRevision: 0,
};
