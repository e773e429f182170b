// The set of revisions against a Set of texts.

import fc from "fast-check";
import { expect, it } from "vitest";
import { RevisionSet } from "./revision-set.js";

const main = fc.oneof(
  fc.nat(50),
  fc.integer({ min: 0, max: 2 ** 53 - 1 }),
  fc.constantFrom(2 ** 32, 2 ** 32 + 1),
);
const sub = fc.oneof(fc.constant(0), fc.nat(3), fc.integer({ min: 0, max: 2 ** 32 - 1 }));

function members(set: RevisionSet): string[] {
  const found: string[] = [];
  set.forEach((m, s) => {
    found.push(`${m}.${s}`);
  });
  return found.sort();
}

it("behaves like a Set, also when it is used again", () => {
  const set = new RevisionSet();
  fc.assert(
    fc.property(fc.array(fc.tuple(main, sub), { maxLength: 300 }), fc.tuple(main, sub), (added, other) => {
      set.clear();
      const model = new Set<string>();
      for (const [m, s] of added) {
        set.add(m, s);
        model.add(`${m}.${s}`);
      }
      expect(members(set)).toEqual([...model].sort());
      expect(set.size).toBe(model.size);
      for (const [m, s] of [...added, other]) expect(set.has(m, s)).toBe(model.has(`${m}.${s}`));
    }),
  );
});

it("holds a million revisions in a row, and forgets them", () => {
  const set = new RevisionSet();
  for (let m = 0; m < 1_000_000; m++) set.add(m, 0);
  expect(set.size).toBe(1_000_000);
  expect([set.has(999_999, 0), set.has(1_000_000, 0), set.has(0, 1)]).toEqual([true, false, false]);
  set.clear();
  expect([set.size, set.has(0, 0), members(set).length]).toEqual([0, false, 0]);
});
