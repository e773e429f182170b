// A view of the memory backend: copies of its arrays and maps, whose values never change. There is no thread to work in;
// an export yields between chunks.

import { assert } from "#base";
import { ImageWriter } from "../bbolt/image-writer.js";
import { ImagePlanner } from "../bbolt/plan.js";
import {
  type BackendView,
  type BucketName,
  type DatabaseImage,
  REVISION_BUCKET,
  type RecordVisitor,
  type RevisionName,
} from "./backend.js";
import {
  EXCHANGE_BUCKETS,
  EXCHANGE_KEY_MAX,
  EXCHANGE_NAMES,
  type RecordSink,
  writeExchangeKey,
} from "./exchange.js";
import { DatabaseHash, RevisionHash } from "./hash.js";
import type { RevisionLog } from "./revision-log.js";
import { RevisionSet } from "./revision-set.js";

/** A small bucket, in key order. */
export type BucketSnapshot = readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];

export class MemoryView implements BackendView {
  constructor(
    private readonly revisions: RevisionLog,
    private readonly buckets: ReadonlyMap<BucketName, BucketSnapshot>,
  ) {}

  async forEach(visit: RecordVisitor): Promise<void> {
    for (const step of this.feed(new Visiting(visit))) if (step === false) return;
  }

  async exportImage(): Promise<DatabaseImage> {
    const planner = new ImagePlanner();
    for (const _ of this.feed(planner));
    const plan = planner.finish();
    return { size: plan.size, chunks: this.imageChunks(plan) };
  }

  async hash(): Promise<number> {
    const sum = new DatabaseHash();
    for (const _ of this.feed(sum));
    return sum.sum;
  }

  async hashRevisions(
    revision: number,
    compactRevision: number,
    keep: readonly RevisionName[],
  ): Promise<number> {
    const kept = new RevisionSet();
    for (const { main, sub } of keep) kept.add(main, sub);
    const sum = new RevisionHash(revision, compactRevision, kept);
    const key = new Uint8Array(EXCHANGE_KEY_MAX);
    this.revisions.scan(0, 0, (main, sub, tombstone, value) =>
      sum.add(key, writeExchangeKey(key, main, sub, tombstone), value, 0, value.length),
    );
    return sum.sum;
  }

  async close(): Promise<void> {}

  private async *imageChunks(plan: ReturnType<ImagePlanner["finish"]>): AsyncGenerator<Uint8Array> {
    const ready: Uint8Array[] = [];
    const writer = new ImageWriter(plan, (chunk) => ready.push(chunk));
    for (const _ of this.feed(writer)) if (ready.length > 0) yield* ready.splice(0);
    writer.finish();
    yield* ready;
  }

  /** Feeds record by record; what the sink answered comes out after each. */
  private *feed(sink: RecordSink): Generator<unknown> {
    for (const bucket of EXCHANGE_BUCKETS) {
      const name = EXCHANGE_NAMES.get(bucket);
      assert(name !== undefined, "a bucket without a name");
      sink.beginBucket(name);
      if (bucket === REVISION_BUCKET) yield* this.feedRevisions(sink);
      else {
        for (const { key, value } of this.buckets.get(bucket as BucketName) ?? []) {
          yield sink.add(key, 0, key.length, value, 0, value.length);
        }
      }
    }
  }

  private *feedRevisions(sink: RecordSink): Generator<unknown> {
    const key = new Uint8Array(EXCHANGE_KEY_MAX);
    for (const { main, sub, tombstone, value } of this.revisions.records()) {
      yield sink.add(key, 0, writeExchangeKey(key, main, sub, tombstone), value, 0, value.length);
    }
  }
}

class Visiting implements RecordSink {
  private bucket = "";

  constructor(private readonly visit: RecordVisitor) {}

  beginBucket(name: Uint8Array): void {
    this.bucket = Buffer.from(name).toString("latin1");
  }

  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): unknown {
    return this.visit(this.bucket, key.subarray(keyStart, keyEnd), value.subarray(start, end));
  }
}
