// Damage and torn tails. A log is cut at every byte of its last records, and every bit of a small log is flipped; each
// time it must either come back with a prefix that keeps everything acknowledged before, with the cut-off part put
// aside, or be refused with the place of the damage. It must never come back different.

import { isDeepStrictEqual } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import type { MemoryDisk } from "../disk/memory-disk.js";
import { WalSnapshot } from "./record.js";
import { verifyWal } from "./scan.js";
import { DIRECTORY, entry, isPrefix, METADATA, readFile, sameEntry, smallLog } from "./testkit.js";
import { Wal } from "./wal.js";
import { WalError } from "./wal-error.js";
import type { WalContents } from "./wal-start.js";
import { walkWal } from "./walk.js";

const OPTIONS = { segmentBytes: 1536 };

let pristine: MemoryDisk;
let contents: WalContents;
let lastSegment = "";
/** Offsets of the records of the last segment, and where they end. */
const offsets: number[] = [];
let dataEnd = 0;

beforeAll(async () => {
  ({ disk: pristine, contents } = await smallLog(OPTIONS));
  const names = (await pristine.list(DIRECTORY)).filter((name) => name.endsWith(".wal"));
  expect(names.length).toBe(2);
  lastSegment = `${DIRECTORY}/${names[1]}`;
  const end = await walkWal(pristine, DIRECTORY, (record) => {
    if (record.file === lastSegment) offsets.push(record.offset);
  });
  dataEnd = end?.offset ?? 0;
});

async function open(disk: MemoryDisk): Promise<WalContents | WalError> {
  try {
    const { wal, contents } = await Wal.open(disk, DIRECTORY, new WalSnapshot(), OPTIONS);
    await wal.close();
    return contents;
  } catch (error) {
    if (error instanceof WalError) return error;
    throw error;
  }
}

test("an undamaged log comes back whole", async () => {
  const disk = pristine.clone();
  expect(await open(disk)).toEqual(contents);
  expect(await disk.stat(`${lastSegment}.broken`)).toBeUndefined();
});

describe("a torn tail", () => {
  test("cut at every byte of the last three records: repaired, nothing before is lost", async () => {
    expect(offsets.length).toBeGreaterThan(5);
    for (let size = offsets[offsets.length - 3]; size < dataEnd; size++) {
      const disk = pristine.clone();
      const file = await disk.open(lastSegment, "r+");
      await file.truncate(size);
      const result = await open(disk);
      if (result instanceof WalError) throw result;
      const whole = offsets.filter((offset) => offset <= size).length;
      expect(isPrefix(result.entries, contents.entries), `cut at ${size}`).toBe(true);
      expect(result.entries.length).toBeGreaterThanOrEqual(
        contents.entries.length - (offsets.length - whole) - 1,
      );
      expect((await disk.stat(`${lastSegment}.broken`)) !== undefined).toBe(!offsets.includes(size));
      expect(await open(disk), "a second start finds nothing to repair").toEqual(result);
    }
  });

  test("any sector of the last record never written: repaired", async () => {
    const big = pristine.clone();
    const { wal } = await Wal.open(big, DIRECTORY, new WalSnapshot(), { segmentBytes: 4096 });
    await wal.save(undefined, [entry(9, 3, 1700)]);
    await wal.close();
    let tried = 0;
    for (let sector = Math.ceil(dataEnd / 512) * 512; sector < dataEnd + 1700; sector += 512) {
      const disk = big.clone();
      await (await disk.open(lastSegment, "r+")).write(sector, new Uint8Array(512));
      const result = await open(disk);
      if (result instanceof WalError) throw result;
      expect(result.entries, `sector at ${sector}`).toEqual(contents.entries);
      expect(await disk.stat(`${lastSegment}.broken`)).toBeDefined();
      tried++;
    }
    expect(tried).toBeGreaterThan(2);
  });

  test("zeros are left behind the cut, and the log goes on from there", async () => {
    const disk = pristine.clone();
    await (await disk.open(lastSegment, "r+")).truncate(dataEnd - 8);
    const { wal, contents: found } = await Wal.open(disk, DIRECTORY, new WalSnapshot(), OPTIONS);
    const tail = (await readFile(disk, lastSegment)).subarray(dataEnd);
    expect(tail.every((byte) => byte === 0)).toBe(true);
    const next = entry(found.entries.length + 1, 3);
    await wal.save(undefined, [next]);
    await wal.close();
    const again = await open(disk);
    if (again instanceof WalError) throw again;
    expect(sameEntry(again.entries[again.entries.length - 1], next)).toBe(true);
  });

  test("reading alone changes nothing and takes a torn tail as the end", async () => {
    const disk = pristine.clone();
    await (await disk.open(lastSegment, "r+")).truncate(dataEnd - 8);
    const before = await readFile(disk, lastSegment);
    await verifyWal(disk, DIRECTORY, new WalSnapshot());
    expect(await readFile(disk, lastSegment)).toEqual(before);
  });
});

describe("damage", () => {
  test("every bit of both segments flipped: refused with its place, or put aside as a torn tail", async () => {
    const wrong: string[] = [];
    let refused = 0;
    let disk = pristine.clone();
    for (const name of (await pristine.list(DIRECTORY)).filter((file) => file.endsWith(".wal"))) {
      const path = `${DIRECTORY}/${name}`;
      const size = (await pristine.stat(path))?.size ?? 0;
      for (let position = 0; position < size; position++) {
        // The zeros behind the log are alike; some of them stand for all.
        const isTail = path === lastSegment && position >= dataEnd;
        if (isTail && position > dataEnd + 24 && position % 61 !== 0) continue;
        for (let bit = 0; bit < 8; bit++) {
          disk.corrupt(path, position, 1 << bit);
          const result = await open(disk);
          const where = `${name} byte ${position} bit ${bit}`;
          if (result instanceof WalError) {
            refused++;
            const { file, offset } = result.place;
            if (!file.endsWith(".wal") || offset === undefined)
              wrong.push(`${where}: refused without its place`);
            disk.corrupt(path, position, 1 << bit);
            continue;
          }
          // No record of this log has a sector of zeros, so none can pass for torn: no flip may cost one.
          if (!isTail) wrong.push(`${where}: taken with ${result.entries.length} entries`);
          else if (!isDeepStrictEqual(result, contents)) wrong.push(`${where}: changed`);
          else if ((await disk.stat(`${path}.broken`)) === undefined) wrong.push(`${where}: unnoticed`);
          disk = pristine.clone();
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(refused).toBeGreaterThan(8 * 1536);
  });

  test("a length beyond the file is refused without reading that much", async () => {
    const disk = pristine.clone();
    disk.corrupt(lastSegment, offsets[3] + 3, 0x40);
    const result = await open(disk);
    expect(result).toBeInstanceOf(WalError);
    expect(String(result)).toContain(`at position: ${offsets[3]}`);
  });

  test("a segment missing in the middle, or at the start", async () => {
    const disk = pristine.clone();
    const [first] = await disk.list(DIRECTORY);
    await disk.remove(`${DIRECTORY}/${first}`);
    expect(String(await open(disk))).toContain("wal: file not found which matches the snapshot index '0'");
  });

  test("metadata of another member", async () => {
    const disk = pristine.clone();
    await disk.removeTree("/other");
    await disk.makeDirectory("/other");
    const wal = await Wal.create(disk, "/other/wal", METADATA.slice(1), OPTIONS);
    await wal.close();
    const [name] = await disk.list("/other/wal");
    await disk.rename(`/other/wal/${name}`, `${DIRECTORY}/0000000000000002-0000000000000009.wal`);
    expect(await open(disk)).toBeInstanceOf(WalError);
  });
});
