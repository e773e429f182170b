// The table against a Map, over random ids of any spacing.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Http2Stream } from "./stream.js";
import { StreamTable } from "./stream-table.js";

test("is a map from ids to streams", () => {
  const ids = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 0x7fffffff }));
  fc.assert(
    fc.property(fc.array(fc.tuple(ids, fc.boolean()), { maxLength: 300 }), (steps) => {
      const table = new StreamTable();
      const model = new Map<number, Http2Stream>();
      for (const [id, adds] of steps) {
        if (adds && !model.has(id)) {
          const stream = { id } as Http2Stream;
          table.add(stream);
          model.set(id, stream);
        } else if (!adds) {
          table.delete(id);
          model.delete(id);
        }
        expect(table.get(id)).toBe(model.get(id));
        expect(table.size).toBe(model.size);
      }
      for (const [id, stream] of model) expect(table.get(id)).toBe(stream);
      expect(table.all().map(({ id }) => id)).toEqual([...model.keys()].sort((a, b) => a - b));
    }),
  );
});

test("gives its memory back", () => {
  const table = new StreamTable();
  for (let id = 1; id < 20_000; id += 2) table.add({ id } as Http2Stream);
  for (let id = 1; id < 20_000; id += 2) table.delete(id);
  expect(table.size).toBe(0);
  expect(Reflect.get(table, "slots").length).toBeLessThanOrEqual(256);
});
