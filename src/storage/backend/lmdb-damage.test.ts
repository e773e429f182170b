// A damaged file is refused with file, cause and remedy, or the damage lies where nothing is: never other content.

import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hexOf, Panic, SeededRandom } from "#base";
import { BUCKET_NAMES, CorruptBackendError, type StorageBackend } from "./backend.js";
import { LmdbBackend } from "./lmdb-backend.js";
import { LmdbFile } from "./lmdb-file.js";

let directory = "";
let original = "";
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "damage-"));
  original = join(directory, "original.lmdb");
  const backend = await LmdbBackend.open({ path: original });
  for (let main = 1; main <= 300; main++) {
    backend.appendRevision(main, 0, main % 7 === 0, new Uint8Array(main % 60 === 0 ? 9000 : 100).fill(main));
    if (main % 100 === 0) await backend.commit();
  }
  for (let i = 0; i < 40; i++) backend.put("lease", Uint8Array.of(i + 1), new Uint8Array(30).fill(i));
  for (let main = 20; main <= 60; main++) backend.deleteRevision(main, 0);
  await backend.commit();
  backend.put("meta", Buffer.from("consistent_index"), new Uint8Array(8));
  await backend.commit();
  await backend.close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Reads everything, as a start does. */
function contentOf(backend: StorageBackend): string {
  const lines: string[] = [];
  backend.scanRevisions(0, 0, (main, sub, tombstone, value) => {
    lines.push(`${main}.${sub}.${tombstone} ${hexOf(value)}`);
  });
  for (const bucket of BUCKET_NAMES) {
    backend.scan(bucket, (key, value) => {
      lines.push(`${bucket} ${hexOf(key)} ${hexOf(value)}`);
    });
  }
  return lines.join("\n");
}

async function read(path: string): Promise<string> {
  const backend = await LmdbBackend.open({ path });
  try {
    return contentOf(backend);
  } finally {
    await backend.close();
  }
}

/** Fewer bytes than lmdb counts pages. */
function isShort(path: string): boolean {
  if (statSync(path).size === 0) return false;
  const file = new LmdbFile(path);
  try {
    return file.readTree().pages * file.pageSize > file.size();
  } finally {
    file.close();
  }
}

describe("a damaged lmdb file", () => {
  it("is refused when it ends early, wherever something is missing", async () => {
    const size = readFileSync(original).length;
    const expected = await read(original);
    const path = join(directory, "cut.lmdb");
    let refused = 0;
    for (let left = 100; left < size; left += 1000) {
      copyFileSync(original, path);
      truncateSync(path, left);
      try {
        expect(await read(path)).toBe(expected);
      } catch (error) {
        expect(error).toBeInstanceOf(CorruptBackendError);
        expect(String(error)).toMatch(/cut\.lmdb is damaged: .*Remedy: /);
        refused = left;
      }
    }
    // What is left of the file behind the last page in use does not matter.
    expect(refused).toBeGreaterThan(size - 10 * 4096);
  });

  it("is not one whose last page was taken and given back in one transaction, and so never written", async () => {
    const path = join(directory, "short.lmdb");
    const random = new SeededRandom(16);
    const backend = await LmdbBackend.open({ path });
    for (let main = 1, first = 1; !isShort(path); await backend.commit()) {
      for (let n = random.below(800); n >= 0; n--, main++)
        backend.appendRevision(
          main,
          0,
          false,
          new Uint8Array(main % 10 === 0 ? random.below(9000) : 200).fill(main),
        );
      for (const end = Math.min(first + random.below(900), main - 5); first < end; first++)
        backend.deleteRevision(first, 0);
      expect(main).toBeLessThan(1_000_000);
    }
    const content = contentOf(backend);
    const copy = join(directory, "short-copy.lmdb");
    copyFileSync(path, copy);
    expect(await read(copy)).toBe(content);
    await backend.defragment();
    expect(contentOf(backend)).toBe(content);
    await backend.close();
    expect(await read(path)).toBe(content);
  });

  it("is refused when it is something else", async () => {
    const path = join(directory, "text.lmdb");
    writeFileSync(path, "this is no database\n".repeat(1000));
    await expect(read(path)).rejects.toThrow("no lmdb magic");
  });

  it("is refused at any flipped bit that matters, and never shows other content", async () => {
    const good = readFileSync(original);
    const expected = await read(original);
    const random = new SeededRandom(3);
    const path = join(directory, "flipped.lmdb");
    let refused = 0;
    for (let i = 0; i < 250; i++) {
      const at = random.below(good.length);
      writeFileSync(path, good);
      const fd = openSync(path, "r+");
      writeSync(fd, Uint8Array.of(good[at] ^ (1 << random.below(8))), 0, 1, at);
      closeSync(fd);
      try {
        expect(await read(path)).toBe(expected);
      } catch (error) {
        if (!(error instanceof Panic)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(20);
  });

  it("stops the member when a record that is read has changed", async () => {
    const path = join(directory, "record.lmdb");
    const bytes = readFileSync(original);
    // A page that was replaced may hold the record too, so every copy is changed.
    const value = Buffer.alloc(100, 100);
    for (let at = bytes.indexOf(value); at >= 0; at = bytes.indexOf(value, at + 1)) bytes[at] ^= 1;
    writeFileSync(path, bytes);
    const backend = await LmdbBackend.open({ path });
    expect(() => backend.readRevision(100, 0)).toThrow(/checksum mismatch of a record \(main 100/);
    expect(backend.readRevision(101, 0)).toBeDefined();
    const view = await backend.openView();
    await expect(view.hash()).rejects.toThrow(Panic);
    await view.close();
    await expect(backend.defragment()).rejects.toThrow(Panic);
    expect(backend.readRevision(101, 0)).toBeDefined();
    await backend.close();
  });
});
