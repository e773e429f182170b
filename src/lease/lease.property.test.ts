// Random lives of leases on three members against what a lease promises. The log is a list that every member applies
// at its own pace; one of them is primary at a time. The model knows only what clients were told: a lease that was
// granted or renewed lives at least its TTL from then on, whoever is primary later; one that was revoked is gone; and
// when nothing disturbs, an expired lease goes soon. Planted bugs must be found.

import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { type LeaseBackend, type LeaseCheckpoint, Lessor, leaseBugs } from "./index.js";
import { REVOKES_IN_FLIGHT_MAX } from "./limits.js";
import { MemoryLeases } from "./testkit.js";

const MEMBERS = 3;
const EXTEND_MS = 1000;
const CHECKPOINT_MS = 5000;

const member = fc.nat(MEMBERS - 1);
const id = fc.integer({ min: 1, max: 5 }).map(BigInt);
const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("grant" as const), id, ttl: fc.integer({ min: -1, max: 60 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("renew" as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("revoke" as const), id }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.integer({ min: 1, max: 4000 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("elect" as const), member }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), member }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("attach" as const), id, key: fc.nat(9) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

type Entry =
  | { readonly kind: "grant"; readonly id: bigint; readonly ttl: number }
  | { readonly kind: "revoke"; readonly id: bigint }
  | { readonly kind: "attach"; readonly id: bigint; readonly key: string }
  | { readonly kind: "checkpoints"; readonly list: readonly LeaseCheckpoint[] };

interface Told {
  /** It may not end before this. */
  untilMs: number;
  ttl: number;
  readonly keys: Set<string>;
}

function check(condition: boolean, message: string, detail?: unknown): asserts condition {
  if (condition) return;
  const text = JSON.stringify(detail, (_key, value: unknown) =>
    typeof value === "bigint" ? `${value}` : value,
  );
  throw new Error(`${message}: ${text}`);
}

class Run {
  private readonly backends = Array.from({ length: MEMBERS }, () => new MemoryLeases());
  private readonly lessors = this.backends.map((backend) => this.create(backend));
  private readonly model = new Map<bigint, Told>();
  private primary = 0;
  private nowMs = 0;
  /** Since when the present primary has been primary and no lease was disturbed. */
  private quietSinceMs = 0;

  constructor() {
    this.lessors[0].promote(0, EXTEND_MS);
  }

  perform(operation: Operation): void {
    switch (operation.kind) {
      case "grant":
        this.grant(operation.id, operation.ttl);
        break;
      case "renew":
        this.renew(operation.id);
        break;
      case "revoke":
        this.apply({ kind: "revoke", id: operation.id });
        break;
      case "attach":
        this.apply({ kind: "attach", id: operation.id, key: `k${operation.key}` });
        break;
      case "advance":
        this.advance(operation.ms);
        break;
      case "elect":
        this.elect(operation.member);
        break;
      case "restart":
        this.restart(operation.member);
    }
    for (const lessor of this.lessors)
      check(lessor.size === this.model.size, "members disagree", lessor.describe(0));
  }

  finish(): void {
    const dumps = this.backends.map((backend) => backend.dump());
    expect(new Set(dumps).size).toBe(1);
    for (let second = 0; second < 70; second++) this.advance(1000);
    const last = this.lessors[this.primary].describe(this.nowMs);
    check(this.model.size === 0, "leases never end", last);
    expect(dumps.length).toBe(MEMBERS);
    for (const backend of this.backends) expect(backend.dump()).toBe("");
  }

  private create(backend: LeaseBackend): Lessor {
    const lessor = new Lessor(backend, {
      ttlMin: 2,
      revokeRetryMs: 3000,
      checkpoints: true,
      checkpointIntervalMs: CHECKPOINT_MS,
      storesCheckpoints: () => true,
    });
    lessor.restore();
    return lessor;
  }

  private grant(id: bigint, ttl: number): void {
    const known = this.model.has(id);
    const outcomes = this.lessors.map((lessor) => lessor.grant(id, ttl, this.nowMs));
    for (const outcome of outcomes) check(outcome.ok !== known, "granted twice", outcome);
    if (known) return;
    const effective = Math.max(2, ttl);
    this.model.set(id, { untilMs: this.nowMs + effective * 1000, ttl: effective, keys: new Set() });
  }

  /** As the server does it: a checkpoint is cleared through the log before the renewal is answered. */
  private renew(id: bigint): void {
    const lessor = this.lessors[this.primary];
    let outcome = lessor.renew(id, this.nowMs);
    if (outcome === "checkpointed") {
      this.apply({ kind: "checkpoints", list: [{ id, remainingTtl: 0 }] });
      outcome = lessor.renew(id, this.nowMs);
    }
    const known = this.model.get(id);
    if (known === undefined) return check(outcome === "not found", "renewed a lease that is gone", { id });
    if (outcome === "expired") return check(known.untilMs <= this.nowMs, "expired before its time", known);
    check(typeof outcome !== "string" && outcome.ttl === known.ttl, "renewal refused", { id, outcome });
    known.untilMs = this.nowMs + known.ttl * 1000;
  }

  private apply(entry: Entry): void {
    switch (entry.kind) {
      case "revoke":
        return this.revoke(entry.id);
      case "attach":
        if (!this.model.has(entry.id)) return;
        for (const lessor of this.lessors) lessor.attach(entry.id, Buffer.from(entry.key));
        this.model.get(entry.id)!.keys.add(entry.key);
        return;
      case "checkpoints":
        for (const { id, remainingTtl } of entry.list) {
          for (const lessor of this.lessors) lessor.checkpoint(id, remainingTtl, this.nowMs);
        }
    }
  }

  private revoke(id: bigint): void {
    const known = this.model.get(id);
    this.model.delete(id);
    for (const lessor of this.lessors) {
      const keys = lessor.revoke(id)?.map((key) => Buffer.from(key).toString());
      expect(keys).toEqual(known === undefined ? undefined : [...known.keys].sort());
    }
  }

  /** Time passes; the primary ticks every 500 ms. */
  private advance(ms: number): void {
    for (let left = ms; left > 0; left -= 500) {
      this.nowMs += Math.min(500, left);
      this.tick();
    }
  }

  private tick(): void {
    const lessor = this.lessors[this.primary];
    const list = lessor.dueCheckpoints(this.nowMs);
    for (const { id, remainingTtl } of list) {
      const known = this.model.get(id);
      check(known === undefined || remainingTtl < known.ttl, "checkpoint of a whole TTL", {
        id,
        remainingTtl,
      });
    }
    this.apply({ kind: "checkpoints", list });
    const ids = lessor.expired(this.nowMs);
    check(ids.length <= REVOKES_IN_FLIGHT_MAX, "too many revocations", ids);
    for (const id of ids) {
      const known = this.model.get(id);
      check(known !== undefined && known.untilMs <= this.nowMs, "revoked before its time", { id, known });
      this.revoke(id);
    }
    for (const [id, { untilMs, ttl }] of this.model) {
      const latest = Math.max(untilMs, this.quietSinceMs + EXTEND_MS + ttl * 1000) + 1000;
      check(this.nowMs <= latest, "lives on after its end", { id, untilMs, now: this.nowMs });
    }
  }

  private elect(next: number): void {
    const left = this.lessors[this.primary].describe(this.nowMs);
    this.lessors[this.primary].demote();
    this.primary = next;
    this.quietSinceMs = this.nowMs;
    this.lessors[next].promote(this.nowMs, EXTEND_MS);
    check(left.length > 0, "describe says nothing");
  }

  private restart(which: number): void {
    this.lessors[which] = this.create(this.backends[which]);
    for (const [id, { keys }] of this.model) {
      for (const key of keys) this.lessors[which].attach(id, Buffer.from(key));
    }
    if (which === this.primary) this.elect((which + 1) % MEMBERS);
  }
}

const promises = fc.property(fc.array(operation, { maxLength: 120, size: "max" }), (operations) => {
  const run = new Run();
  for (const each of operations) run.perform(each);
  run.finish();
});

/** An election every half TTL must not keep a lease alive: checkpoints carry over what was left. */
function secondsToEndUnderElections(ttl: number): number {
  const backends = [new MemoryLeases(), new MemoryLeases()];
  const lessors = backends.map(
    (backend) =>
      new Lessor(backend, {
        ttlMin: 2,
        revokeRetryMs: 3000,
        checkpoints: true,
        checkpointIntervalMs: CHECKPOINT_MS,
        storesCheckpoints: () => false,
      }),
  );
  for (const lessor of lessors) lessor.grant(1n, ttl, 0);
  lessors[0].promote(0, EXTEND_MS);
  for (let second = 1; second < ttl * 100; second++) {
    const primary = lessors[Math.floor((second * 2) / ttl) % 2];
    if (!primary.isPrimary) {
      for (const lessor of lessors) lessor.demote();
      primary.promote(second * 1000, EXTEND_MS);
    }
    for (const { id, remainingTtl } of primary.dueCheckpoints(second * 1000)) {
      for (const lessor of lessors) lessor.checkpoint(id, remainingTtl, second * 1000);
    }
    if (primary.expired(second * 1000).length > 0) return second;
  }
  return Number.POSITIVE_INFINITY;
}

describe("leases", () => {
  afterEach(() => {
    leaseBugs.clear();
    Reflect.deleteProperty(globalThis, "ETCD_TS_SIMULATION");
  });

  function plant(name: "checkpointLost" | "keepAliveSuccessAfterRevoke"): void {
    Reflect.set(globalThis, "ETCD_TS_SIMULATION", true);
    leaseBugs.plant(name);
  }

  test("keep their promises", () => {
    fc.assert(promises, { numRuns: 600, seed: 31 });
  });

  test("end under frequent elections", () => {
    expect(secondsToEndUnderElections(60)).toBeLessThan(90);
  });

  test("checkpointLost is found", () => {
    plant("checkpointLost");
    expect(secondsToEndUnderElections(60)).toBe(Number.POSITIVE_INFINITY);
  });

  test("keepAliveSuccessAfterRevoke is found", () => {
    plant("keepAliveSuccessAfterRevoke");
    expect(fc.check(promises, { numRuns: 600, seed: 31 }).failed).toBe(true);
  });

  test("no bug is planted outside a simulation", () => {
    expect(() => leaseBugs.plant("checkpointLost")).toThrow("simulations only");
  });
});
