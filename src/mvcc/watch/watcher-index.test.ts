// The index against the obvious: a list of watchers, asked one by one.

import fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes, SeededRandom } from "#base";
import { WatchHub } from "./hub.js";
import { KeyHash } from "./sip-hash.js";
import { ModelStore } from "./testkit.js";
import { intervalOf, Watcher } from "./watcher.js";
import type { WatcherGroup } from "./watcher-group.js";
import { WatcherIndex } from "./watcher-index.js";

const random = new SeededRandom(3);
const hub = new WatchHub(new ModelStore(), {
  random,
  onReady: () => {},
  fragmentBytes: 1,
  progressIntervalMs: 1000,
});
const stream = hub.createStream(0);

function watcherOf(id: number, key: Uint8Array, rangeEnd: Uint8Array): Watcher {
  const flags = { noPut: false, noDelete: false, prevKv: false, progressNotify: false, fragment: false };
  const spec = { key, rangeEnd, startRevision: 0, watchId: 0n, ...flags };
  return new Watcher(stream, BigInt(id), intervalOf(key, rangeEnd), 1, spec);
}

function covers({ interval }: Watcher, key: Uint8Array): boolean {
  if (interval.single) return compareBytes(interval.key, key) === 0;
  const inside = compareBytes(interval.key, key) <= 0;
  return inside && (interval.end === undefined || compareBytes(key, interval.end) < 0);
}

function found(index: WatcherIndex, key: Uint8Array): bigint[] {
  const groups: WatcherGroup[] = [];
  index.collect(key, groups);
  return groups.flatMap((group) => group.watchers.map((watcher) => watcher.id)).sort(ascending);
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const key = fc
  .array(fc.constantFrom(0, 1, 2, 255), { minLength: 1, maxLength: 3 })
  .map((bytes) => new Uint8Array(bytes));
const end = fc.oneof(key, fc.constant(new Uint8Array(0)), fc.constant(new Uint8Array([0])));

test("finds exactly the watchers of a key", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ key, end, drop: fc.boolean() }), { maxLength: 120 }),
      fc.array(key, { maxLength: 10 }),
      (specs, probes) => {
        const index = new WatcherIndex(new KeyHash(random), random);
        const all: Watcher[] = [];
        for (const spec of specs) {
          if (spec.drop && all.length > 0) {
            index.remove(all.splice(random.below(all.length), 1)[0]);
            continue;
          }
          const watcher = watcherOf(all.length, spec.key, spec.end);
          if (watcher.interval.isEmpty) continue;
          index.add(watcher);
          all.push(watcher);
        }
        expect(index.size).toBe(all.length);
        for (const probe of probes) {
          const expected = all.filter((watcher) => covers(watcher, probe)).map((watcher) => watcher.id);
          expect(found(index, probe)).toEqual(expected.sort(ascending));
        }
        for (const watcher of all) index.remove(watcher);
        expect(index.size).toBe(0);
        for (const probe of probes) expect(found(index, probe)).toEqual([]);
      },
    ),
    { numRuns: 500 },
  );
});

test("many ranges and keys stay quick to search, in whatever order they came", () => {
  const index = new WatcherIndex(new KeyHash(random), random);
  const count = 20_000;
  const keyOf = (n: number) => Buffer.from(String(n).padStart(6, "0"));
  for (let n = 0; n < count; n++) {
    index.add(watcherOf(n, keyOf(n), keyOf(n + 1)));
    index.add(watcherOf(n, keyOf(n), new Uint8Array(0)));
  }
  const groups: WatcherGroup[] = [];
  for (let n = 0; n < count; n++) index.collect(keyOf(n), groups);
  expect(groups.length).toBe(2 * count);
});
