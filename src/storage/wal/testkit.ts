// Shared by the tests of the log: a disk in memory with a small log on it, and comparisons.

import { copyBytes, equalBytes, utf8 } from "#base";
import { ConfState, Entry, EntryType, HardState } from "#proto";
import { MemoryDisk } from "../disk/memory-disk.js";
import { WalSnapshot } from "./record.js";
import { Wal } from "./wal.js";
import type { WalContents, WalOptions } from "./wal-start.js";

export const DIRECTORY = "/data/member/wal";
export const METADATA = utf8("node 8e9e05c52164694d");
export const VOTER = 0x8e9e05c52164694dn;

export function entry(index: number, term = 1, size = 20, type: EntryType = EntryType.Normal): Entry {
  const data = new Uint8Array(size);
  for (let i = 0; i < size; i++) data[i] = 1 + ((index * 31 + i * 7) % 255);
  return new Entry(term, index, type, data);
}

/** A log in two segments: the second has a snapshot record, entries of several sizes, and states. */
export async function smallLog(options: WalOptions): Promise<{ disk: MemoryDisk; contents: WalContents }> {
  const disk = new MemoryDisk();
  const wal = await Wal.create(disk, DIRECTORY, METADATA, options);
  const entries: Entry[] = [];
  let state = new HardState(1, 0n, 0);
  const save = async (next: HardState, added: Entry[]): Promise<void> => {
    state = next;
    entries.push(...added);
    await wal.save(next, added);
  };
  await save(new HardState(1, 0n, 1), [entry(1, 1, 40, EntryType.ConfChange)]);
  await save(new HardState(2, VOTER, 1), [entry(2, 2, 0)]);
  await save(new HardState(2, VOTER, 2), [entry(3, 2, 400), entry(4, 2, 500)]);
  await wal.saveSnapshot(new WalSnapshot(2, 2, new ConfState([VOTER])));
  await save(new HardState(2, VOTER, 4), [entry(5, 2, 33), entry(6, 3, 700)]);
  await save(new HardState(3, 0n, 4), [entry(7, 3, 0)]);
  await save(new HardState(3, 0n, 6), [entry(8, 3, 90)]);
  await wal.close();
  return { disk, contents: { metadata: METADATA, hardState: state, entries } };
}

export function sameEntry(a: Entry, b: Entry): boolean {
  return a.index === b.index && a.term === b.term && a.type === b.type && equalBytes(a.data, b.data);
}

/** Whether `part` is the first part of `whole`. */
export function isPrefix(part: readonly Entry[], whole: readonly Entry[]): boolean {
  return part.length <= whole.length && part.every((e, i) => sameEntry(e, whole[i]));
}

export async function readFile(disk: MemoryDisk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, "r");
  return copyBytes(await file.read(0, await file.size()));
}
