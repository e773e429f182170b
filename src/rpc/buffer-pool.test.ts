// A pool keeps what is in use and lets go of the rest.

import { expect, test } from "vitest";
import { BufferPool } from "./buffer-pool.js";

function takeMany(pool: BufferPool, count: number): Buffer[] {
  return Array.from({ length: count }, () => pool.take());
}

function giveBack(pool: BufferPool, buffers: readonly Buffer[]): void {
  for (const buf of buffers) pool.giveBack(buf);
}

test("the buffer given back last is taken first", () => {
  const pool = new BufferPool(64, 4);
  const [first, second] = takeMany(pool, 2);
  giveBack(pool, [first, second]);
  expect(pool.take()).toBe(second);
  expect(pool.take()).toBe(first);
  expect(pool.take()).toHaveLength(64);
});

test("it keeps no more than its bound", () => {
  const pool = new BufferPool(64, 4);
  giveBack(pool, takeMany(pool, 9));
  expect(pool).toHaveLength(4);
});

test("what was not needed between two trims goes", () => {
  const pool = new BufferPool(64, 100);
  giveBack(pool, takeMany(pool, 50));
  pool.trim();
  expect(pool).toHaveLength(50); // they were in use before this trim
  giveBack(pool, takeMany(pool, 20));
  giveBack(pool, takeMany(pool, 10));
  pool.trim();
  expect(pool).toHaveLength(20);
  pool.trim();
  expect(pool).toHaveLength(0);
  giveBack(pool, takeMany(pool, 3));
  pool.clear();
  expect(pool).toHaveLength(0);
  pool.trim();
  expect(takeMany(pool, 2)).toHaveLength(2);
});
