// The key index against a naive one: same answers at every revision, whatever compaction has removed.

import { describe, expect, test } from "vitest";
import { EMPTY_BYTES, printable, type Random, SeededRandom, utf8 } from "#base";
import { KeyCompaction } from "./key-compaction.js";
import { KeyCursor } from "./key-cursor.js";
import { hashBytes } from "./key-hash.js";
import { KeyRevision } from "./key-history.js";
import { KeyIndex } from "./key-index.js";
import { NaiveIndex } from "./testing/naive-index.js";

/** Both indexes, driven together. */
class Pair {
  readonly real = new KeyIndex();
  readonly naive = new NaiveIndex();
  main = 1;
  compacted = -1;

  put(key: Uint8Array, main: number, sub: number): void {
    this.real.put(key, this.real.find(key), main, sub, 0n);
    this.naive.put(key, main, sub);
  }

  tombstone(key: Uint8Array, main: number, sub: number): void {
    this.real.tombstone(this.real.find(key), main, sub);
    this.naive.tombstone(key, main, sub);
  }

  /** One revision with a few changes of different keys; sometimes a put and a delete of the same one. */
  change(random: Random, keys: readonly Uint8Array[]): void {
    this.main++;
    let sub = 0;
    for (let n = 1 + random.below(3), at = random.below(keys.length); n > 0; n--, at++) {
      const key = keys[at % keys.length];
      const live = this.naive.at(key, this.main) !== undefined;
      if (live && random.below(3) === 0) this.tombstone(key, this.main, sub++);
      else {
        this.put(key, this.main, sub++);
        if (random.below(8) === 0) this.tombstone(key, this.main, sub++);
      }
    }
  }

  compact(revision: number, budget: number): void {
    const compaction = new KeyCompaction(this.real, revision);
    while (!compaction.step(budget));
    this.compacted = revision;
  }

  checkReads(keys: readonly Uint8Array[]): void {
    const found = new KeyRevision();
    for (let revision = Math.max(1, this.compacted); revision <= this.main; revision++) {
      for (const key of keys) {
        const expected = this.naive.at(key, revision);
        const real = this.real.get(key, revision, found) ? { ...found } : undefined;
        expect(real, `${printable(key)} at ${revision}`).toEqual(expected);
      }
    }
  }

  checkContents(): void {
    let live = 0;
    let any = 0;
    for (const { key } of this.naive.keys) {
      const expected = this.naive.remaining(key, this.compacted);
      const ref = this.real.find(key);
      expect(ref === 0 ? "" : this.real.describeKey(ref), printable(key)).toBe(expected);
      if (expected !== "") any++;
      if (this.naive.at(key, this.main) !== undefined) live++;
    }
    expect(this.real.keys).toBe(any);
    expect(this.real.liveKeys).toBe(live);
  }

  checkRange(start: Uint8Array, end: Uint8Array | undefined, revision: number): void {
    const expected = this.naive.range(start, end, revision).map(printable);
    expect(walk(this.real, start, end, revision, false)).toEqual(expected);
    expect(walk(this.real, start, end, revision, true)).toEqual(expected.toReversed());
    expect(count(this.real, start, end, revision)).toBe(expected.length);
  }
}

function walk(
  index: KeyIndex,
  start: Uint8Array,
  end: Uint8Array | undefined,
  revision: number,
  down: boolean,
): string[] {
  const cursor = new KeyCursor(index);
  const keys: string[] = [];
  for (cursor.seek(start, end, revision, down); cursor.next(); ) {
    keys.push(printable(index.entries.keyView(cursor.ref)));
  }
  return keys;
}

function count(index: KeyIndex, start: Uint8Array, end: Uint8Array | undefined, revision: number): number {
  const cursor = new KeyCursor(index);
  cursor.seek(start, end, revision, false);
  let total = 0;
  for (let leaf = cursor.countLeaf(); leaf >= 0; leaf = cursor.countLeaf()) total += leaf;
  return total;
}

/** Keys that share prefixes, are prefixes of each other, and hold zero and high bytes. */
function someKeys(random: Random, howMany: number): Uint8Array[] {
  const texts = new Set<string>();
  while (texts.size < howMany) {
    let text = "";
    for (let n = 1 + random.below(5); n > 0; n--) text += ["a", "b", "\0", "\xff", "a/b"][random.below(5)];
    texts.add(text);
  }
  return [...texts].map((text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
}

describe("small histories", () => {
  test.each([1, 2, 3, 4, 5, 6])("compacted at every revision, seed %i", (seed) => {
    const keys = someKeys(new SeededRandom(seed), 8);
    for (let revision = 1; revision <= 40; revision++) {
      const random = new SeededRandom(seed);
      const pair = new Pair();
      for (let n = 0; n < 30; n++) pair.change(random, keys);
      if (revision > pair.main) break;
      pair.compact(revision, 1 + (revision % 5));
      pair.checkContents();
      pair.checkReads(keys);
      for (let n = 0; n < 10; n++) pair.change(random, keys);
      pair.checkReads(keys);
    }
  });

  test("a tombstone at the compaction revision stays until the next compaction", () => {
    const pair = new Pair();
    const key = utf8("k");
    pair.put(key, 2, 0);
    pair.tombstone(key, 3, 0);
    pair.compact(3, 10);
    expect(pair.real.describeKey(pair.real.find(key))).toBe("3.0t");
    pair.compact(4, 10);
    expect(pair.real.find(key)).toBe(0);
    expect(pair.real.keys).toBe(0);
  });
});

describe("large indexes", () => {
  test.each([11, 12, 13])("random changes, ranges and compactions, seed %i", (seed) => {
    const random = new SeededRandom(seed);
    const keys = someKeys(random, 900);
    const pair = new Pair();
    for (let round = 0; round < 6; round++) {
      for (let n = 0; n < 500; n++) pair.change(random, keys);
      for (let n = 0; n < 12; n++) {
        const low = Math.max(1, pair.compacted);
        const revision = low + random.below(pair.main - low + 1);
        const end = [undefined, keys[random.below(keys.length)]][random.below(2)];
        pair.checkRange(n === 0 ? EMPTY_BYTES : keys[random.below(keys.length)], end, revision);
      }
      pair.compact(pair.main - random.below(300), 50);
      pair.checkContents();
    }
    pair.checkReads(keys.slice(0, 40));
  });

  test("100 000 keys in random order, then all deleted and compacted away", () => {
    const index = new KeyIndex();
    const total = 100_000;
    const key = (n: number) => utf8(`key/${(Math.imul(n, 2_654_435_761) >>> 0).toString(16)}`);
    for (let n = 0; n < total; n++) index.put(key(n), 0, n + 2, 0, 0n);
    expect(index.liveKeys).toBe(total);
    expect(count(index, EMPTY_BYTES, undefined, total + 1)).toBe(total);
    expect(count(index, EMPTY_BYTES, undefined, 1000)).toBe(999);
    const walked = walk(index, EMPTY_BYTES, undefined, total + 1, false);
    expect(walked).toEqual(walked.toSorted());
    for (let n = 0; n < total; n += 97) expect(index.entries.main(index.find(key(n)))).toBe(n + 2);
    for (let n = 0; n < total; n++) index.tombstone(index.find(key(n)), total + 2 + n, 0);
    expect(index.liveKeys).toBe(0);
    const used = index.entries.memory.bytesUsed;
    const compaction = new KeyCompaction(index, 3 * total);
    while (!compaction.step(1000));
    expect(compaction.keptAny).toBe(false);
    expect(index.keys).toBe(0);
    expect(index.order.leafCount).toBe(0);
    expect(used).toBeGreaterThan(0);
    expect(index.entries.memory.bytesUsed).toBe(0);
  });

  test("a key with 100 000 revisions", () => {
    const index = new KeyIndex();
    const key = utf8("hot");
    const total = 100_000;
    const found = new KeyRevision();
    for (let n = 1; n <= total; n++) {
      if (n % 30_000 === 0) index.tombstone(index.find(key), n * 2, 0);
      else index.put(key, index.find(key), n * 2, 7, 0n);
    }
    const check = (from: number) => {
      for (let n = from; n <= total; n += 61) {
        const life = Math.floor(n / 30_000) * 30_000;
        expect(index.get(key, n * 2 + 1, found)).toBe(n !== life || n === 0);
        if (n === life) continue;
        expect({ ...found }).toEqual({
          main: n * 2,
          sub: 7,
          tombstone: false,
          created: life * 2 + 2,
          version: n - life,
        });
      }
    };
    check(1);
    for (const revision of [3, 100_001, 120_000, 120_001, 150_000, 199_999]) {
      const compaction = new KeyCompaction(index, revision);
      while (!compaction.step(1));
      check(Math.ceil(revision / 2));
      expect(compaction.keptAny).toBe(revision !== 120_001); // a tombstone at 120 000 is the newest before
    }
    expect(index.describeKey(index.find(key))).toBe("199998.7 200000.7");
    expect(index.entries.memory.bytesUsed).toBeLessThan(200);
  });
});

/** Keys of eight bytes with the same hash: the second word undoes what the first one did. */
function collidingKeys(howMany: number): Uint8Array[] {
  const rotated = (word: number, by: number) => (word << by) | (word >>> (32 - by));
  const inverse = (odd: number) => {
    let x = odd;
    for (let n = 0; n < 5; n++) x = Math.imul(x, 2 - Math.imul(odd, x));
    return x;
  };
  const keys: Uint8Array[] = [];
  for (let first = 1; first <= howMany; first++) {
    const mixed = 8 ^ Math.imul(rotated(Math.imul(first, 0xcc9e2d51), 15), 0x1b873593);
    const state = (Math.imul(rotated(mixed, 13), 5) + 0xe6546b64) | 0;
    const second = Math.imul(inverse(0xcc9e2d51), rotated(Math.imul(inverse(0x1b873593), state ^ 12345), 17));
    keys.push(new Uint8Array(Uint32Array.of(first, second).buffer));
  }
  expect(new Set(keys.map(hashBytes)).size).toBe(1);
  return keys;
}

/** The index that a start makes of the records that compaction has left. */
function restored(pair: Pair): KeyIndex {
  const records = pair.naive.keys.flatMap(({ key, revisions }) => revisions.map((r) => ({ key, ...r })));
  records.sort((a, b) => a.main - b.main || a.sub - b.sub);
  const index = new KeyIndex();
  index.beginRestore();
  for (const { key, main, sub, tombstone, created, version } of records) {
    index.restore(key, 0, key.length, main, sub, tombstone, created, version, 0n);
  }
  index.endRestore();
  return index;
}

describe("restored from records", () => {
  test.each([
    [0, 0],
    [1, 1],
    [1, 30],
    [20, 5],
    [300, 900],
    [900, 3000],
  ])("%i keys, %i changes: the same index, which goes on as before", (howMany, changes) => {
    const random = new SeededRandom(howMany + changes);
    const keys = someKeys(random, howMany);
    const pair = new Pair();
    for (let n = 0; n < changes; n++) pair.change(random, keys);
    const again = Object.assign(new Pair(), { real: restored(pair), naive: pair.naive, main: pair.main });
    for (let round = 0; round < 4; round++) {
      again.checkContents();
      for (let n = 0; n < 10; n++) {
        const start = howMany === 0 ? EMPTY_BYTES : keys[random.below(howMany)];
        const low = Math.max(1, again.compacted);
        again.checkRange(start, undefined, low + random.below(again.main - low + 1));
      }
      again.checkRange(EMPTY_BYTES, undefined, again.main);
      if (howMany > 0) for (let n = 0; n < 200; n++) again.change(random, keys);
      if (round === 2) again.compact(again.main - 20, 100);
    }
  });

  test("keys whose hashes collide, more than the table takes", () => {
    const colliding = collidingKeys(400);
    const pair = new Pair();
    for (const key of [utf8("first"), ...colliding, utf8("last"), ...colliding])
      pair.put(key, ++pair.main, 0);
    pair.tombstone(colliding[399], ++pair.main, 0);
    const again = Object.assign(new Pair(), { real: restored(pair), naive: pair.naive, main: pair.main });
    again.checkContents();
    again.checkRange(EMPTY_BYTES, undefined, again.main);
    again.checkRange(EMPTY_BYTES, undefined, 100);
  });
});

describe("walks that pause", () => {
  test.each([21, 22, 23])("see their revision whatever happens meanwhile, seed %i", (seed) => {
    const random = new SeededRandom(seed);
    const keys = someKeys(random, 400);
    const pair = new Pair();
    for (let n = 0; n < 600; n++) pair.change(random, keys);
    for (const down of [false, true]) {
      const revision = pair.main;
      const expected = pair.naive.range(EMPTY_BYTES, undefined, revision).map(printable);
      if (down) expected.reverse();
      const cursor = new KeyCursor(pair.real);
      const counter = new KeyCursor(pair.real);
      cursor.seek(EMPTY_BYTES, undefined, revision, down);
      counter.seek(EMPTY_BYTES, undefined, revision, false);
      const seen: string[] = [];
      let counted = 0;
      for (let more = true, counting = true; more || counting; ) {
        for (let n = random.below(9); more && n > 0; n--) {
          more = cursor.next();
          if (more) seen.push(printable(pair.real.entries.keyView(cursor.ref)));
        }
        const leaf: number = counting ? counter.countLeaf() : 0;
        counting = leaf >= 0 && counting;
        counted += Math.max(0, leaf);
        cursor.suspend();
        counter.suspend();
        for (let n = random.below(20); n > 0; n--)
          pair.change(random, [...keys, utf8(`new${random.below(99)}`)]);
        if (random.below(10) === 0) pair.compact(revision - random.below(100), 30);
        cursor.resume();
        counter.resume();
      }
      expect(seen).toEqual(expected);
      expect(counted).toBe(expected.length);
    }
  });
});

test("leases per key", () => {
  const index = new KeyIndex();
  const key = utf8("k");
  index.put(key, 0, 2, 0, 77n);
  index.put(utf8("other"), 0, 3, 0, -1n);
  expect(index.leaseOf(index.find(key))).toBe(77n);
  const leased: string[] = [];
  index.forEachLeased((each, lease) => leased.push(`${printable(each)}=${lease}`));
  expect(leased).toEqual(["k=77", "other=-1"]);
  index.put(key, index.find(key), 4, 0, 5n);
  expect(index.leaseOf(index.find(key))).toBe(5n);
  index.tombstone(index.find(key), 5, 0);
  expect(index.leaseOf(index.find(key))).toBe(0n);
});

test("leases per key after a restore", () => {
  const index = new KeyIndex();
  index.beginRestore();
  const restore = (text: string, main: number, tombstone: boolean, lease: bigint) =>
    index.restore(utf8(text), 0, text.length, main, 0, tombstone, main, 1, lease);
  restore("changed", 2, false, 7n);
  restore("lost", 3, false, 7n);
  restore("deleted", 4, false, 8n);
  restore("kept", 5, false, -1n);
  restore("changed", 6, false, 9n);
  restore("lost", 7, false, 0n);
  restore("deleted", 8, true, 0n);
  index.endRestore();
  const leased: string[] = [];
  index.forEachLeased((each, lease) => leased.push(`${printable(each)}=${lease}`));
  expect(leased).toEqual(["changed=9", "kept=-1"]);
});

test("revisions of a key must ascend", () => {
  const index = new KeyIndex();
  const key = utf8("k");
  index.put(key, 0, 5, 1, 0n);
  expect(() => index.put(key, index.find(key), 5, 1, 0n)).toThrow("goes backwards");
  expect(() => index.put(key, index.find(key), 4, 9, 0n)).toThrow("goes backwards");
  index.tombstone(index.find(key), 5, 2);
  expect(() => index.tombstone(index.find(key), 6, 0)).toThrow("does not exist");
});
