// The log from the outside: what is durable when, how often it syncs, how segments come and go. Damage and crashes have
// tests of their own.

import { describe, expect, test } from "vitest";
import { type Entry, HardState } from "#proto";
import { MemoryDisk } from "../disk/memory-disk.js";
import { WalSnapshot } from "./record.js";
import { validSnapshots, verifyWal } from "./scan.js";
import { DIRECTORY, entry, METADATA, VOTER } from "./testkit.js";
import { Wal } from "./wal.js";
import type { WalContents } from "./wal-start.js";
import { walkWal } from "./walk.js";

const SMALL = { segmentBytes: 4096 };

async function newWal(options = SMALL): Promise<{ disk: MemoryDisk; wal: Wal }> {
  const disk = new MemoryDisk();
  return { disk, wal: await Wal.create(disk, DIRECTORY, METADATA, options) };
}

async function reopen(disk: MemoryDisk, at?: WalSnapshot): Promise<WalContents> {
  const { wal, contents } = await Wal.open(disk, DIRECTORY, at, SMALL);
  await wal.close();
  return contents;
}

async function segments(disk: MemoryDisk): Promise<string[]> {
  return (await disk.list(DIRECTORY)).filter((name) => name.endsWith(".wal"));
}

/** Counts the operations of one kind during `work`. */
async function count(disk: MemoryDisk, kind: string, work: () => Promise<unknown>): Promise<number> {
  let found = 0;
  disk.plan = (operation) => {
    if (operation.kind === kind && operation.path.endsWith(".wal")) found++;
    return {};
  };
  await work();
  disk.plan = () => ({});
  return found;
}

const state = (term: number, commit: number): HardState => new HardState(term, VOTER, commit);
const indexes = (entries: readonly Entry[]): number[] => entries.map(({ index }) => index);

test("a log is made once", async () => {
  const { disk, wal } = await newWal();
  await wal.close();
  await expect(Wal.create(disk, DIRECTORY, METADATA, SMALL)).rejects.toThrow("wal: file exists");
  expect(await Wal.exists(disk, DIRECTORY)).toBe(true);
  expect(await Wal.exists(disk, "/elsewhere")).toBe(false);
  await expect(Wal.open(disk, "/elsewhere")).rejects.toThrow("wal: file not found");
  expect(await disk.stat(`${DIRECTORY}.tmp`)).toBeUndefined();
});

test("what was saved, in both ways, comes back across segments", async () => {
  const { disk, wal } = await newWal();
  const saved: Entry[] = [];
  for (let i = 1; i <= 200; i++) {
    const batch = [entry(i, 1, (i * 13) % 300)];
    saved.push(...batch);
    if (i % 3 === 0 && wal.canSaveSync) wal.saveSync(state(1, i - 1), batch);
    else await wal.save(state(1, i - 1), batch);
  }
  await wal.close();
  expect((await segments(disk)).length).toBeGreaterThan(5);
  expect(await reopen(disk)).toEqual({ metadata: METADATA, hardState: state(1, 199), entries: saved });
});

test("a received snapshot takes the place of entries that conflict with it", async () => {
  const { disk, wal } = await newWal();
  await wal.save(state(1, 3), [entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1), entry(5, 1), entry(6, 1)]);
  await wal.saveSnapshot(new WalSnapshot(5, 2), state(2, 5));
  await wal.close();
  expect((await reopen(disk, new WalSnapshot(5, 2))).entries).toEqual([]);
  const { wal: next } = await Wal.open(disk, DIRECTORY, new WalSnapshot(5, 2), SMALL);
  await next.save(undefined, [entry(6, 2)]);
  await next.close();
  expect((await reopen(disk, new WalSnapshot(5, 2))).entries).toEqual([entry(6, 2)]);
});

describe("syncs", () => {
  test("entries, term and vote are synced; a commit index alone is not even written by itself", async () => {
    const { disk, wal } = await newWal();
    const writes = (work: () => Promise<unknown>): Promise<number> => count(disk, "write", work);
    expect(await count(disk, "datasync", () => wal.save(state(1, 0), [entry(1)]))).toBe(1);
    expect(await count(disk, "datasync", () => wal.save(state(2, 0), []))).toBe(1);
    expect(await count(disk, "datasync", () => wal.save(new HardState(2, 5n, 0), []))).toBe(1);
    expect(await writes(() => wal.save(new HardState(2, 5n, 1), []))).toBe(0);
    expect(await writes(() => wal.save(undefined, []))).toBe(0);
    expect(await writes(() => wal.save(new HardState(), []))).toBe(0);
    expect(await writes(() => wal.close())).toBe(1);
    expect((await reopen(disk)).hardState).toEqual(new HardState(2, 5n, 1));
  });

  test("saves that wait for one write share the next one", async () => {
    const { disk, wal } = await newWal();
    const syncs = await count(disk, "datasync", () =>
      Promise.all(Array.from({ length: 20 }, (_, i) => wal.save(state(1, i), [entry(i + 1)]))),
    );
    expect(syncs).toBe(2);
    await wal.close();
    expect((await reopen(disk)).entries.length).toBe(20);
  });

  test("without fsync everything is still written, and nothing is synced", async () => {
    const disk = new MemoryDisk();
    const unsafe = await Wal.create(disk, DIRECTORY, METADATA, { ...SMALL, unsafeNoFsync: true });
    const syncs = await count(disk, "datasync", async () => {
      for (let i = 1; i <= 40; i++) await unsafe.save(state(1, i - 1), [entry(i, 1, 200)]);
      await unsafe.close();
    });
    expect(syncs).toBe(0);
    expect((await segments(disk)).length).toBeGreaterThan(1);
    expect((await reopen(disk)).entries.length).toBe(40);
  });

  test("are timed", async () => {
    const disk = new MemoryDisk();
    const seconds: number[] = [];
    const lines: string[] = [];
    let clock = 0;
    const wal = await Wal.create(disk, DIRECTORY, METADATA, {
      ...SMALL,
      now: () => clock,
      onFsync: (took) => seconds.push(took),
      logger: {
        isEnabled: () => true,
        debug: () => {},
        info: () => {},
        warn: (message) => lines.push(message),
        error: () => {},
      },
    });
    disk.plan = ({ kind }) => {
      if (kind === "datasync") clock += 1500;
      return {};
    };
    wal.saveSync(state(1, 0), [entry(1)]);
    await wal.save(undefined, [entry(2)]);
    expect(seconds).toEqual([1.5, 1.5]);
    expect(lines).toEqual(["slow fdatasync", "slow fdatasync"]);
    expect(wal.bytesWritten).toBeGreaterThan(80);
    await wal.close();
  });
});

describe("segments", () => {
  test("each opens with the sum so far, the metadata and the state, and is cut to its size", async () => {
    const { disk, wal } = await newWal();
    for (let i = 1; i <= 30; i++) await wal.save(state(3, i - 1), [entry(i, 3, 300)]);
    await wal.close();
    const names = await segments(disk);
    expect(names[1]).toMatch(/^0000000000000001-00000000000000[0-9a-f]{2}\.wal$/);
    const heads = new Map<string, number[]>();
    const ends = new Map<string, number>();
    await walkWal(disk, DIRECTORY, ({ file, type, offset, frameBytes }) => {
      heads.set(file, [...(heads.get(file) ?? []), type].slice(0, 4));
      ends.set(file, offset + frameBytes);
    });
    expect(heads.get(`${DIRECTORY}/${names[0]}`)).toEqual([4, 1, 5, 2]);
    for (const name of names.slice(1)) expect(heads.get(`${DIRECTORY}/${name}`)).toEqual([4, 1, 3, 2]);
    for (const name of names.slice(0, -1)) {
      const path = `${DIRECTORY}/${name}`;
      expect((await disk.stat(path))?.size, name).toBe(ends.get(path));
    }
    expect((await disk.stat(`${DIRECTORY}/${names[names.length - 1]}`))?.size).toBe(4096);
    expect((await disk.list(DIRECTORY)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("the save that fills a segment does not wait for the change; saveSync does", async () => {
    const { disk, wal } = await newWal();
    const waiting: (() => void)[] = [];
    await wal.save(state(1, 0), [entry(1)]);
    disk.plan = ({ kind }) => (kind === "rename" ? { delay: (complete) => waiting.push(complete) } : {});
    await wal.save(undefined, [entry(2, 1, 5000)]);
    while (waiting.length === 0) await Promise.resolve();
    expect(wal.canSaveSync).toBe(false);
    expect(() => wal.saveSync(undefined, [entry(3)])).toThrow("while the log is busy");
    const next = wal.save(undefined, [entry(3)]);
    waiting[0]();
    await next;
    await Promise.resolve();
    expect(wal.canSaveSync).toBe(true);
    await wal.close();
    expect(indexes((await reopen(disk)).entries)).toEqual([1, 2, 3]);
  });

  test("released ones are purged, needed ones and the last few stay", async () => {
    const { disk, wal } = await newWal();
    for (let i = 1; i <= 100; i++) await wal.save(state(1, i - 1), [entry(i, 1, 300)]);
    const before = await segments(disk);
    expect(await wal.purge(3), "nothing is released yet").toEqual([]);
    await wal.saveSnapshot(new WalSnapshot(50, 1));
    wal.releaseTo(50);
    const removed = await wal.purge(3);
    expect(removed).toEqual(before.slice(0, removed.length));
    const left = await segments(disk);
    const holds50 = left.filter((name) => Number.parseInt(name.slice(17, 33), 16) <= 50);
    expect(holds50.length, "the one that holds entry 50 is the oldest left").toBe(1);
    wal.releaseTo(1000);
    await wal.purge(3);
    expect((await segments(disk)).length).toBe(3);
    await wal.close();
    expect(await wal.purge(1), "shutdown and purge may overlap").toEqual([]);
  });

  test("a disk too full for the next one is reported early, and survived if space comes back", async () => {
    const disk = new MemoryDisk();
    const wal = await Wal.create(disk, DIRECTORY, METADATA, SMALL);
    await wal.save(state(1, 0), [entry(1)]);
    disk.plan = ({ kind, path, bytes }) =>
      kind === "write" && path.endsWith(".tmp") && bytes > 1000 ? { fail: "ENOSPC" } : {};
    await wal.save(undefined, [entry(2, 1, 5000)]);
    await wal.save(undefined, [entry(3, 1, 5000)]);
    await wal.save(undefined, [entry(4)]);
    expect(String(wal.spaceProblem)).toContain("ENOSPC");
    disk.plan = () => ({});
    wal.retrySpace();
    await wal.save(undefined, [entry(5, 1, 5000)]);
    await wal.save(undefined, [entry(6)]);
    expect(wal.spaceProblem).toBeUndefined();
    await wal.close();
    expect((await reopen(disk)).entries.length).toBe(6);
  });
});

describe("snapshots", () => {
  test("count only up to the commit index that the log tells", async () => {
    const { disk, wal } = await newWal();
    await wal.save(state(1, 0), [entry(1), entry(2), entry(3)]);
    await wal.save(state(1, 2), []);
    await wal.saveSnapshot(new WalSnapshot(2, 1));
    await wal.saveSnapshot(new WalSnapshot(3, 1));
    const image = disk.clone();
    expect((await validSnapshots(image, DIRECTORY)).map(({ index }) => index)).toEqual([0, 2]);
    await wal.save(state(1, 3), [entry(4)]);
    await wal.close();
    expect((await validSnapshots(disk, DIRECTORY)).map(({ index }) => index)).toEqual([0, 2, 3]);
    expect(indexes((await reopen(disk, new WalSnapshot(2, 1))).entries)).toEqual([3, 4]);
    expect(await verifyWal(disk, DIRECTORY, new WalSnapshot(3, 1))).toEqual(state(1, 3));
  });

  test("one that is not in the log, or at another term, is refused", async () => {
    const { disk, wal } = await newWal();
    await wal.save(state(1, 0), [entry(1), entry(2)]);
    await wal.saveSnapshot(new WalSnapshot(1, 1));
    await wal.close();
    await expect(reopen(disk, new WalSnapshot(2, 1))).rejects.toThrow("wal: snapshot not found");
    await expect(reopen(disk, new WalSnapshot(1, 2))).rejects.toThrow("wal: snapshot mismatch");
    await expect(verifyWal(disk, DIRECTORY, new WalSnapshot(2, 1))).rejects.toThrow(
      "wal: snapshot not found",
    );
  });

  test("from the leader, beyond the end of the log: the log goes on behind it", async () => {
    const { disk, wal } = await newWal();
    await wal.save(state(1, 0), [entry(1)]);
    await wal.saveSnapshot(new WalSnapshot(100, 4));
    await wal.save(state(4, 100), []);
    await wal.save(state(4, 101), [entry(101, 4), entry(102, 4, 5000)]);
    await wal.save(undefined, [entry(103, 4)]);
    await wal.close();
    expect(indexes((await reopen(disk, new WalSnapshot(100, 4))).entries)).toEqual([101, 102, 103]);
    expect((await segments(disk))[1]).toBe("0000000000000001-0000000000000067.wal");
  });

  test("entries behind one that were overwritten before it do not come back", async () => {
    const { disk, wal } = await newWal();
    await wal.save(state(2, 10), [...Array.from({ length: 14 }, (_, i) => entry(i + 1, 2))]);
    await wal.save(state(3, 10), [entry(12, 3)]);
    await wal.save(state(3, 12), []);
    await wal.saveSnapshot(new WalSnapshot(12, 3));
    await wal.close();
    expect((await reopen(disk, new WalSnapshot(12, 3))).entries).toEqual([]);
  });
});

test("a log whose committed end is gone is refused, not taken for a shorter one", async () => {
  const { disk, wal } = await newWal();
  await wal.save(state(1, 0), [entry(1)]);
  await wal.save(new HardState(1, VOTER, 7), [entry(2)]);
  await wal.close();
  await expect(reopen(disk)).rejects.toThrow("committed up to 7 but ends at 2");
});

test("entries that do not follow the log are not written", async () => {
  const { disk, wal } = await newWal();
  await wal.save(state(1, 0), [entry(1)]);
  expect(() => wal.saveSync(undefined, [entry(3)])).toThrow("a gap in the log");
  expect(() => wal.saveSync(undefined, [entry(2), entry(4)])).toThrow("a gap in the log");
  await expect(wal.save(undefined, [entry(2), entry(4)])).rejects.toThrow("a gap in the log");
  await wal.close();
  expect(indexes((await reopen(disk)).entries)).toEqual([1]);
});
