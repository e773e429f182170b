// The writer's images read back, for any content; and any damage to an image is an error, never a crash or a hang.

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareBytes, concatBytes, hexOf, SeededRandom } from "#base";
import { CorruptImageError } from "./format.js";
import { BytesSource, ImageReader } from "./image-reader.js";
import { ImageWriter } from "./image-writer.js";
import { ImagePlanner } from "./plan.js";

type Content = readonly { name: Uint8Array; records: readonly (readonly [Uint8Array, Uint8Array])[] }[];

function imageOf(content: Content): Uint8Array {
  const feed = (sink: ImagePlanner | ImageWriter): void => {
    for (const { name, records } of content) {
      sink.beginBucket(name);
      for (const [key, value] of records) sink.add(key, 0, key.length, value, 0, value.length);
    }
  };
  const planner = new ImagePlanner();
  feed(planner);
  const plan = planner.finish();
  const parts: Uint8Array[] = [];
  const writer = new ImageWriter(plan, (chunk) => parts.push(chunk));
  feed(writer);
  writer.finish();
  const image = concatBytes(parts);
  expect(image.length).toBe(plan.size);
  return image;
}

function contentOf(image: Uint8Array): string[] {
  const lines: string[] = [];
  for (const bucket of new ImageReader(new BytesSource("image", image)).buckets()) {
    lines.push(hexOf(bucket.name));
    bucket.forEach((key, value) => {
      lines.push(`${hexOf(key)}=${value.length > 64 ? `${value.length}:${value[0]}` : hexOf(value)}`);
    });
  }
  return lines;
}

function linesOf(content: Content): string[] {
  return content.flatMap(({ name, records }) => [
    hexOf(name),
    ...records.map(([k, v]) => `${hexOf(k)}=${v.length > 64 ? `${v.length}:${v[0]}` : hexOf(v)}`),
  ]);
}

const byKey = (a: readonly [Uint8Array, unknown], b: readonly [Uint8Array, unknown]): number =>
  compareBytes(a[0], b[0]);
const key = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 20 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1000, maxLength: 5000 }) },
);
const value = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 30_000 }).map((n) => new Uint8Array(n).fill(n & 0xff)) },
);
const records = fc
  .uniqueArray(fc.tuple(key, value), { maxLength: 300, selector: ([k]) => hexOf(k) })
  .map((list) => list.sort(byKey));
const content = fc
  .uniqueArray(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 12 }), records), {
    maxLength: 12,
    selector: ([name]) => hexOf(name),
  })
  .map((list) => list.sort(byKey).map(([name, recs]) => ({ name, records: recs })));

/** Many records in one bucket, so that branches have branches above them. */
function large(count: number): Content {
  const recs = Array.from({ length: count }, (_, i) => {
    const k = Buffer.alloc(17);
    k.writeUInt32BE(i, 4);
    return [new Uint8Array(k), new Uint8Array(200 + (i % 7))] as const;
  });
  return [{ name: Buffer.from("key"), records: recs }];
}

describe("bbolt image", () => {
  it("reads back whatever was written", () => {
    fc.assert(
      fc.property(content, (c) => {
        expect(contentOf(imageOf(c))).toEqual(linesOf(c));
      }),
      { numRuns: 60 },
    );
  });

  it.each([0, 1, 17, 18, 5000, 60_000])("holds %i records in one bucket", (count) => {
    expect(contentOf(imageOf(large(count)))).toEqual(linesOf(large(count)));
  });

  it("is read with a hash behind it, and not when it ends early", () => {
    const image = imageOf(large(100));
    const withTrailer = concatBytes([image, new Uint8Array(32)]);
    expect(contentOf(withTrailer)).toEqual(linesOf(large(100)));
    for (const cut of [1, 31, 4096, image.length - 4096, image.length]) {
      expect(() => contentOf(image.subarray(0, image.length - cut))).toThrow(CorruptImageError);
    }
  });

  it("answers any flipped bit with an error or with other values, never with a crash", () => {
    const small = imageOf(large(120));
    const random = new SeededRandom(11);
    let errors = 0;
    for (let i = 0; i < 3000; i++) {
      const copy = small.slice();
      copy[random.below(copy.length)] ^= 1 << random.below(8);
      try {
        contentOf(copy);
      } catch (error) {
        expect(error).toBeInstanceOf(CorruptImageError);
        errors++;
      }
    }
    expect(errors).toBeGreaterThan(0);
  });

  it("answers random bytes behind valid meta pages with an error or an end", () => {
    const image = imageOf(large(500));
    const random = new SeededRandom(12);
    for (let i = 0; i < 300; i++) {
      const copy = image.slice();
      const at = 8192 + random.below(copy.length - 8192);
      const length = Math.min(copy.length - at, 1 + random.below(64));
      for (let b = 0; b < length; b++) copy[at + b] = random.below(256);
      try {
        contentOf(copy);
      } catch (error) {
        expect(error).toBeInstanceOf(CorruptImageError);
      }
    }
  });

  it("takes the other meta page when one is damaged, and none when both are", () => {
    const image = imageOf(large(50));
    image[16 + 20] ^= 1;
    expect(contentOf(image)).toEqual(linesOf(large(50)));
    image[4096 + 16 + 20] ^= 1;
    expect(() => contentOf(image)).toThrow("no valid meta page");
  });
});
