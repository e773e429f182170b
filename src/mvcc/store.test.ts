// The store against a naive one, with random requests through the real codecs: same responses, same refusals, same
// revisions; across compactions in small steps, crashes, and on a second member whose clients are elsewhere.

import { type DescMessage, fromBinary, type MessageShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type Random, SeededRandom, WireWriter } from "#base";
import {
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  type RpcError,
  rpcpb,
} from "#proto";
import { CompactionProgress } from "./compaction.js";
import { Store } from "./store.js";
import { TestBackend } from "./testing/memory-backend.js";
import { NaiveStore, Refused } from "./testing/naive-store.js";
import { randomDelete, randomPut, randomRange, randomTxn } from "./testing/random-requests.js";
import { TestLeases } from "./testing/session.js";
import { checkDelete, checkPut, checkRange, checkTxn } from "./validate.js";

/** A store with all that it needs. */
class Member {
  backend = new TestBackend();
  leases = new TestLeases();
  store = this.open();
  events: string[] = [];

  grant(lease: bigint): void {
    this.leases.keys.set(lease, new Set());
  }

  restart(): void {
    this.backend = this.backend.clone();
    for (const keys of this.leases.keys.values()) keys.clear();
    this.store = this.open();
  }

  compactSome(random: Random): void {
    for (let n = random.below(6); n > 0; n--) this.store.compactionStep(1 + random.below(20));
  }

  compactAll(): void {
    while (this.store.compactionStep(7) !== CompactionProgress.Idle);
  }

  private open(): Store {
    const store = new Store(this.backend, {
      leases: this.leases,
      events: {
        wantsEvents: true,
        onEvents: ({ revision, events }) => {
          for (const { type, key, kv } of events) {
            this.events.push(`${revision} ${type} ${key.join()} ${kv.join()}`);
          }
        },
      },
    });
    store.restore();
    return store;
  }
}

class Differential {
  readonly naive = new NaiveStore();
  readonly member = new Member();
  /** Applies the same entries, with nobody waiting for the results. */
  readonly silent = new Member();
  refusals = 0;

  constructor(readonly random: Random) {
    for (const lease of [1n, 2n, -3n]) this.grant(lease);
  }

  grant(lease: bigint): void {
    this.naive.leases.add(lease);
    this.member.grant(lease);
    this.silent.grant(lease);
  }

  step(): void {
    const { random } = this;
    const kind = random.below(100);
    if (kind < 30) this.range();
    else if (kind < 55) this.put();
    else if (kind < 65) this.delete();
    else if (kind < 92) this.txn();
    else if (kind < 94) this.compact();
    else if (kind < 96) this.revoke();
    else if (kind < 98) this.compactSome();
    else this.restart();
  }

  private get situation() {
    const { current, compacted, leases } = this.naive;
    return { current, compacted, leases: [...leases] };
  }

  private range(): void {
    const req = randomRange(this.random, this.situation);
    const hot = decodeRangeRequest(toBinary(rpcpb.RangeRequestSchema, req));
    const out = new WireWriter();
    const paused = new WireWriter();
    const error = checkRange(hot);
    if (error !== undefined) return;
    const reader = this.member.store.openRange(hot, paused);
    const real = this.member.store.range(hot, out);
    this.compare(rpcpb.RangeResponseSchema, () => this.naive.range(req), real, out);
    expect(reader.error).toBe(real);
    if (real !== undefined) return;
    while (!reader.step(1 + this.random.below(3), 40));
    expect([...paused.view()], JSON.stringify(hot)).toEqual([...out.view()]);
  }

  private put(): void {
    const req = randomPut(this.random, this.situation);
    const hot = decodePutRequest(toBinary(rpcpb.PutRequestSchema, req));
    if (checkPut(hot) !== undefined) return;
    const out = new WireWriter();
    const { error } = this.member.store.applyPut(hot, out);
    expect(this.silent.store.applyPut(hot, undefined).error).toBe(error);
    this.compare(rpcpb.PutResponseSchema, () => this.naive.put(req), error, out);
  }

  private delete(): void {
    const req = randomDelete(this.random);
    const hot = decodeDeleteRangeRequest(toBinary(rpcpb.DeleteRangeRequestSchema, req));
    expect(checkDelete(hot)).toBe(undefined);
    const out = new WireWriter();
    const { error, deleted } = this.member.store.applyDeleteRange(hot, out);
    expect(this.silent.store.applyDeleteRange(hot, undefined).deleted).toBe(deleted);
    this.compare(rpcpb.DeleteRangeResponseSchema, () => this.naive.delete(req), error, out);
  }

  private txn(): void {
    const req = randomTxn(this.random, this.situation);
    const hot = decodeTxnRequest(toBinary(rpcpb.TxnRequestSchema, req));
    if (hot === undefined || checkTxn(hot, 128) !== undefined) return;
    const out = new WireWriter();
    const { error, succeeded } = this.member.store.applyTxn(hot, out);
    const silent = this.silent.store.applyTxn(hot, undefined);
    expect(silent.error).toBe(error);
    expect(silent.succeeded).toBe(succeeded);
    this.compare(rpcpb.TxnResponseSchema, () => this.naive.txn(req), error, out);
  }

  private compact(): void {
    const revision = this.naive.current + 1 - this.random.below(12);
    const error = this.member.store.compact(revision);
    expect(this.silent.store.compact(revision)).toBe(error);
    expect(refusalOf(() => this.naive.compact(revision))).toBe(error);
  }

  private revoke(): void {
    const lease = [1n, 2n, -3n][this.random.below(3)];
    const keys = this.naive.keysOf(lease);
    for (const member of [this.member, this.silent]) {
      member.store.applyDeleteKeys(keys);
      member.leases.keys.delete(lease);
    }
    this.naive.revoke(lease);
    this.grant(lease);
  }

  private compactSome(): void {
    this.member.compactSome(this.random);
    this.silent.compactSome(this.random);
  }

  private restart(): void {
    (this.random.below(2) === 0 ? this.member : this.silent).restart();
  }

  private compare<D extends DescMessage>(
    schema: D,
    naive: () => MessageShape<D>,
    error: RpcError | undefined,
    out: WireWriter,
  ): void {
    let expected: MessageShape<D> | undefined;
    const refusal = refusalOf(() => {
      expected = naive();
    });
    expect(error).toBe(refusal);
    if (error !== undefined) this.refusals++;
    if (expected !== undefined) {
      const options = { alwaysEmitImplicit: false };
      expect(toJsonString(schema, fromBinary(schema, out.view()), options)).toBe(
        toJsonString(schema, expected, options),
      );
    }
    expect(this.member.store.currentRevision).toBe(this.naive.current);
    expect(this.silent.store.currentRevision).toBe(this.naive.current);
    expect(this.member.store.compactedRevision).toBe(this.naive.compacted);
  }

  /** Both members hold the same, and what the model says. */
  finish(): void {
    const { member, silent, naive } = this;
    expect(this.hash(member)).toEqual(this.hash(silent));
    member.compactAll();
    silent.compactAll();
    expect(this.hash(member)).toEqual(this.hash(silent));
    expect(member.backend.equals(silent.backend)).toBe(true);
    expect(member.events).toEqual(silent.events);
    expect(member.events.length).toBe(naive.records.length);
    expect(leaseText(member)).toEqual(leaseText(silent));
    for (const lease of naive.leases) {
      const keys = naive.keysOf(lease).map((key) => key.join());
      expect(member.leases.keys.get(lease)?.size).toBe(keys.length);
    }
    const before = this.hash(member);
    member.restart();
    expect(this.hash(member)).toEqual(before);
    expect(leaseText(member)).toEqual(leaseText(silent));
    expect(member.store.keyCount).toBe(silent.store.keyCount);
  }

  private hash({ store }: Member) {
    const reader = store.hashKv(0);
    while (!reader.step(1 + this.random.below(50)));
    return reader.result;
  }
}

function leaseText({ leases }: Member): string[] {
  return [...leases.keys].map(([id, keys]) => `${id}: ${[...keys].sort()}`).sort();
}

function refusalOf(run: () => void): RpcError | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof Refused) return error.row;
    throw error;
  }
  return undefined;
}

describe("against the naive store", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("seed %i", (seed) => {
    const both = new Differential(new SeededRandom(seed));
    for (let n = 0; n < 1500; n++) both.step();
    both.finish();
    expect(both.refusals).toBeGreaterThan(20);
  });
});
