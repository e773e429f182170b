// The checker must see what it is for: each test plants one fault in what a restarted member shows.

import { expect, test } from "vitest";
import { Model, type StoredKey } from "./model.js";

/** a=1 at revision 2, b=1 at 3; both acknowledged. */
function twoKeys(): Model {
  const model = new Model();
  model.acknowledged(model.begin(new Map([["a", "1"]])), 2);
  model.acknowledged(model.begin(new Map([["b", "1"]])), 3);
  return model;
}

function stored(...keys: readonly (readonly [string, string, number])[]): Map<string, StoredKey> {
  return new Map(keys.map(([key, value, revision]) => [key, { value, revision }]));
}

const BOTH = [
  ["a", "1", 2],
  ["b", "1", 3],
] as const;

test("what was acknowledged and is there is no violation", () => {
  const model = twoKeys();
  model.afterCrash(stored(...BOTH), 3);
  expect(model.violations).toEqual([]);
});

test("a lost write", () => {
  const model = twoKeys();
  model.afterCrash(stored(BOTH[0]), 3);
  expect(model.violations).toEqual(['b is absent, not "1"']);
});

test("an old value", () => {
  const model = twoKeys();
  model.acknowledged(model.begin(new Map([["a", "2"]])), 4);
  model.afterCrash(stored(...BOTH), 4);
  expect(model.violations).toEqual(['a is "1", not "2"']);
});

test("a delete that came back", () => {
  const model = twoKeys();
  model.acknowledged(model.begin(new Map([["a", undefined]])), 4);
  model.afterCrash(stored(...BOTH), 4);
  expect(model.violations).toEqual(['a is "1", not absent']);
});

test("a revision that went back", () => {
  const model = twoKeys();
  model.afterCrash(stored(...BOTH), 2);
  expect(model.violations).toEqual(["revision went back from 3 to 2"]);
});

test("a request that was applied twice", () => {
  const model = twoKeys();
  model.afterCrash(stored(["a", "1", 2], ["b", "1", 4]), 4);
  expect(model.violations).toEqual([
    "revision 4 after 3 and 0 requests without an answer",
    "b has revision 4, acknowledged was 3",
  ]);
});

test("a request without an answer may have happened or not", () => {
  for (const [value, revision] of [
    ["1", 2],
    ["2", 4],
  ] as const) {
    const model = twoKeys();
    model.begin(new Map([["a", "2"]]));
    model.afterCrash(stored(["a", value, revision], BOTH[1]), 4);
    expect(model.violations).toEqual([]);
    expect(model.state("a").value).toBe(value);
  }
});

test("a third value", () => {
  const model = twoKeys();
  model.begin(new Map([["a", "2"]]));
  model.afterCrash(stored(["a", "9", 4], BOTH[1]), 4);
  expect(model.violations).toEqual(['a is "9", not "1" or "2"']);
});

test("half of a transaction", () => {
  const model = twoKeys();
  model.begin(
    new Map([
      ["a", "2"],
      ["b", "2"],
    ]),
  );
  model.afterCrash(stored(["a", "2", 4], BOTH[1]), 4);
  expect(model.violations).toEqual(["half of a transaction on a, b"]);
});

test("a key that nobody wrote", () => {
  const model = twoKeys();
  model.afterCrash(stored(...BOTH, ["c", "1", 3]), 3);
  expect(model.violations).toEqual(["c was never written"]);
});
