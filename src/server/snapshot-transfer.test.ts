// Database images that arrive: several at once, and some that never end well.

import { beforeEach, describe, expect, it } from "vitest";
import { SILENT } from "#base";
import { MemoryDisk, Snapshotter } from "#storage";
import { SnapshotReceiver } from "./snapshot-transfer.js";

/** Hands over two chunks and lets others run before each. */
async function* image(byte: number, failure?: Error): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 2; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    yield new Uint8Array(1000).fill(byte);
  }
  if (failure !== undefined) throw failure;
}

describe("a receiver of images", () => {
  let disk: MemoryDisk;
  let snapshotter: Snapshotter;
  let receiver: SnapshotReceiver;

  beforeEach(async () => {
    disk = new MemoryDisk();
    await disk.makeDirectory("/snap");
    snapshotter = new Snapshotter(disk, "/snap");
    receiver = new SnapshotReceiver(disk, snapshotter, SILENT);
  });

  async function content(index: number): Promise<Uint8Array> {
    const file = await disk.open(snapshotter.databasePath(index), "r");
    const bytes = await file.read(0, await file.size());
    await file.close();
    return bytes;
  }

  it("keeps two images of one index apart", async () => {
    await Promise.all([receiver.save(7, image(1)), receiver.save(7, image(2))]);
    const bytes = await content(7);
    expect(bytes.length).toBe(2000);
    expect(new Set(bytes).size).toBe(1);
    expect(await disk.list("/snap")).toHaveLength(1);
  });

  it("leaves nothing of an image that breaks off, and says so", async () => {
    await receiver.save(7, image(1));
    await expect(receiver.save(7, image(2, new Error("connection lost")))).rejects.toThrow("connection lost");
    expect(await content(7)).toEqual(new Uint8Array(2000).fill(1));
    expect(await disk.list("/snap")).toHaveLength(1);
  });

  it("has what a crash left removed at start", async () => {
    const file = await disk.open(snapshotter.temporaryDatabasePath(7, 0), "w+");
    await file.close();
    await snapshotter.removeLeftovers();
    expect(await disk.list("/snap")).toEqual([]);
  });
});
