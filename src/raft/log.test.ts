// The log and its parts against plain arrays: windows, storage, the log with its stable and unstable parts, in-flight windows.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Panic } from "#base";
import { ConfState, Entry, EntryType, entrySize, Snapshot } from "#proto";
import { EntryWindow } from "./entry-window.js";
import { Inflights } from "./inflights.js";
import { RaftLog } from "./log.js";
import { MemoryLogStorage } from "./memory-storage.js";
import { TERM_COMPACTED, TERM_UNAVAILABLE } from "./storage.js";

function entries(first: number, terms: readonly number[]): Entry[] {
  return terms.map((term, i) => new Entry(term, first + i, EntryType.Normal, Uint8Array.of(term, i)));
}

describe("an entry window", () => {
  const action = fc.record({ kind: fc.constantFrom("append", "truncate", "drop"), n: fc.nat(70) });

  test("behaves like an array", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const window = new EntryWindow(1, 4);
        let first = 1;
        let model: Entry[] = [];
        for (const { kind, n } of actions) {
          if (kind === "append") {
            const added = entries(first + model.length, Array(n).fill(n));
            window.append(added);
            model = [...model, ...added];
          } else if (kind === "truncate") {
            window.truncateFrom(first + n);
            model = model.slice(0, n);
          } else {
            const count = Math.min(n, model.length);
            window.dropBefore(first + count);
            model = model.slice(count);
            first += count;
          }
          expect([window.firstIndex, window.length]).toEqual([first, model.length]);
          expect(window.slice(first, first + model.length)).toEqual(model);
        }
      }),
    );
  });

  test("refuses a gap", () => {
    const window = new EntryWindow(5);
    expect(() => window.append(entries(6, [1]))).toThrow(Panic);
    expect(() => window.at(5)).toThrow(Panic);
  });
});

describe("memory storage", () => {
  function filled(): MemoryLogStorage {
    const storage = new MemoryLogStorage();
    storage.append(entries(1, [1, 1, 2, 2, 3]));
    return storage;
  }

  test("says how far back so many entries, or so many bytes of them, go", () => {
    const storage = filled(); // two bytes of data each
    expect(storage.firstWithin(5, 3, 1000)).toBe(3);
    expect(storage.firstWithin(4, 3, 1000)).toBe(2);
    expect(storage.firstWithin(5, 99, 1000)).toBe(1);
    expect(storage.firstWithin(5, 99, 4)).toBe(4);
    expect(storage.firstWithin(5, 99, 1)).toBe(6);
    expect(storage.firstWithin(5, 0, 1000)).toBe(6);
    storage.compact(3);
    expect(storage.firstWithin(5, 99, 1000)).toBe(4);
  });

  test("knows terms on both sides of its entries", () => {
    const storage = filled();
    storage.compact(2);
    expect([1, 2, 3, 5, 6].map((index) => storage.term(index))).toEqual([
      TERM_COMPACTED,
      1,
      2,
      3,
      TERM_UNAVAILABLE,
    ]);
    expect(storage.entries(2, 4, 100)).toBeUndefined();
    expect(storage.entries(3, 6, 100)?.map((e) => e.index)).toEqual([3, 4, 5]);
  });

  test("limits by encoded size, but returns at least one", () => {
    const storage = filled();
    const size = entrySize(entries(1, [1])[0]);
    expect(storage.entries(1, 6, 0)?.length).toBe(1);
    expect(storage.entries(1, 6, 2 * size)?.length).toBe(2);
    expect(storage.entries(1, 6, 2 * size + 1)?.length).toBe(2);
  });

  test("replaces a conflicting tail and ignores what is compacted", () => {
    const storage = filled();
    storage.compact(2);
    storage.append(entries(2, [1, 4]));
    expect(storage.lastIndex()).toBe(3);
    expect(storage.term(3)).toBe(4);
    storage.append(entries(1, [1]));
    expect(storage.lastIndex()).toBe(3);
    expect(() => storage.append(entries(9, [4]))).toThrow(Panic);
  });

  test("is replaced by a newer snapshot only", () => {
    const storage = filled();
    expect(storage.snapshot()).toBeUndefined();
    expect(storage.createSnapshot(3, new ConfState([1n]), Uint8Array.of(7))).toMatchObject({
      index: 3,
      term: 2,
    });
    expect(storage.createSnapshot(3, new ConfState([1n]), Uint8Array.of(7))).toBeUndefined();
    expect(storage.applySnapshot(new Snapshot(2, 1))).toBe(false);
    expect(storage.lastIndex()).toBe(5);
    expect(storage.applySnapshot(new Snapshot(9, 4))).toBe(true);
    expect([storage.firstIndex(), storage.lastIndex(), storage.term(9)]).toEqual([10, 9, 4]);
    expect(storage.describe()).toBe("entries=empty snapshot=9/4");
  });
});

describe("the log", () => {
  const action = fc.record({
    kind: fc.constantFrom("append", "conflict", "stable", "compact", "hand out"),
    n: fc.integer({ min: 1, max: 9 }),
  });

  test("reads the same whatever part of it is stable", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), fc.nat(60), (actions, bytesMax) => {
        const storage = new MemoryLogStorage();
        const log = new RaftLog(storage, Number.MAX_SAFE_INTEGER);
        let model: Entry[] = [];
        let term = 1;
        for (const { kind, n } of actions) {
          if (kind === "append") {
            const added = entries(model.length + 1, Array(n).fill(term));
            log.append(added);
            model = [...model, ...added];
          } else if (kind === "conflict") {
            const from = Math.max(log.committed, model.length - n);
            const added = entries(from + 1, Array(n).fill(++term));
            log.append(added);
            model = [...model.slice(0, from), ...added];
          } else if (kind === "hand out") {
            storage.append(log.nextUnstable());
            log.unstable.acceptInProgress();
          } else if (kind === "stable") {
            storage.append(log.nextUnstable());
            log.unstable.acceptInProgress();
            if (model.length > 0) log.unstable.stableTo(model.length, term);
            log.commitTo(Math.min(log.unstable.offset - 1, log.committed + n));
            log.appliedTo(log.committed, 0);
          } else if (log.applied > 0) {
            storage.compact(Math.min(log.applied, storage.firstIndex() + n));
          }
          check(log, model, bytesMax);
        }
      }),
    );
  });

  function check(log: RaftLog, model: readonly Entry[], bytesMax: number): void {
    expect(log.lastIndex()).toBe(model.length);
    for (let index = log.firstIndex(); index <= model.length; index++) {
      expect(log.term(index)).toBe(model[index - 1].term);
    }
    const first = log.firstIndex();
    expect(log.slice(first, model.length + 1, Number.POSITIVE_INFINITY)).toEqual(model.slice(first - 1));
    if (first > model.length) return;
    const limited = log.slice(first, model.length + 1, bytesMax) ?? [];
    const bytes = limited.reduce((sum, entry) => sum + entrySize(entry), 0);
    expect(limited).toEqual(model.slice(first - 1, first - 1 + limited.length));
    expect(limited.length === 1 || bytes <= bytesMax).toBe(true);
    const next = model[first - 1 + limited.length];
    if (next !== undefined) expect(bytes + entrySize(next)).toBeGreaterThan(bytesMax);
  }

  test("never replaces a committed entry and never commits past its end", () => {
    const log = new RaftLog(new MemoryLogStorage(), 1000);
    log.append(entries(1, [1, 1, 1]));
    log.commitTo(2);
    expect(() => log.append(entries(2, [2]))).toThrow(Panic);
    expect(() => log.commitTo(4)).toThrow(/tocommit\(4\) is out of range \[lastIndex\(3\)\]/);
    log.commitTo(1);
    expect(log.committed).toBe(2);
    expect(() => log.appliedTo(3, 0)).toThrow(Panic);
  });
});

describe("the window of appends in flight", () => {
  test("counts messages and bytes", () => {
    const event = fc.tuple(fc.constantFrom("add", "free"), fc.nat(20));
    fc.assert(
      fc.property(fc.array(event), (events) => {
        const inflights = new Inflights(8, 50);
        let model: [number, number][] = [];
        let index = 0;
        for (const [kind, n] of events) {
          if (kind === "free") {
            inflights.freeUpTo(index - n);
            model = model.filter(([at]) => at > index - n);
          } else if (!inflights.isFull()) {
            inflights.add(++index, n);
            model.push([index, n]);
          }
          const bytes = model.reduce((sum, [, size]) => sum + size, 0);
          expect(inflights.count).toBe(model.length);
          expect(inflights.isFull()).toBe(model.length === 8 || bytes >= 50);
        }
        inflights.reset();
        expect([inflights.count, inflights.isFull()]).toEqual([0, false]);
      }),
    );
  });

  test("refuses more when it is full", () => {
    const inflights = new Inflights(1, 0);
    inflights.add(1, 1000);
    expect(() => inflights.add(2, 1)).toThrow(Panic);
  });
});
