// Snapshot files: found again only if whole and vouched for, never half there after a crash.

import { expect, test } from "vitest";
import { SeededRandom, utf8 } from "#base";
import { ConfState, Snapshot } from "#proto";
import { MemoryDisk } from "../disk/memory-disk.js";
import { WalSnapshot } from "../wal/record.js";
import { decodeSnapFile, encodeSnapFile, SnapError, Snapshotter } from "./snapshotter.js";

const DIRECTORY = "/member/snap";

function snapshot(index: number, term = 1): Snapshot {
  return new Snapshot(index, term, new ConfState([1n, 2n, 3n], [4n]), utf8(`{"Root":${index}}`));
}

async function emptyDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory(DIRECTORY);
  await disk.syncDirectory("/");
  await disk.syncDirectory("/member");
  return disk;
}

const valid = (...indexes: number[]): WalSnapshot[] => indexes.map((index) => new WalSnapshot(index, 1));

test("the newest file that the log vouches for", async () => {
  const disk = await emptyDisk();
  const snaps = new Snapshotter(disk, DIRECTORY);
  expect(await snaps.loadNewest(valid(1))).toBeUndefined();
  for (const index of [10, 20, 30]) await snaps.save(snapshot(index));
  await snaps.save(new Snapshot());
  expect(await disk.list(DIRECTORY)).toEqual([
    "0000000000000001-000000000000000a.snap",
    "0000000000000001-0000000000000014.snap",
    "0000000000000001-000000000000001e.snap",
  ]);
  expect(await snaps.loadNewest(valid(10, 20, 30))).toEqual(snapshot(30));
  expect(await snaps.loadNewest(valid(10, 20))).toEqual(snapshot(20));
  expect(await snaps.loadNewest([new WalSnapshot(30, 2)])).toBeUndefined();
});

test("every bit flipped: the file is put aside and the one before it taken", async () => {
  const bytes = encodeSnapFile(snapshot(20));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = Uint8Array.from(bytes);
    damaged[bit >> 3] ^= 1 << (bit & 7);
    expect(() => decodeSnapFile(damaged), `bit ${bit}`).toThrow(SnapError);
  }
  const disk = await emptyDisk();
  const snaps = new Snapshotter(disk, DIRECTORY);
  await snaps.save(snapshot(10));
  await snaps.save(snapshot(20));
  disk.corrupt(`${DIRECTORY}/0000000000000001-0000000000000014.snap`, 30, 1);
  expect((await snaps.loadNewest(valid(10, 20)))?.index).toBe(10);
  expect(await disk.list(DIRECTORY)).toContain("0000000000000001-0000000000000014.snap.broken");
});

test("cut at every byte: refused", () => {
  const bytes = encodeSnapFile(snapshot(20));
  for (let size = 0; size < bytes.length; size++) {
    expect(() => decodeSnapFile(bytes.subarray(0, size)), `cut at ${size}`).toThrow(SnapError);
  }
});

test("a crash or an error at every operation of a save: the old one or the new one, whole", async () => {
  for (let n = 1; n <= 8; n++) {
    for (let seed = 0; seed < 20; seed++) {
      const disk = await emptyDisk();
      const snaps = new Snapshotter(disk, DIRECTORY);
      await snaps.save(snapshot(10));
      const before = disk.operations;
      let image: MemoryDisk | undefined;
      disk.plan = ({ number }) => {
        if (number !== before + n) return {};
        if (seed % 2 === 0) return { fail: "EIO" };
        image = disk.crash(new SeededRandom(seed));
        return {};
      };
      const isSaved = await snaps.save(snapshot(20)).then(
        () => true,
        () => false,
      );
      disk.plan = () => ({});
      const after = new Snapshotter(image ?? disk.kill().crash(new SeededRandom(seed)), DIRECTORY);
      await after.removeLeftovers();
      const found = await after.loadNewest(valid(10, 20));
      expect([10, 20]).toContain(found?.index);
      if (isSaved) expect(found?.index).toBe(20);
    }
  }
});

test("leftovers and surplus are removed, files in use are not", async () => {
  const disk = await emptyDisk();
  const snaps = new Snapshotter(disk, DIRECTORY);
  for (const index of [10, 20, 30, 40]) await snaps.save(snapshot(index));
  for (const name of ["db", "db.tmp.123", "0000000000000001-0000000000000032.snap.tmp", "notes.txt"]) {
    await (await disk.open(`${DIRECTORY}/${name}`, "w+")).close();
  }
  for (const index of [5, 40, 50]) await (await disk.open(snaps.databasePath(index), "w+")).close();
  await snaps.removeLeftovers();
  await snaps.removeOrphanDatabases(40);
  expect(await snaps.purge(2)).toEqual([
    "0000000000000001-000000000000000a.snap",
    "0000000000000001-0000000000000014.snap",
  ]);
  expect(await disk.list(DIRECTORY)).toEqual([
    "0000000000000001-000000000000001e.snap",
    "0000000000000001-0000000000000028.snap",
    "0000000000000028.snap.db",
    "0000000000000032.snap.db",
    "db",
    "notes.txt",
  ]);
});
