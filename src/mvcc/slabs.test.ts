import { expect, test } from "vitest";
import { SeededRandom } from "#base";
import { offsetOf, Slabs } from "./slabs.js";

test("blocks never overlap and are reused", () => {
  const random = new SeededRandom(1);
  const memory = new Slabs();
  const blocks: { ref: number; units: number; mark: number }[] = [];
  let mark = 1;
  for (let n = 0; n < 20_000; n++) {
    if (blocks.length > 300 || (blocks.length > 0 && random.below(3) === 0)) {
      const [block] = blocks.splice(random.below(blocks.length), 1);
      const at = offsetOf(block.ref);
      const words = memory.slabOf(block.ref).f64.subarray(at, at + block.units);
      expect(words.every((word) => word === block.mark)).toBe(true);
      memory.release(block.ref, block.units);
      continue;
    }
    const units = 1 + random.below([8, 70, 3000, 70_000][random.below(40) === 0 ? 3 : random.below(3)]);
    const ref = memory.allocate(units);
    expect(ref).not.toBe(0);
    memory.slabOf(ref).f64.fill(mark, offsetOf(ref), offsetOf(ref) + units);
    blocks.push({ ref, units, mark: mark++ });
  }
  for (const { ref, units } of blocks) memory.release(ref, units);
  expect(memory.bytesUsed).toBe(0);
  expect(memory.bytesReserved).toBeLessThan(200 * 1024 * 1024);
});

test("every size gets a block that is large enough, with an eighth to spare at most", () => {
  for (const units of [1, 63, 64, 65, 72, 73, 127, 128, 129, 1000, 32_768, 65_535, 65_536]) {
    const memory = new Slabs();
    memory.allocate(units);
    expect(memory.bytesUsed).toBeGreaterThanOrEqual(units * 8);
    expect(memory.bytesUsed).toBeLessThanOrEqual(units * 9 + 64);
  }
});
