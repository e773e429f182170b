// The data directory: what is made, what is refused and with which words, who may use it.

import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type Logger, SeededRandom, SILENT, utf8 } from "#base";
import { DataDirError, openDataDir } from "./datadir.js";
import { MemoryDisk } from "./disk/memory-disk.js";
import { NodeDisk } from "./disk/node-disk.js";
import { Wal } from "./wal/index.js";

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "datadir-test-"));
afterAll(() => fs.rmSync(temporary, { recursive: true }));

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof DataDirError) return error.message;
    throw error;
  }
  return "";
}

function recorder(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const warn: Logger["warn"] = (message, fields) => lines.push(`${message} ${JSON.stringify(fields)}`);
  return { logger: { ...SILENT, warn }, lines };
}

describe("on real files", () => {
  const disk = new NodeDisk();

  test("is made with private permissions, and a member can use it again after release", async () => {
    const dataDir = path.join(temporary, "new/deep/m1.etcd");
    const opened = await openDataDir(disk, { dataDir });
    expect(opened.hasWal).toBe(false);
    for (const directory of [dataDir, opened.memberDirectory, opened.snapDirectory]) {
      expect(fs.statSync(directory).mode & 0o777).toBe(0o700);
    }
    const wal = await Wal.create(disk, opened.walDirectory, utf8("m"), { segmentBytes: 4096 });
    await wal.close();
    expect(fs.statSync(opened.walDirectory).mode & 0o777).toBe(0o700);
    for (const name of fs.readdirSync(opened.walDirectory)) {
      expect(fs.statSync(path.join(opened.walDirectory, name)).mode & 0o777).toBe(0o600);
    }
    expect(await refusal(openDataDir(disk, { dataDir }))).toBe(
      `cannot access data directory: ${dataDir}: fileutil: file already locked: it is in use by another process; one data directory serves one running member`,
    );
    await opened.release();
    const again = await openDataDir(disk, { dataDir });
    expect(again.hasWal).toBe(true);
    await again.release();
    expect(fs.readdirSync(opened.memberDirectory).sort()).toEqual(["snap", "wal"]);
  });

  test("wider permissions are only warned about, and stay", async () => {
    const dataDir = path.join(temporary, "wide");
    fs.mkdirSync(dataDir);
    fs.chmodSync(dataDir, 0o775);
    fs.mkdirSync(path.join(dataDir, "stranger"));
    const { logger, lines } = recorder();
    await (await openDataDir(disk, { dataDir, logger })).release();
    expect(lines[0]).toContain("check file permission");
    expect(lines[0]).toContain(String.raw`exist, but the permission is \"drwxrwxr-x\". The recommended`);
    expect(lines[1]).toContain("found invalid file under data directory");
    expect(fs.statSync(dataDir).mode & 0o777).toBe(0o775);
  });

  test("a file in its place, or both kinds of directory in it", async () => {
    const file = path.join(temporary, "file");
    fs.writeFileSync(file, "");
    expect(await refusal(openDataDir(disk, { dataDir: file }))).toBe(
      `cannot access data directory: mkdir ${file}: not a directory`,
    );
    expect(await refusal(openDataDir(disk, { dataDir: `${file}/below` }))).toContain(": not a directory");
    const both = path.join(temporary, "both");
    fs.mkdirSync(path.join(both, "member"), { recursive: true });
    fs.mkdirSync(path.join(both, "proxy"));
    expect(await refusal(openDataDir(disk, { dataDir: both }))).toBe(
      "invalid datadir; both member and proxy directories exist",
    );
  });

  test("two members may not share a log directory", async () => {
    const walDir = path.join(temporary, "wals/shared");
    const first = await openDataDir(disk, { dataDir: path.join(temporary, "one"), walDir });
    expect(
      await refusal(openDataDir(disk, { dataDir: path.join(temporary, "two"), walDir: `${walDir}/` })),
    ).toContain("fileutil: file already locked");
    await first.release();
    const second = await openDataDir(disk, { dataDir: path.join(temporary, "two"), walDir });
    await second.release();
  });

  test("an etcd that holds its own lock on the database is noticed", async () => {
    const dataDir = path.join(temporary, "foreign");
    fs.mkdirSync(path.join(dataDir, "member/snap"), { recursive: true });
    const database = path.join(dataDir, "member/snap/db");
    fs.writeFileSync(database, "");
    const child = spawn("flock", [database, "sleep", "30"], { stdio: "ignore" });
    const isThere = await new Promise((resolve) => {
      child.once("spawn", () => resolve(true));
      child.once("error", () => resolve(false));
    });
    if (!isThere) return;
    while (!fs.readFileSync("/proc/locks", "latin1").includes(`:${fs.statSync(database).ino} `)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(await refusal(openDataDir(disk, { dataDir }))).toContain(`it is in use by process ${child.pid}`);
    child.kill();
  });
});

describe("in memory", () => {
  test("errors carry the system's words and leave nothing locked", async () => {
    const reasons = new Set<string>();
    for (let n = 1; n < 30; n++) {
      const disk = new MemoryDisk();
      disk.failAt(n, n % 2 === 0 ? "EROFS" : "ENOSPC");
      const message = await refusal(openDataDir(disk, { dataDir: "/d" }));
      if (message !== "") reasons.add(message.replace(/^([^:]*): .*: /, "$1: "));
      disk.plan = () => ({});
      if (message !== "") await (await openDataDir(disk, { dataDir: "/d" })).release();
    }
    expect([...reasons].sort()).toEqual([
      "cannot access data directory: no space left on device",
      "cannot access data directory: read-only file system",
      "cannot access member directory: no space left on device",
      "cannot access member directory: read-only file system",
      "cannot write to WAL directory: no space left on device",
      "cannot write to WAL directory: read-only file system",
      "failed to create snapshot directory: no space left on device",
      "failed to create snapshot directory: read-only file system",
    ]);
  });

  test("a log that cannot be written is refused; a half-made one is cleared away", async () => {
    const disk = new MemoryDisk();
    await disk.makeDirectory("/d/member/wal.tmp");
    const wal = await Wal.create(disk, "/d/member/wal", utf8("m"), { segmentBytes: 4096 });
    await wal.close();
    await disk.makeDirectory("/d/member/wal.tmp");
    disk.plan = ({ path: file }) => (file === "/d/member/wal/.touch" ? { fail: "EACCES" } : {});
    expect(await refusal(openDataDir(disk, { dataDir: "/d" }))).toBe(
      "cannot write to WAL directory: open /d/member/wal/.touch: permission denied",
    );
    disk.plan = () => ({});
    await openDataDir(disk, { dataDir: "/d" });
    expect(await disk.list("/d/member")).toEqual(["snap", "wal"]);
  });

  test("what it made is there after a crash", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const disk = new MemoryDisk();
      await openDataDir(disk, { dataDir: "/a/b/d" });
      const image = disk.crash(new SeededRandom(seed));
      expect(await image.list("/a/b/d/member")).toEqual(["snap"]);
    }
  });
});
