// The memory backend on a disk that fails, tears and loses: what was committed is there, what was not is not.

import { describe, expect, it } from "vitest";
import { DiskError, hexOf, SeededRandom } from "#base";
import { MemoryDisk } from "../disk/index.js";
import { CorruptBackendError } from "./backend.js";
import { MemoryBackend } from "./memory-backend.js";

const PATH = "/journal";

function contentOf(backend: MemoryBackend): string[] {
  const lines: string[] = [];
  backend.scanRevisions(0, 0, (main, sub, tombstone, value) => {
    lines.push(`${main}.${sub}${tombstone ? "t" : ""} ${hexOf(value)}`);
  });
  backend.scan("meta", (key, value) => {
    lines.push(`${hexOf(key)} ${hexOf(value)}`);
  });
  return lines;
}

function write(backend: MemoryBackend, main: number): void {
  backend.appendRevision(main, 0, main % 3 === 0, new Uint8Array(100).fill(main));
  if (main > 5) backend.deleteRevision(main - 5, 0);
  backend.put("meta", Buffer.from("index"), Uint8Array.of(main));
}

describe("journal of the memory backend", () => {
  it("survives a failure of every single disk operation", async () => {
    for (let n = 1; n <= 40; n++) {
      const disk = new MemoryDisk();
      const backend = await MemoryBackend.open(disk, PATH);
      disk.failAt(n, n % 2 === 0 ? "ENOSPC" : "EIO");
      for (let main = 1; main <= 12; main++) {
        write(backend, main);
        try {
          await (main % 5 === 0 ? backend.defragment() : backend.commit());
        } catch (error) {
          // The next commit takes over what this one could not write.
          expect(error).toBeInstanceOf(DiskError);
        }
      }
      await backend.commit();
      const durable = contentOf(backend);
      const reopened = await MemoryBackend.open(disk.crash(new SeededRandom(n)), PATH);
      expect(contentOf(reopened)).toEqual(durable);
    }
  });

  it("drops a torn transaction and nothing else, whatever the crash leaves of it", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const disk = new MemoryDisk();
      const random = new SeededRandom(seed);
      const backend = await MemoryBackend.open(disk, PATH);
      for (let main = 1; main <= 4; main++) {
        write(backend, main);
        await backend.commit();
      }
      const before = contentOf(backend);
      for (let main = 5; main <= 5 + random.below(20); main++) write(backend, main);
      const after = contentOf(backend);
      // The transaction is written, and the power fails before its sync ends.
      disk.plan = (operation) => (operation.kind === "datasync" ? { delay: () => {} } : {});
      void backend.commit();
      for (let i = 0; i < 20; i++) await Promise.resolve();
      const reopened = await MemoryBackend.open(disk.crash(random), PATH);
      const found = contentOf(reopened);
      expect(found.length === after.length ? found : before).toEqual(
        found.length === after.length ? after : found,
      );
      write(reopened, 100);
      await reopened.commit();
    }
  });

  it("refuses damage before a good transaction", async () => {
    const disk = new MemoryDisk();
    const backend = await MemoryBackend.open(disk, PATH);
    for (let main = 1; main <= 4; main++) {
      write(backend, main);
      await backend.commit();
    }
    await backend.close();
    const size = (await disk.stat(PATH))!.size;
    for (let at = 0; at < size; at += 7) {
      const copy = disk.clone();
      copy.corrupt(PATH, at, 1 << (at % 8));
      const isLast = at >= size - Math.floor(size / 4) - 60;
      if (isLast) continue; // as a torn tail, the last transaction may go
      await expect(MemoryBackend.open(copy, PATH)).rejects.toThrow(CorruptBackendError);
    }
  });

  it("stays in proportion to its content", async () => {
    const disk = new MemoryDisk();
    const backend = await MemoryBackend.open(disk, PATH);
    for (let round = 0; round < 200; round++) {
      backend.put("meta", Buffer.from("k"), new Uint8Array(50_000).fill(round));
      await backend.commit();
    }
    expect((await disk.stat(PATH))!.size).toBeLessThan(2 << 20);
    const reopened = await MemoryBackend.open(disk.crash(new SeededRandom(1)), PATH);
    expect(reopened.get("meta", Buffer.from("k"))).toEqual(new Uint8Array(50_000).fill(199));
  });
});
