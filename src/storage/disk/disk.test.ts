// One suite for both disks, and what only one of them has: the real lock, the crash model.

import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { type Disk, DiskError, SeededRandom, utf8, utf8Text } from "#base";
import { flockOwner, parseLocks } from "./flock-owner.js";
import { MemoryDisk } from "./memory-disk.js";
import { NodeDisk } from "./node-disk.js";

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "disk-test-"));
afterAll(() => fs.rmSync(temporary, { recursive: true }));
let round = 0;

const DISKS: [string, () => Promise<{ disk: Disk; root: string }>][] = [
  [
    "NodeDisk",
    async () => {
      const root = path.join(temporary, `${round++}`);
      fs.mkdirSync(root);
      return { disk: new NodeDisk(), root };
    },
  ],
  [
    "MemoryDisk",
    async () => {
      const disk = new MemoryDisk();
      await disk.makeDirectory("/root");
      return { disk, root: "/root" };
    },
  ],
];

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "";
  } catch (error) {
    if (error instanceof DiskError) return error.code;
    throw error;
  }
}

describe.each(DISKS)("%s", (_name, make) => {
  let disk: Disk;
  let root: string;
  beforeEach(async () => {
    ({ disk, root } = await make());
  });

  test("bytes written are read back; a read ends at the end of the file", async () => {
    const file = await disk.open(`${root}/a`, "w+");
    await file.write(0, utf8("hello"));
    file.writeSync(5, utf8(" world"));
    await file.datasync();
    file.datasyncSync();
    await file.sync();
    expect(utf8Text(await file.read(0, 100))).toBe("hello world");
    expect(utf8Text(await file.read(6, 5))).toBe("world");
    expect((await file.read(50, 5)).length).toBe(0);
    await file.write(20, utf8("x"));
    expect(await file.size()).toBe(21);
    expect([...(await file.read(11, 9))]).toEqual(new Array(9).fill(0));
    await file.truncate(5);
    await file.truncate(8);
    expect([...(await file.read(0, 9))]).toEqual([...utf8("hello"), 0, 0, 0]);
    await file.close();
  });

  test("open modes", async () => {
    expect(await codeOf(disk.open(`${root}/a`, "r"))).toBe("ENOENT");
    expect(await codeOf(disk.open(`${root}/a`, "r+"))).toBe("ENOENT");
    expect(await codeOf(disk.open(`${root}/none/a`, "w+"))).toBe("ENOENT");
    const file = await disk.open(`${root}/a`, "wx+");
    await file.write(0, utf8("abc"));
    await file.close();
    expect(await codeOf(disk.open(`${root}/a`, "wx+"))).toBe("EEXIST");
    expect(await codeOf(disk.open(root, "r+"))).toBe("EISDIR");
    const again = await disk.open(`${root}/a`, "r+");
    expect(await again.size()).toBe(3);
    await again.close();
    const read = await disk.open(`${root}/a`, "r");
    expect(await codeOf(read.write(0, utf8("x")))).toBe("EBADF");
    await read.close();
    const empty = await disk.open(`${root}/a`, "w+");
    expect(await empty.size()).toBe(0);
    await empty.close();
  });

  test("files are private, directories too", async () => {
    await disk.makeDirectory(`${root}/d/e`);
    await (await disk.open(`${root}/d/e/f`, "w+")).close();
    expect(await disk.stat(`${root}/d`)).toMatchObject({ mode: 0o700, isDirectory: true });
    expect(await disk.stat(`${root}/d/e/f`)).toMatchObject({ mode: 0o600, isDirectory: false, size: 0 });
    expect(await disk.stat(`${root}/d/none`)).toBeUndefined();
  });

  test("names: list, rename, remove", async () => {
    for (const name of ["b", "a", "c"]) await (await disk.open(`${root}/${name}`, "w+")).close();
    await disk.makeDirectory(`${root}/d/e`);
    await (await disk.open(`${root}/d/e/f`, "w+")).close();
    expect(await disk.list(root)).toEqual(["a", "b", "c", "d"]);
    await disk.rename(`${root}/a`, `${root}/b`);
    await disk.rename(`${root}/d`, `${root}/z`);
    expect(await codeOf(disk.rename(`${root}/none`, `${root}/x`))).toBe("ENOENT");
    await disk.remove(`${root}/c`);
    await disk.remove(`${root}/c`);
    expect(await disk.list(root)).toEqual(["b", "z"]);
    expect(await disk.list(`${root}/z/e`)).toEqual(["f"]);
    await disk.syncDirectory(root);
    await disk.removeTree(`${root}/z`);
    await disk.removeTree(`${root}/z`);
    expect(await disk.list(root)).toEqual(["b"]);
    expect(await codeOf(disk.list(`${root}/none`))).toBe("ENOENT");
  });

  test("a lock is held by one, and can be had again after its release", async () => {
    const lock = await disk.lock(`${root}/lock`);
    expect(lock).toBeDefined();
    expect(await disk.lock(`${root}/lock`)).toBeUndefined();
    const other = await disk.lock(`${root}/other`);
    expect(other).toBeDefined();
    await other?.release();
    await lock?.release();
    const again = await disk.lock(`${root}/lock`);
    expect(again).toBeDefined();
    await again?.release();
  });
});

describe("the lock of a process", () => {
  async function holder(file: string): Promise<ChildProcess> {
    const module = path.join(import.meta.dirname, "../../../dist/storage/disk/process-lock.js");
    const script = `import { lockPath } from ${JSON.stringify(module)};
      console.log((await lockPath(${JSON.stringify(file)})) ? "held" : "taken"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await new Promise<string>((resolve) =>
      child.stdout?.once("data", (text) => resolve(`${text}`.trim())),
    );
    expect(line).toBe("held");
    return child;
  }

  test("keeps others out until its process ends, however it ends", async () => {
    // A path far longer than a socket's may be, reached through another name.
    const deep = path.join(temporary, "x".repeat(100), "y".repeat(100));
    fs.mkdirSync(deep, { recursive: true });
    fs.symlinkSync(deep, path.join(temporary, "link"));
    const disk = new NodeDisk();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const child = await holder(path.join(deep, "lock"));
      expect(await disk.lock(path.join(temporary, "link", "lock"))).toBeUndefined();
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill(signal);
      await ended;
      const lock = await disk.lock(path.join(deep, "lock"));
      expect(lock, `after ${signal}`).toBeDefined();
      await lock?.release();
    }
    expect(fs.readdirSync(deep)).toEqual([]);
  });

  test("whose lock file belongs to a stranger is reported by etcd's kind of lock", async () => {
    const file = path.join(temporary, "flocked");
    fs.writeFileSync(file, "");
    expect(await flockOwner([file, path.join(temporary, "none")])).toBeUndefined();
    const child = spawn("flock", [file, "sleep", "30"], { stdio: "ignore" });
    const isThere = await new Promise((resolve) => {
      child.once("spawn", () => resolve(true));
      child.once("error", () => resolve(false));
    });
    if (isThere) {
      let owner: number | undefined;
      for (let i = 0; i < 100 && owner === undefined; i++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        owner = await flockOwner([file]);
      }
      expect(owner).toBe(child.pid);
      child.kill();
    }
    const line = "5: FLOCK  ADVISORY  WRITE 24084 fe:00:2149309 0 EOF";
    const waiting = "5: -> FLOCK  ADVISORY  WRITE 24085 fe:00:2149309 0 EOF";
    expect([...parseLocks(`${line}\n${waiting}\n3: OFDLCK ADVISORY  WRITE -1 fe:00:7 0 EOF\n`)]).toEqual([
      ["fe:00:2149309", 24084],
      ["fe:00:7", 0],
    ]);
  });
});

describe("the crash model", () => {
  /** A file whose sectors each hold the number of the write that made them. */
  async function sectors(disk: MemoryDisk, name: string): Promise<number[]> {
    const file = await disk.open(`/${name}`, "r");
    const bytes = await file.read(0, await file.size());
    const found: number[] = [];
    for (let at = 0; at < bytes.length; at += 512) {
      const sector = bytes.subarray(at, at + 512);
      expect(new Set(sector).size, "a sector is never torn itself").toBe(1);
      found.push(sector[0]);
    }
    return found;
  }

  type Step = { kind: "write"; sector: number; count: number } | { kind: "sync" | "failed-sync" };
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant("write" as const),
        sector: fc.integer({ min: 0, max: 30 }),
        count: fc.integer({ min: 1, max: 12 }),
      }),
      fc.record({ kind: fc.constantFrom("sync" as const, "failed-sync" as const) }),
    ),
    { maxLength: 25 },
  );

  test("a sector is what the last good sync saved, or something written since; what a sync lost is gone", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer(), async (list, seed) => {
        const disk = new MemoryDisk();
        const file = await disk.open("/f", "w+");
        await disk.syncDirectory("/");
        const model = Array.from({ length: 50 }, () => ({ visible: 0, durable: 0, since: [] as number[] }));
        let mark = 0;
        for (const step of list) {
          if (step.kind === "write") {
            mark = (mark % 250) + 1;
            await file.write(step.sector * 512, new Uint8Array(step.count * 512).fill(mark));
            for (const sector of model.slice(step.sector, step.sector + step.count)) {
              sector.visible = mark;
              sector.since.push(mark);
            }
            continue;
          }
          disk.plan = () => (step.kind === "sync" ? {} : { fail: "EIO" });
          expect(await codeOf(file.datasync())).toBe(step.kind === "sync" ? "" : "EIO");
          disk.plan = () => ({});
          for (const sector of model) {
            const last = sector.since.pop();
            if (step.kind === "sync" && last !== undefined) sector.durable = last;
            sector.since = [];
          }
        }
        const size = await file.size();
        expect(await sectors(disk, "f")).toEqual(model.slice(0, size / 512).map(({ visible }) => visible));
        const image = disk.crash(new SeededRandom(seed));
        (await sectors(image, "f")).forEach((found, at) => {
          expect([model[at].durable, ...model[at].since], `sector ${at}`).toContain(found);
        });
      }),
      { numRuns: 300 },
    );
  });

  test("names survive from some point on, a rename never by half", async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const disk = new MemoryDisk();
      for (const directory of ["/a", "/b"]) await disk.makeDirectory(directory);
      const file = await disk.open("/a/old", "w+");
      await file.write(0, utf8("content"));
      await file.sync();
      for (const directory of ["/", "/a", "/b"]) await disk.syncDirectory(directory);
      await disk.rename("/a/old", "/b/new");
      await (await disk.open("/a/later", "w+")).close();
      const image = disk.crash(new SeededRandom(seed));
      const names = [...(await image.list("/a")), ...(await image.list("/b"))];
      seen.add(names.join(" "));
      expect(names.filter((name) => name === "old" || name === "new").length).toBe(1);
      const kept = names.includes("new") ? "/b/new" : "/a/old";
      expect(utf8Text(await (await image.open(kept, "r")).read(0, 10))).toBe("content");
    }
    expect([...seen].sort()).toEqual(["later new", "new", "old"]);
  });

  test("the same seed gives the same disk", async () => {
    const images = await Promise.all(
      [1, 1].map(async (seed) => {
        const disk = new MemoryDisk();
        const file = await disk.open("/f", "w+");
        await disk.syncDirectory("/");
        for (let i = 0; i < 40; i++) await file.write(i * 700, new Uint8Array(700).fill(i));
        const image = disk.crash(new SeededRandom(seed));
        return (await image.open("/f", "r")).read(0, 100_000);
      }),
    );
    expect(images[0]).toEqual(images[1]);
  });

  test("a dead disk fails everything; delayed operations complete when they are told to", async () => {
    const disk = new MemoryDisk();
    const waiting: (() => void)[] = [];
    const file = await disk.open("/f", "w+");
    disk.plan = () => ({ delay: (complete) => waiting.push(complete) });
    let isDone = false;
    const write = file.write(0, utf8("x")).then(() => {
      isDone = true;
    });
    await Promise.resolve();
    expect(isDone).toBe(false);
    waiting[0]();
    await write;
    const image = disk.crash(new SeededRandom(1));
    expect(await codeOf(file.write(0, utf8("y")))).toBe("EIO");
    expect(() => file.writeSync(0, utf8("y"))).toThrow(DiskError);
    expect(await codeOf(disk.list("/"))).toBe("EIO");
    await image.list("/");
  });
});
