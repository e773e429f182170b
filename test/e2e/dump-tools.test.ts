// The tools that print files, on those of a real member: whole, and into a pipe that nobody reads to its end.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client } from "#client";
import { EtcdProcess, ownFlags } from "./etcd-process.js";

/** Enough to fill a pipe. */
const KEYS = 500;
const TOOLS = resolve(import.meta.dirname, "../../tools");
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "etcd-dump-"));
  const { endpoint, flags } = await ownFlags(directory);
  const etcd = await new EtcdProcess(flags).ready();
  const client = new Client({ endpoints: [endpoint] });
  const keys = Array.from({ length: KEYS }, (_, i) => `k${i}`);
  await Promise.all(keys.map((key) => client.kv.put(key, "x".repeat(300))));
  client.close();
  await etcd.stop();
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const DUMPS: readonly (readonly [tool: string, args: () => string[]])[] = [
  ["dump-wal.mjs", () => ["--values", directory]],
  ["dump-db.mjs", () => [join(directory, "member/snap/db.lmdb"), "key"]],
];

describe.each(DUMPS)("%s", (tool, args) => {
  const command = () => [process.execPath, join(TOOLS, tool), ...args()];

  test("prints everything", () => {
    const [file, ...rest] = command();
    const { status, stdout, stderr } = spawnSync(file, rest, { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.split("\n").filter((line) => line.includes("xxxx")).length).toBe(KEYS);
  });

  test("ends quietly when nobody reads on", () => {
    const script = '{ "$@"; echo "code $?" >&2; } | head -n 1';
    const { stdout, stderr } = spawnSync("sh", ["-c", script, "sh", ...command()], { encoding: "utf8" });
    expect(stdout.split("\n").length).toBe(2);
    expect(stderr).toBe("code 0\n");
  });
});
