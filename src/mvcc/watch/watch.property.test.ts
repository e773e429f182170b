// Random histories against what a watch promises. The model is the store's own list of records: what a watcher must get
// is every record from its start that matches, in order, and at any moment it must have a prefix of that. The other
// promises are checked at each response: atomic, bookmarkable, filtered, with the right previous value, and canceled by
// compaction or complete, never silent. Planted bugs must be found.

import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { SeededRandom, utf8 } from "#base";
import { WatchHub, type WatchStream, watchBugs } from "./index.js";
import {
  type DecodedEvent,
  type DecodedKv,
  type DecodedResponse,
  type ModelRecord,
  ModelStore,
  pullResponse,
} from "./testkit.js";

const KEYS = ["a", "b", "c", "d"];
/** What one response may hold of several revisions, and what it may take around the events and around each. */
const RESPONSE_BYTES = 150;
const FRAMING_BYTES = 50;

const changes = fc.uniqueArray(
  fc.record({
    key: fc.constantFrom(...KEYS),
    value: fc.option(fc.constantFrom("x", "yy", "z".repeat(60)), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 3, selector: (change) => change.key },
);
const stream = fc.nat(2);
const operation = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("write" as const), changes }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("watch" as const),
      stream,
      key: fc.constantFrom("", ...KEYS),
      end: fc.constantFrom("", "", "\0", "c", "e"),
      /** From the current revision; 100 stands for "now". */
      start: fc.oneof(fc.integer({ min: -6, max: 4 }), fc.constant(100)),
      noPut: fc.boolean(),
      noDelete: fc.boolean(),
      prevKv: fc.boolean(),
      progressNotify: fc.boolean(),
      fragment: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("pull" as const),
      stream,
      count: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("sync" as const), records: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("turnEnd" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("progress" as const), stream }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("tick" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("compact" as const), back: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), stream, id: fc.nat(6) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("snapshot" as const),
      batches: fc.array(changes, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const), stream }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;
type WatchOperation = Extract<Operation, { kind: "watch" }>;

interface Expectation {
  readonly spec: WatchOperation;
  readonly start: number;
  readonly prompt: boolean;
  /** Nothing is read from history for it. */
  readonly live: boolean;
  created: boolean;
  /** Records delivered, as a count into `wanted`. */
  delivered: number;
  inFragments: boolean;
}

function check(condition: boolean, message: string, detail?: unknown): asserts condition {
  if (!condition)
    throw new Error(detail === undefined ? message : `${message}: ${JSON.stringify(detail, plain)}`);
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}` : value;
}

function matches(spec: WatchOperation, record: ModelRecord): boolean {
  const key = spec.key === "" ? "\0" : spec.key;
  const inside =
    spec.end === "" ? record.key === key : record.key >= key && (spec.end === "\0" || record.key < spec.end);
  return inside && !(record.kv === undefined ? spec.noDelete : spec.noPut);
}

class Run {
  private readonly store = new ModelStore();
  private readonly hub: WatchHub;
  private readonly streams: WatchStream[] = [];
  private readonly expectations = new Map<WatchStream, Map<bigint, Expectation>>();
  private nowMs = 0;
  private readonly prompt: boolean;

  /** @param queue bound of a stream's queue; 0 is none, then everything is pulled at the end of each turn and nobody ever lags */
  constructor(queue: number) {
    this.prompt = queue === 0;
    this.hub = new WatchHub(this.store, {
      random: new SeededRandom(7),
      onReady: () => {},
      fragmentBytes: 120,
      progressIntervalMs: 100,
      queueResponsesMax: queue === 0 ? 1000 : queue,
      responseBytesMax: RESPONSE_BYTES,
    });
    this.hub.setHeader(0xfedcba9876543210n, 0x8123456789abcdefn, 7);
    for (let i = 0; i < 3; i++) this.open(i);
  }

  perform(operation: Operation): void {
    switch (operation.kind) {
      case "write":
        this.write(operation.changes);
        break;
      case "watch":
        this.watch(operation);
        break;
      case "pull":
        this.pull(this.streams[operation.stream], operation.count);
        break;
      case "sync":
        this.hub.syncStep(operation.records);
        break;
      case "turnEnd":
        this.hub.flush();
        break;
      case "progress":
        this.streams[operation.stream].requestProgress();
        break;
      case "tick":
        this.nowMs += 120;
        this.hub.tick(this.nowMs);
        break;
      case "compact":
        this.compact(this.store.currentRevision - operation.back);
        break;
      case "cancel":
        this.streams[operation.stream].cancel(BigInt(operation.id));
        break;
      case "snapshot":
        for (const batch of operation.batches) this.store.apply(batch);
        this.hub.requeueAll();
        break;
      case "close":
        this.open(operation.stream);
    }
    if (!this.prompt || operation.kind === "write") return;
    this.hub.flush();
    for (const each of this.streams) this.drain(each);
  }

  /** Lets everybody catch up and checks that nothing is missing, then that nothing is left. */
  finish(): void {
    this.hub.flush();
    for (const each of this.streams) this.drain(each);
    for (const [each, expectations] of this.expectations) {
      for (const [id, it] of expectations) {
        const wanted = this.wanted(it);
        check(it.delivered === wanted.length, "a watcher was left silent", {
          id,
          it,
          wanted,
          hub: this.hub.describe(),
        });
      }
      each.close();
    }
    const { watchers, streams, slowWatchers, pendingEvents, syncPending } = this.hub;
    const left = { watchers, streams, slowWatchers, pendingEvents, syncPending };
    check(watchers + streams + slowWatchers + pendingEvents === 0 && !syncPending, "something is left", left);
  }

  private open(index: number): void {
    const old = this.streams[index];
    if (old !== undefined) {
      old.close();
      this.expectations.delete(old);
    }
    const fresh = this.hub.createStream(this.nowMs);
    this.streams[index] = fresh;
    this.expectations.set(fresh, new Map());
  }

  private write(batch: { key: string; value: string | undefined }[]): void {
    const events = this.store.apply(batch);
    if (events !== undefined) this.hub.onEvents(events);
  }

  private compact(revision: number): void {
    if (revision <= this.store.compactedRevision || revision < 1) return;
    this.store.compact(revision);
    this.hub.compacted();
  }

  private watch(spec: WatchOperation): void {
    const current = this.store.currentRevision;
    const startRevision = spec.start === 100 ? 0 : current + spec.start;
    const target = this.streams[spec.stream];
    const watcher = target.create({
      ...spec,
      key: utf8(spec.key),
      rangeEnd: utf8(spec.end),
      startRevision,
      watchId: 0n,
    });
    const empty = spec.end !== "" && spec.end !== "\0" && spec.key >= spec.end;
    if (startRevision < 0 || empty) return check(watcher === undefined, "refusal expected");
    if (watcher === undefined) {
      return check(
        startRevision > 0 && startRevision < this.store.compactedRevision,
        "refused without reason",
      );
    }
    this.expectations.get(target)!.set(watcher.id, {
      spec,
      start: startRevision === 0 ? current + 1 : startRevision,
      prompt: this.prompt,
      live: this.prompt && (startRevision === 0 || startRevision > current),
      created: false,
      delivered: 0,
      inFragments: false,
    });
  }

  private wanted(it: Expectation): ModelRecord[] {
    return this.store.log.filter((record) => record.main >= it.start && matches(it.spec, record));
  }

  private drain(target: WatchStream): void {
    for (;;) {
      this.pull(target, 1000);
      if (!this.hub.syncPending) return;
      this.hub.syncStep(3);
    }
  }

  private pull(target: WatchStream, count: number): void {
    for (let pulled = 0; pulled < count; pulled++) {
      const response = pullResponse(target);
      if (response === undefined) return;
      this.receive(target, response);
    }
  }

  private receive(target: WatchStream, response: DecodedResponse): void {
    const expectations = this.expectations.get(target)!;
    check(response.header.startsWith("0890e4d0b287d3aeeefe01"), "wrong cluster id", response.header);
    if (response.watchId === -1n) {
      if (response.created)
        return check(response.canceled && response.reason !== "", "odd refusal", response);
      for (const it of expectations.values()) if (it.created) this.bookmark(it, response.revision);
      return;
    }
    const it = expectations.get(response.watchId);
    if (it === undefined) {
      return check(
        response.events.length === 0 || !response.created,
        "events of an unknown watcher",
        response,
      );
    }
    if (response.created) {
      check(!it.created, "created twice", response);
      it.created = true;
      return;
    }
    check(it.created, "something came before created", response);
    if (response.canceled) return this.canceled(target, response, it);
    if (response.events.length === 0) return this.bookmark(it, response.revision);
    this.deliver(it, response);
  }

  private canceled(target: WatchStream, response: DecodedResponse, it: Expectation): void {
    this.expectations.get(target)!.delete(response.watchId);
    if (response.compactRevision === 0) return;
    check(response.compactRevision <= this.store.compactedRevision, "canceled by no compaction", response);
    check(it.start < response.compactRevision, "canceled though it starts after the compaction", it);
    check(!it.prompt, "canceled though it never lagged", it);
  }

  private bookmark(it: Expectation, revision: number): void {
    check(it.start <= revision + 1, "notice from before the start", { it, revision });
    const due = this.wanted(it).filter((record) => record.main <= revision).length;
    check(it.delivered >= due, "progress notice overtook events", { it, revision, due });
  }

  private deliver(it: Expectation, response: DecodedResponse): void {
    const wanted = this.wanted(it);
    const began = it.delivered;
    for (const event of response.events) {
      const record = wanted[it.delivered++];
      check(record !== undefined, "an event too many", { it, event });
      this.compare(it, record, event);
      check(record.main <= response.revision, "header is older than its events", response);
    }
    const last = wanted[it.delivered - 1];
    const next = wanted[it.delivered];
    check(
      last.main === wanted[began].main ||
        !it.live ||
        response.size <= RESPONSE_BYTES + FRAMING_BYTES * (1 + response.events.length),
      "revisions are together that are too large",
      response,
    );
    if (response.fragment) {
      check(it.spec.fragment && next !== undefined, "fragment not asked for, or the last one", response);
    } else {
      check(next === undefined || next.main > last.main, "a revision was torn apart", { it, last, next });
    }
    check(
      it.spec.fragment ? response.size < 120 || response.events.length === 1 : true,
      "fragment too large",
      response,
    );
  }

  private compare(it: Expectation, record: ModelRecord, event: DecodedEvent): void {
    const { kv, prev } = record;
    check(event.isDelete === (kv === undefined), "wrong type", { record, event });
    const { key, main } = record;
    const expected: DecodedKv =
      kv === undefined
        ? { key, create: 0, mod: main, version: 0, value: "" }
        : { key, create: kv.create, mod: kv.mod, version: kv.version, value: kv.value };
    expect(event.kv).toEqual(expected);
    if (event.prev === undefined) {
      const excused = prev === undefined || !it.spec.prevKv || main - 1 < this.store.compactedRevision;
      return check(excused, "previous value missing", { record, event });
    }
    check(it.spec.prevKv && prev !== undefined, "previous value out of nowhere", { record, event });
    expect(event.prev).toEqual({ key, ...prev });
  }
}

const promises = fc.property(
  fc.constantFrom(0, 1, 2, 3, 5, 9),
  fc.array(operation, { maxLength: 80, size: "max" }),
  (queue, operations) => {
    const run = new Run(queue);
    for (const each of operations) run.perform(each);
    run.finish();
  },
);
const RUNS = { numRuns: 1500, seed: 20240 };

describe("watch", () => {
  afterEach(() => {
    watchBugs.clear();
    Reflect.deleteProperty(globalThis, "ETCD_TS_SIMULATION");
  });

  test("keeps its promises", () => {
    fc.assert(promises, RUNS);
  });

  for (const name of watchBugs.names) {
    test(`finds ${name}`, () => {
      Reflect.set(globalThis, "ETCD_TS_SIMULATION", true);
      watchBugs.plant(name);
      expect(fc.check(promises, RUNS).failed).toBe(true);
    });
  }

  test("plants no bug outside a simulation", () => {
    expect(() => watchBugs.plant("eventsLostOnFullStream")).toThrow("simulations only");
  });
});
