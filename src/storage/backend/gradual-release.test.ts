// The space of a file that lost its name goes back in steps, and at once when there is hurry.

import { linkSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { GradualRelease } from "./gradual-release.js";

const folder = mkdtempSync(join(tmpdir(), "release-"));
const path = join(folder, "file");
/** A second name, to look at the file by. */
const twin = join(folder, "twin");
const BYTES = 20 << 20;

afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("takes several steps, or none when there is hurry", async () => {
  writeFileSync(path, Buffer.alloc(BYTES));
  linkSync(path, twin);
  const release = new GradualRelease(path);
  rmSync(path);
  expect(statSync(twin).size).toBe(BYTES);
  const done = release.run();
  expect(release.run()).toBe(done);
  const sizes = new Set<number>();
  let isDone = false;
  void done.then(() => {
    isDone = true;
  });
  while (!isDone) {
    sizes.add(statSync(twin).size);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  expect(sizes.size).toBeGreaterThan(1);
  expect(statSync(twin).size).toBeLessThan(BYTES / 2);

  writeFileSync(twin, Buffer.alloc(BYTES));
  const hurried = new GradualRelease(twin);
  await hurried.hurry();
  expect(statSync(twin).size).toBe(BYTES);
});
