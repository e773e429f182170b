// Whatever the cache still has is what was put in, whatever it has forgotten since.

import fc from "fast-check";
import { expect, test } from "vitest";
import { RecordCache } from "./record-cache.js";

function record(main: number, sub: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => main * 31 + sub * 7 + i);
}

test("gives back what it was given or nothing", () => {
  const steps = fc.array(
    fc.record({
      main: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 50 })),
      sub: fc.integer({ min: 0, max: 2 }),
      length: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 10_000, max: 20_000 })),
    }),
    { maxLength: 300 },
  );
  fc.assert(
    fc.property(steps, (script) => {
      const cache = new RecordCache();
      const lengths = new Map<string, number>();
      for (const { main, sub, length } of script) {
        const known = lengths.get(`${main}.${sub}`);
        const found = cache.get(main, sub);
        if (found !== undefined) expect(found).toEqual(record(main, sub, known ?? -1));
        if (known !== undefined) continue;
        lengths.set(`${main}.${sub}`, length);
        const bytes = record(main, sub, length + 4);
        cache.add(main, sub, bytes, 0, length);
        if (length % 5 === 0) {
          cache.delete(main, sub);
          expect(cache.get(main, sub)).toBeUndefined();
          continue;
        }
        if (length <= 16 * 1024) expect(cache.get(main, sub)).toEqual(bytes.subarray(0, length));
      }
    }),
    { numRuns: 50 },
  );
});

test("keeps the newest, within its bound", () => {
  const cache = new RecordCache();
  const bytes = new Uint8Array(300);
  for (let main = 1; main <= 1_000_000; main++) {
    bytes[0] = main;
    cache.add(main, 0, bytes, 0, 300);
  }
  let kept = 0;
  for (let main = 1; main <= 1_000_000; main++) {
    const found = cache.get(main, 0);
    if (found === undefined) continue;
    kept++;
    expect(found[0]).toBe(main & 0xff);
  }
  expect(kept * 300).toBeLessThanOrEqual(1 << 25);
  expect(kept).toBeGreaterThan(50_000);
  cache.clear();
  expect(cache.get(1_000_000, 0)).toBeUndefined();
});
