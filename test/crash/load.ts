// The load: writers with keys of their own, readers of everybody's keys, and one client for the rare work (compaction,
// defragmentation, leases, hashes, snapshots). Each keeps the model informed and stops at the first failure that a crash
// can cause. Values are unique, so that a value tells which request wrote it.

import { status as Code } from "@grpc/grpc-js";
import type { SeededRandom } from "#base";
import { KV, Lease, Maintenance } from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import { type Outcome, TestClient } from "../support/index.js";
import type { Model } from "./model.js";

const CONNECTIONS = 8;
const WRITERS = 24;
const READERS = 8;
const KEYS_OF_A_WRITER = 12;
const LARGE_VALUE_BYTES = 60_000;
/** Failures after which nobody knows whether it was done. */
const UNKNOWN_CODES = new Set<number>([
  Code.CANCELLED,
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
  Code.INTERNAL,
  Code.UNAVAILABLE,
]);

const RARE = ["compact", "defragment", "grant", "grant", "revoke", "snapshot", "hash", "hash"] as const;

type Header = { header?: { revision: bigint } };

export class Load {
  readonly #model: Model;
  readonly #random: SeededRandom;
  readonly #clients: TestClient[];
  readonly #running: Promise<void>[] = [];
  #stopping = false;
  operations = 0;
  /** Names of the rare operations that were begun, in order. */
  readonly rareWork: string[] = [];
  static #values = 0;
  static #leases = 1000n;

  constructor(endpoint: string, model: Model, random: SeededRandom) {
    this.#model = model;
    this.#random = random;
    this.#clients = Array.from({ length: CONNECTIONS }, () => new TestClient(endpoint));
  }

  async start(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.ready()));
    for (let i = 0; i < WRITERS; i++) this.#running.push(this.#loop(i, () => this.#write(i)));
    for (let i = 0; i < READERS; i++) this.#running.push(this.#loop(i, () => this.#read(i)));
    this.#running.push(this.#loop(0, () => this.#rare()));
  }

  /** Call after the kill: waits until every request in flight has failed. */
  async end(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
    for (const client of this.#clients) client.close();
  }

  async #loop(_id: number, step: () => Promise<boolean>): Promise<void> {
    while (!this.#stopping && (await step())) this.operations++;
  }

  #client(id: number): TestClient {
    return this.#clients[id % CONNECTIONS];
  }

  #key(writer: number): string {
    return `w${writer}/k${this.#random.below(KEYS_OF_A_WRITER)}`;
  }

  #value(): string {
    const value = `v${Load.#values++}`;
    return this.#random.below(60) === 0 ? value.padEnd(LARGE_VALUE_BYTES, ".") : value;
  }

  // ---- writers

  #write(id: number): Promise<boolean> {
    const draw = this.#random.below(10);
    if (draw < 6) return this.#put(id);
    if (draw < 8) return this.#delete(id);
    return this.#txn(id);
  }

  #put(id: number): Promise<boolean> {
    const key = this.#key(id);
    const value = this.#value();
    const call = () =>
      this.#client(id).unary(KV.method.put, { key: Buffer.from(key), value: Buffer.from(value) });
    return this.#change(new Map([[key, value]]), call);
  }

  #delete(id: number): Promise<boolean> {
    const key = this.#key(id);
    const call = () => this.#client(id).unary(KV.method.deleteRange, { key: Buffer.from(key) });
    return this.#change(new Map([[key, undefined]]), call);
  }

  /** Some puts and a delete, in one revision. */
  #txn(id: number): Promise<boolean> {
    const changes = new Map<string, string | undefined>();
    for (let i = 0; i < 3; i++) changes.set(this.#key(id), this.#value());
    const [removed] = changes.keys();
    if (changes.size > 1) changes.set(removed, undefined);
    const success = [...changes].map(([key, value]) =>
      value === undefined
        ? { request: { case: "requestDeleteRange" as const, value: { key: Buffer.from(key) } } }
        : {
            request: {
              case: "requestPut" as const,
              value: { key: Buffer.from(key), value: Buffer.from(value) },
            },
          },
    );
    return this.#change(changes, () => this.#client(id).unary(KV.method.txn, { success }));
  }

  async #change(
    changes: ReadonlyMap<string, string | undefined>,
    call: () => Promise<Outcome<Header>>,
  ): Promise<boolean> {
    const request = this.#model.begin(changes);
    const outcome = await call();
    if ("response" in outcome) this.#model.acknowledged(request, revisionOf(outcome.response));
    else if (UNKNOWN_CODES.has(outcome.code)) return false;
    else {
      this.#model.refused(request);
      this.#model.violation(`a plain write was refused: ${outcome.code} ${outcome.message}`);
    }
    return true;
  }

  // ---- readers

  async #read(id: number): Promise<boolean> {
    const key = Buffer.from(this.#key(this.#random.below(WRITERS)));
    const outcome = await this.#client(id).unary(KV.method.range, { key });
    if (!("response" in outcome)) return false;
    this.#model.sawRevision(revisionOf(outcome.response));
    for (const kv of outcome.response.kvs) {
      this.#model.observed({
        key: Buffer.from(kv.key).toString(),
        revision: Number(kv.modRevision),
        value: Buffer.from(kv.value).toString(),
      });
    }
    return true;
  }

  // ---- the rare work

  async #rare(): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, this.#random.below(40)));
    const kind = RARE[this.#random.below(RARE.length)];
    this.rareWork.push(kind);
    switch (kind) {
      case "compact":
        return this.#compact();
      case "defragment":
        return succeeded(await this.#client(0).unary(Maintenance.method.defragment, {}));
      case "grant":
        return this.#grant();
      case "revoke":
        return this.#revoke();
      case "snapshot":
        return this.#snapshot();
      case "hash":
        return this.#hash();
    }
  }

  async #compact(): Promise<boolean> {
    const revision = this.#model.highestRevision - this.#random.below(200);
    if (revision <= this.#model.compacted) return true;
    this.#model.compactedMaybe = Math.max(this.#model.compactedMaybe, revision);
    const physical = this.#random.below(2) === 0;
    const outcome = await this.#client(0).unary(KV.method.compact, { revision: BigInt(revision), physical });
    if (succeeded(outcome)) this.#model.compacted = revision;
    return succeeded(outcome);
  }

  async #grant(): Promise<boolean> {
    const ID = Load.#leases++;
    const outcome = await this.#client(0).unary(Lease.method.leaseGrant, { ID, TTL: 100_000n });
    if (succeeded(outcome)) this.#model.leases.set(ID, true);
    return succeeded(outcome);
  }

  async #revoke(): Promise<boolean> {
    const live = [...this.#model.leases].filter(([, there]) => there);
    if (live.length === 0) return true;
    const [ID] = live[this.#random.below(live.length)];
    this.#model.leases.delete(ID);
    const outcome = await this.#client(0).unary(Lease.method.leaseRevoke, { ID });
    if (succeeded(outcome)) this.#model.leases.set(ID, false);
    return succeeded(outcome);
  }

  async #snapshot(): Promise<boolean> {
    const { status } = await this.#client(0).serverStream(Maintenance.method.snapshot, {}).all();
    return status.code === Code.OK;
  }

  async #hash(): Promise<boolean> {
    const outcome = await this.#client(0).unary(Maintenance.method.hashKV, {});
    if (!("response" in outcome)) return false;
    const { hash, compactRevision } = outcome.response;
    this.#model.hashes.push({
      hash,
      compactRevision: Number(compactRevision),
      revision: revisionOf(outcome.response),
    });
    return true;
  }
}

function succeeded(outcome: Outcome<unknown>): boolean {
  return "response" in outcome;
}

function revisionOf(response: Header): number {
  return Number(response.header!.revision);
}
