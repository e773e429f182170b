// A process that is killed in the middle of commits, again and again: each transaction is there as a whole or not at all,
// and nothing that was acknowledged is missing.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { SeededRandom } from "#base";
import { LmdbBackend } from "./lmdb-backend.js";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "crash-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Commits batches whose last write is the number of their last revision, defragments now and then, reports each commit. */
const CHILD = `
const { LmdbBackend } = await import(process.argv[1]);
const backend = await LmdbBackend.open({ path: process.argv[2] });
let main = 0;
let first = 0;
backend.scanRevisions(0, 0, (m) => {
  if (main === 0) first = m;
  main = m;
});
if (main === 0) first = 1;
let isDefragmenting = false;
for (let round = 1; ; round++) {
  for (let i = 0; i < 50; i++) backend.appendRevision(++main, 0, false, new Uint8Array(200 + (main % 5000)));
  for (; first < main - 1000; first++) backend.deleteRevision(first, 0);
  const index = Buffer.alloc(8);
  index.writeDoubleLE(main);
  backend.put("meta", Buffer.from("index"), index);
  await backend.commit();
  process.stdout.write(main + "\\n");
  if (round % 10 === 0 && !isDefragmenting) {
    isDefragmenting = true;
    backend.defragment().then(() => { isDefragmenting = false; });
  }
}`;

/** Runs the child for a while and kills it; returns the last revision that it saw committed. */
function runAndKill(path: string, afterMs: number): Promise<number> {
  const root = join(import.meta.dirname, "../../..");
  const module = pathToFileURL(join(root, "dist/storage/index.js")).href;
  const child = spawn(process.execPath, ["--input-type=module", "-e", CHILD, module, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  let isRunning = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    // The clock starts with the first commit, so that a slow start is no excuse.
    if (!isRunning) setTimeout(() => child.kill("SIGKILL"), afterMs);
    isRunning = true;
  });
  return new Promise((resolve, reject) => {
    child.once("close", (_code, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`the child ended with ${signal}: ${output}`));
      else resolve(Number(output.slice(0, output.lastIndexOf("\n")).split("\n").at(-1)));
    });
  });
}

it("keeps every acknowledged transaction, whole, when the process is killed", async () => {
  const path = join(directory, "db.lmdb");
  const random = new SeededRandom(5);
  for (let cycle = 0; cycle < 8; cycle++) {
    const acknowledged = await runAndKill(path, random.below(300));
    const backend = await LmdbBackend.open({ path });
    let last = 0;
    let count = 0;
    backend.scanRevisions(0, 0, (main) => {
      expect(main === last + 1 || last === 0).toBe(true);
      last = main;
      count++;
    });
    expect(Buffer.from(backend.get("meta", Buffer.from("index"))!).readDoubleLE(0)).toBe(last);
    expect(last).toBeGreaterThanOrEqual(acknowledged);
    expect(count).toBeLessThanOrEqual(1001);
    await backend.close();
    expect(readdirSync(directory).sort()).toEqual(["db.lmdb", "db.lmdb-lock"]);
  }
});
