import { expect, test } from "vitest";
import { SeededRandom, utf8 } from "#base";
import { KeyEntries } from "./key-entry.js";
import { hashBytes, KeyTable, UNSETTLED } from "./key-hash.js";

test("keys whose hashes are all the same overflow into the ordered keys", () => {
  const entries = new KeyEntries();
  const table = new KeyTable(entries);
  const refs: number[] = [];
  const key = (n: number) => utf8(`k${n}`);
  for (let n = 0; n < 300; n++) {
    refs.push(entries.create(key(n)));
    table.insert(0xdeadbeef, refs[n]);
  }
  for (let n = 0; n < 300; n++) {
    const found = table.find(key(n), 0xdeadbeef);
    expect(found === refs[n] || found === UNSETTLED).toBe(true);
  }
  expect(table.find(key(0), 0xdeadbeef)).toBe(refs[0]);
  expect(table.find(key(299), 0xdeadbeef)).toBe(UNSETTLED);
  table.remove(0xdeadbeef, refs[0]);
  expect(table.find(key(0), 0xdeadbeef)).toBe(UNSETTLED);
  for (let n = 1; n < 300; n++) table.remove(0xdeadbeef, refs[n]);
});

test("inserts and removals in random order, against a map", () => {
  const random = new SeededRandom(3);
  const entries = new KeyEntries();
  const table = new KeyTable(entries);
  const model = new Map<string, number>();
  // Few distinct hashes on purpose: long chains, and holes in the middle of them.
  const hashOf = (text: string) => Math.imul(hashBytes(utf8(text)) % 5000, 0x9e3779b1) >>> 0;
  for (let n = 0; n < 60_000; n++) {
    const text = `k${random.below(20_000)}`;
    const known = model.get(text);
    if (known === undefined) {
      const ref = entries.create(utf8(text));
      table.insert(hashOf(text), ref);
      model.set(text, ref);
    } else {
      expect(table.find(utf8(text), hashOf(text))).toBe(known);
      table.remove(hashOf(text), known);
      entries.destroy(known);
      model.delete(text);
    }
  }
  for (const [text, ref] of model) expect(table.find(utf8(text), hashOf(text))).toBe(ref);
  for (let n = 0; n < 20_000; n++) {
    if (!model.has(`k${n}`)) expect(table.find(utf8(`k${n}`), hashOf(`k${n}`))).toBe(0);
  }
});

test("hashes of similar keys are spread over all bits", () => {
  const seen = new Set<number>();
  const low = new Set<number>();
  const high = new Set<number>();
  for (let n = 0; n < 20_000; n++) {
    const hash = hashBytes(utf8(`/registry/pods/default/pod-${n}`));
    seen.add(hash);
    low.add(hash & 0x3fff);
    high.add(hash >>> 18);
  }
  expect(seen.size).toBeGreaterThan(19_990);
  // 20 000 balls in 16 384 bins leave about exp(-20000/16384) = 29.5 % empty.
  expect(low.size).toBeGreaterThan(11_300);
  expect(high.size).toBeGreaterThan(11_300);
});
