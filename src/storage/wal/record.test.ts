// The format, by property: whatever is encoded comes back, in frames of the documented shape, and the sums chain.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32c, hexOf } from "#base";
import { ConfState, decodeEntry, Entry, type EntryType, HardState } from "#proto";
import { MemoryDisk } from "../disk/memory-disk.js";
import {
  decodeStateRecord,
  decodeWalSnapshot,
  parseRecordHead,
  RecordEncoder,
  RecordHead,
  RecordType,
  WalSnapshot,
} from "./record.js";
import { type WalkedRecord, walkWal } from "./walk.js";

const SAFE = Number.MAX_SAFE_INTEGER;
const number = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: SAFE }));
const id = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const data = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 100, maxLength: 3000 }));
const entries = fc
  .tuple(number, number, fc.constantFrom<EntryType>(0, 1, 2), data)
  .map(([term, index, type, bytes]) => new Entry(term, index, type, bytes));
const states = fc.tuple(number, id, number).map(([term, vote, commit]) => new HardState(term, vote, commit));
const ids = fc.array(id, { maxLength: 5 });
const confStates = fc
  .tuple(ids, ids, ids, ids, fc.boolean())
  .map(([voters, learners, outgoing, next, leave]) => new ConfState(voters, learners, outgoing, next, leave));
const snapshots = fc
  .tuple(number, number, fc.option(confStates, { nil: undefined }))
  .map(([index, term, confState]) => new WalSnapshot(index, term, confState));
type Item = Entry | HardState | WalSnapshot;
const items: fc.Arbitrary<Item> = fc.oneof(entries, states, snapshots);

function encode(encoder: RecordEncoder, item: Item): void {
  if (item instanceof Entry) encoder.entry(item);
  else if (item instanceof HardState) encoder.state(item);
  else encoder.snapshot(item);
}

function decode({ type, data: bytes }: WalkedRecord): Item | undefined {
  if (type === RecordType.Entry) {
    const entry = decodeEntry(bytes);
    return new Entry(entry.term, entry.index, entry.type, Uint8Array.from(entry.data));
  }
  if (type === RecordType.State) return decodeStateRecord(bytes, 0, bytes.length);
  if (type === RecordType.Snapshot) return decodeWalSnapshot(bytes, 0, bytes.length);
  return undefined;
}

async function diskWith(bytes: Uint8Array): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory("/wal");
  const file = await disk.open("/wal/0000000000000000-0000000000000000.wal", "w+");
  await file.write(0, bytes);
  return disk;
}

test("what is encoded comes back, for any records", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(items, { maxLength: 20 }), async (list) => {
      const encoder = new RecordEncoder(0);
      for (const item of list) encode(encoder, item);
      const found: (Item | undefined)[] = [];
      let at = 0;
      let crc = 0;
      const end = await walkWal(await diskWith(encoder.out.view()), "/wal", (record) => {
        expect(record.offset).toBe(at);
        expect(record.frameBytes % 8).toBe(0);
        at += record.frameBytes;
        crc = crc32c(crc, record.data);
        expect(record.crc).toBe(crc);
        found.push(decode(record));
      });
      expect(found).toEqual(list);
      expect(end).toMatchObject({ offset: encoder.out.length, torn: false });
      expect(encoder.crc).toBe(crc);
    }),
    { numRuns: 300 },
  );
});

describe("bytes", () => {
  test("the first 80 bytes of a log that etcd 3.5.30 wrote", () => {
    const written = [
      ["0400000000000084", "08041000", "00000000"],
      ["2000000000000000", "080110a7a2c3d8031a16", "0897f1e08ef3b3c896be0110a7e6bce0b9a1a2c5be01"],
      ["0e00000000000082", "08051084fdb586041a04", "08001000", "0000"],
    ];
    const encoder = new RecordEncoder(0);
    encoder.carryCrc();
    encoder.metadata(Buffer.from(written[1][2], "hex"));
    encoder.snapshot(new WalSnapshot());
    expect(hexOf(encoder.out.view())).toBe(written.flat().join(""));
  });

  test("a number is taken only in its shortest form, a record only in its fixed order", () => {
    const head = new RecordHead();
    const accepts = (...bytes: number[]): boolean =>
      parseRecordHead(Uint8Array.from(bytes), 0, bytes.length, head);
    expect(accepts(0x08, 2, 0x10, 5)).toBe(true);
    expect(accepts(0x08, 2, 0x10, 0x85, 0)).toBe(false);
    expect(accepts(0x10, 5, 0x08, 2)).toBe(false);
    expect(accepts(0x08, 2, 0x10, 0xff, 0xff, 0xff, 0xff, 0x1f)).toBe(false);
    expect(accepts(0x08, 2, 0x10, 5, 0x1a, 0)).toBe(false);
    expect(accepts(0x08, 2, 0x10)).toBe(false);
  });
});

test("any bytes at all: a clean error or records, never a crash or a loop", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), fc.boolean(), async (noise, isPrefixed) => {
      const encoder = new RecordEncoder(0);
      if (isPrefixed) encoder.carryCrc();
      encoder.out.raw(noise);
      const disk = await diskWith(encoder.out.view());
      try {
        await walkWal(disk, "/wal", () => {});
      } catch (error) {
        expect(error).toHaveProperty("name", "WalError");
      }
    }),
    { numRuns: 500 },
  );
});
