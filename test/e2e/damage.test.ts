// Damaged data directories, through the `etcd` command: cut at any byte, or with a bit flipped, a file of the log, a
// snapshot or the database is either mended (a torn tail) with nothing acknowledged lost, or the start is refused with
// exit code 1 and one line that names the file and says what to do. Never anything else.

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Client } from "#client";
import { EtcdProcess, ownFlags } from "./etcd-process.js";

const KEYS = 40;
let root: string;
let settled: string;

/** A directory with all kinds of files: several snapshots, a log behind them, a database. */
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "etcd-damage-"));
  settled = join(root, "settled");
  const { endpoint, flags } = await ownFlags(settled);
  const etcd = await new EtcdProcess([...flags, "--snapshot-count", "15"]).ready();
  const client = new Client({ endpoints: [endpoint] });
  for (let i = 0; i < KEYS; i++) await client.kv.put(`k${i}`, `value ${i} ${"x".repeat(200)}`);
  client.close();
  await etcd.stop();
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

function fileIn(directory: string, kind: "wal" | "snap" | "database"): string {
  const folder = join(directory, "member", kind === "wal" ? "wal" : "snap");
  const suffix = { wal: ".wal", snap: ".snap", database: "db.lmdb" }[kind];
  const name = readdirSync(folder)
    .filter((one) => one.endsWith(suffix))
    .sort()
    .at(-1);
  if (name === undefined) throw new Error(`no ${kind} in ${folder}`);
  return join(folder, name);
}

/** Bytes that hold something: segments are filled up with zeros. */
function usedBytes(path: string): number {
  const bytes = readFileSync(path);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}

type Outcome = "all there" | "refused";

/** Starts on a damaged copy and says what came of it; everything but the two permitted outcomes throws. */
async function outcomeOf(damage: (directory: string) => string): Promise<{ outcome: Outcome; why: string }> {
  const directory = mkdtempSync(join(root, "copy-"));
  cpSync(settled, directory, { recursive: true });
  const path = damage(directory);
  const { endpoint, flags } = await ownFlags(directory);
  const etcd = new EtcdProcess(flags);
  try {
    const ready = etcd.ready().then(
      () => true,
      () => false,
    );
    if (!(await ready)) {
      expect(await etcd.ended).toEqual({ code: 1, signal: null });
      const why = String(etcd.fatalLine["error"]);
      // The file, or for a missing whole, its directory.
      expect(why).toContain(path.slice(0, path.lastIndexOf("/")));
      expect(why).toMatch(/remedy|restore|remove/i);
      return { outcome: "refused", why };
    }
    const client = new Client({ endpoints: [endpoint] });
    const { count } = await client.kv.get("k", { prefix: true });
    await client.kv.put("goes", "on");
    client.close();
    expect(count, "acknowledged keys after the start").toBe(KEYS);
    return { outcome: "all there", why: "" };
  } finally {
    await etcd.stop("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}

const cut = (kind: "wal" | "snap" | "database", share: number) => (directory: string) => {
  const path = fileIn(directory, kind);
  truncateSync(path, Math.floor(usedBytes(path) * share));
  return path;
};

const flip = (kind: "wal" | "snap" | "database", share: number) => (directory: string) => {
  const path = fileIn(directory, kind);
  const bytes = readFileSync(path);
  bytes[Math.floor(usedBytes(path) * share)] ^= 0x10;
  writeFileSync(path, bytes);
  return path;
};

describe("the log", () => {
  test.each([0, 0.2, 0.6, 0.97])(
    "cut at %s of its bytes is refused: the database is ahead of it",
    async (share) => {
      const { outcome, why } = await outcomeOf(cut("wal", share));
      expect(outcome).toBe("refused");
      expect(why).toMatch(/\/member\/wal/);
    },
  );

  test("with a torn record behind the last one is mended", async () => {
    const { outcome } = await outcomeOf((directory) => {
      const path = fileIn(directory, "wal");
      const bytes = readFileSync(path);
      // The length of a record, and nothing of the record itself: what a crash in the middle of a write leaves.
      const end = Math.ceil(usedBytes(path) / 8) * 8;
      bytes.writeBigInt64LE(600n, end);
      writeFileSync(path, bytes);
      return path;
    });
    expect(outcome).toBe("all there");
  });

  test.each([0.001, 0.3, 0.7, 0.95])(
    "with a bit flipped at %s is refused with its position",
    async (share) => {
      const { outcome, why } = await outcomeOf(flip("wal", share));
      expect(outcome).toBe("refused");
      expect(why).toMatch(/in file '.*\.wal'|\/member\/wal/);
    },
  );
});

describe("a snapshot file", () => {
  test.each([
    ["cut", cut("snap", 0.5)],
    ["emptied", cut("snap", 0)],
    ["flipped", flip("snap", 0.3)],
  ])("%s is put aside for the one before, or refused", async (_, damage) => {
    const { outcome, why } = await outcomeOf(damage);
    if (outcome === "refused") expect(why).toMatch(/snap/);
  });
});

describe("the database", () => {
  test.each([0.1, 0.5, 0.9])("cut at %s is refused by name", async (share) => {
    const { outcome, why } = await outcomeOf(cut("database", share));
    expect(outcome).toBe("refused");
    expect(why).toContain("db.lmdb");
  });

  test.each([0.02, 0.3, 0.6, 0.9])(
    "with a bit flipped at %s is refused by name, or the bit means nothing",
    async (share) => {
      const { outcome, why } = await outcomeOf(flip("database", share));
      if (outcome === "refused") expect(why).toContain("db.lmdb");
    },
  );

  test("taken away is refused: the snapshot speaks of more than it has", async () => {
    const { outcome, why } = await outcomeOf((directory) => {
      const path = fileIn(directory, "database");
      rmSync(path);
      return path;
    });
    expect(outcome).toBe("refused");
    expect(why).toMatch(/database and log do not belong together/);
  });
});
