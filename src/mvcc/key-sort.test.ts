import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareBytes, printable, SeededRandom, utf8 } from "#base";
import { KeyEntries } from "./key-entry.js";
import { sortRefs } from "./key-sort.js";

function sorted(keys: readonly Uint8Array[]): string[] {
  const entries = new KeyEntries();
  const refs = Uint32Array.from(keys, (key) => entries.create(key));
  sortRefs(entries, refs);
  return Array.from(refs, (ref) => printable(entries.keyView(ref)));
}

function check(keys: readonly Uint8Array[]): void {
  expect(sorted(keys)).toEqual(keys.toSorted(compareBytes).map(printable));
}

/** Each text once, as bytes. */
function distinct(texts: Iterable<string>): Uint8Array[] {
  return [...new Set(texts)].map((text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
}

describe("sorting keys", () => {
  test("none, one, two", () => {
    check([]);
    check([utf8("a")]);
    check([utf8("b"), utf8("a")]);
  });

  test("any keys", () => {
    const letter = fc.constantFrom("a", "b", "\0", "\xff", "abcdefg", "\0\0\0\0\0\0\0");
    const key = fc.array(letter, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.array(key, { maxLength: 120 }), (texts) => check(distinct(texts))),
      { numRuns: 200 },
    );
  });

  test("keys that end in zero bytes come after those that end before them", () => {
    const keys: Uint8Array[] = [];
    for (let length = 1; length <= 200; length++) keys.push(new Uint8Array(length));
    check(keys.toReversed());
    check(keys);
  });

  test("keys that differ only far behind what they share, in several places", () => {
    const random = new SeededRandom(5);
    const texts: string[] = [];
    for (let n = 0; n < 5000; n++) {
      const kind = ["pods", "events", "secrets"][random.below(3)];
      texts.push(
        `/registry/${kind}/a-long-namespace-${random.below(4)}/${"x".repeat(50)}${random.below(2000)}`,
      );
    }
    check(distinct(texts));
  });

  test("20 000 keys in falling, rising and random order", () => {
    const rising = distinct(Array.from({ length: 20_000 }, (_, n) => `key/${String(n).padStart(20, "0")}`));
    check(rising);
    check(rising.toReversed());
    check(distinct(Array.from({ length: 20_000 }, (_, n) => `k${Math.imul(n, 2_654_435_761)}`)));
  });
});
