// Two servers, the same operations, every answer compared. Writes go one at a time, so that both see one order; reads
// between two writes go together. Watchers come and go; at intervals everything they were told is compared, and the hash
// of all keys. The first differences are printed with the seed that brings them back.
//
//   npm run test:differential -- --seed 7 --ops 100000        (see run.mjs)
//
// DIFF_SIDES=reference,reference compares the reference with itself: a check of this test.

import { describe, expect, test } from "vitest";
import { SeededRandom } from "#base";
import { requireReference, type TargetName } from "../support/index.js";
import { Names } from "../support/messages.js";
import { agree, printRequest } from "./comparison.js";
import { type Operation, Operations } from "./operations.js";
import { type Answer, Side } from "./side.js";

const SEED = Number(process.env.DIFF_SEED ?? 1);
const OPS = Number(process.env.DIFF_OPS ?? 3_000);
const SIDES = (process.env.DIFF_SIDES ?? "reference,process").split(",") as TargetName[];

const READS_TOGETHER = 24;
const CHECK_EVERY = 500;
const WATCHERS = 12;
const DIFFERENCES_SHOWN = Number(process.env.DIFF_SHOWN ?? 5);

class Run {
  readonly #left: Side;
  readonly #right: Side;
  readonly #operations = new Operations(SEED);
  readonly #random = new SeededRandom(SEED ^ 0x77617463);
  readonly #names = new Names();
  #reads: Operation[] = [];
  #performed = 0;
  #nextWatchId = 1n;
  #watching: bigint[] = [];
  readonly differences: string[] = [];

  constructor(left: Side, right: Side) {
    this.#left = left;
    this.#right = right;
  }

  async all(): Promise<void> {
    for (let i = 1; i <= OPS && this.differences.length < DIFFERENCES_SHOWN; i++) {
      await this.#one(this.#operations.next());
      if (i % CHECK_EVERY === 0) await this.#check();
    }
    await this.#check();
  }

  async #one(operation: Operation): Promise<void> {
    if (!operation.write) {
      this.#reads.push(operation);
      if (this.#reads.length >= READS_TOGETHER) await this.#flushReads();
      return;
    }
    await this.#flushReads();
    // A watcher that still catches up may or may not meet a compaction: let it arrive first.
    if (operation.method === "KV.Compact") await this.#settleWatchers();
    await this.#compare(operation, this.#left.perform(operation), this.#right.perform(operation));
    if (this.#random.below(60) === 0) await this.#changeWatchers();
  }

  async #flushReads(): Promise<void> {
    const reads = this.#reads;
    this.#reads = [];
    const left = reads.map((operation) => this.#left.perform(operation));
    const right = reads.map((operation) => this.#right.perform(operation));
    for (let i = 0; i < reads.length; i++) await this.#compare(reads[i], left[i], right[i]);
  }

  async #compare(operation: Operation, leftWork: Promise<Answer>, rightWork: Promise<Answer>): Promise<void> {
    const [left, right] = await Promise.all([leftWork, rightWork]);
    const at = this.#performed++;
    if (!agree(operation, left.line, right.line)) {
      this.differences.push(
        [
          `operation ${at}: ${printRequest(operation, this.#names)}`,
          `  ${this.#left.name}: ${left.line}`,
          `  ${this.#right.name}: ${right.line}`,
        ].join("\n"),
      );
    }
    this.#operations.revision = Math.max(this.#operations.revision, left.revision);
    if (operation.method === "KV.Compact" && !left.line.startsWith("error")) {
      const revision = /revision: (\d+)/.exec(printRequest(operation, this.#names));
      this.#operations.compacted = Number(revision![1]);
    }
  }

  /** Adds a watcher or takes one away, the same on both sides. One that is taken away has caught up before. */
  async #changeWatchers(): Promise<void> {
    const sides = [this.#left.watches, this.#right.watches];
    if (this.#watching.length >= WATCHERS) {
      await this.#settleWatchers();
      const [watchId] = this.#watching.splice(this.#random.below(this.#watching.length), 1);
      for (const side of sides) side.cancel(watchId);
      return;
    }
    const watchId = this.#nextWatchId++;
    this.#watching.push(watchId);
    // Not below the compacted revision: etcd answers no request for progress on a stream with a watcher it cancelled so.
    const { revision, compacted } = this.#operations;
    const past = Math.max(compacted + 1, revision - this.#random.below(400));
    const options = {
      watchId,
      key: Buffer.from(`k${String(this.#random.below(48)).padStart(2, "0")}`),
      rangeEnd: this.#random.below(2) === 0 ? new Uint8Array(0) : Buffer.from([0]),
      startRevision: BigInt(this.#random.below(2) === 0 ? past : revision + 1),
      prevKv: this.#random.below(2) === 0,
      fragment: this.#random.below(4) === 0,
      filters: this.#random.below(4) === 0 ? [this.#random.below(2)] : [],
    };
    for (const side of sides) side.create(options);
  }

  /** The put makes a revision that every watcher starts at or before: one that waits for its start answers no request
   *  for progress. */
  async #settleWatchers(): Promise<void> {
    const fence = this.#operations.fence();
    await this.#compare(fence, this.#left.perform(fence), this.#right.perform(fence));
    const { revision } = this.#operations;
    await Promise.all([this.#left.watches.settle(revision), this.#right.watches.settle(revision)]);
  }

  /** Compares what the watchers were told, and the hash of all keys. */
  async #check(): Promise<void> {
    await this.#flushReads();
    await this.#settleWatchers();
    const left = this.#left.watches.drain();
    const right = this.#right.watches.drain();
    for (const watchId of new Set([...left.keys(), ...right.keys()])) {
      this.#compareTold(watchId, left.get(watchId) ?? [], right.get(watchId) ?? []);
    }
    const hash = { method: "Maintenance.HashKV", bytes: new Uint8Array(0), write: true, unordered: false };
    await this.#compare(hash, this.#left.perform(hash), this.#right.perform(hash));
  }

  #compareTold(watchId: bigint, left: readonly string[], right: readonly string[]): void {
    const at = left.findIndex((line, i) => line !== right[i]);
    if (at < 0 && left.length === right.length) return;
    const first = at < 0 ? left.length : at;
    this.differences.push(
      [
        `watcher ${watchId}, event ${first} of ${left.length} and ${right.length}, before operation ${this.#performed}`,
        `  ${this.#left.name}: ${left[first] ?? "nothing"}`,
        `  ${this.#right.name}: ${right[first] ?? "nothing"}`,
      ].join("\n"),
    );
  }
}

describe("differential", () => {
  const possible = !SIDES.includes("reference") || requireReference();
  test.skipIf(!possible)(
    `${SIDES.join(" and ")} agree on ${OPS} operations, seed ${SEED}`,
    async () => {
      const [left, right] = await Promise.all(SIDES.map((name) => Side.start(name)));
      try {
        const run = new Run(left, right);
        await run.all();
        expect(run.differences.join("\n"), `seed ${SEED}`).toBe("");
      } finally {
        await Promise.all([left.destroy(), right.destroy()]);
      }
    },
    60_000 + OPS * 20,
  );
});
