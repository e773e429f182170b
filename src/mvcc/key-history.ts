// The older revisions of keys that have more than one: everything but the newest, which lives in the key's own block.
// A key's list is a chain of blocks, newest first; inside a block revisions ascend. Blocks double up to 16 Ki cells,
// then a new one is put in front, so that an append moves at most 256 KiB and is O(1) on average, for a key with a
// million revisions too. A lookup walks the chain and searches one block by halves.
//
//   unit     content
//   0        u32 ref of the next older block, 0 for none    u32 cells that fit
//   1        u32 first cell in use                          u32 end of the cells in use
//   2        f64 create revision of the first cell in use, if that is a put
//   3        f64 version of the first cell in use, if that is a put
//   4 + 2i   f64 main revision of cell i
//   5 + 2i   u32 (sub revision << 1) | tombstone            u32 cell at which its generation began, or NOT_HERE
//
// Versions and create revisions are not stored per cell. A generation (the life of a key from its creation to its
// tombstone) that began in this block starts at version 1 in a cell that we know; one that began earlier continues
// from the first cell. Compaction only ever drops the oldest revisions of a key, so what remains has no gaps.

import { offsetOf, type Slab, type Slabs } from "./slabs.js";

const HEADER_UNITS = 4;
const BLOCK_UNITS_MAX = 1 << 15;
const NOT_HERE = 0xffffffff;

/** A revision of a key, as lookups report it. Reused by its owner from call to call. */
export class KeyRevision {
  main = 0;
  sub = 0;
  tombstone = false;
  created = 0;
  version = 0;
}

export class KeyHistory {
  constructor(private readonly memory: Slabs) {}

  /**
   * Appends a revision newer than all others of the list.
   * @param list ref of the list, 0 for an empty one
   * @returns the list's ref from now on
   */
  push(list: number, main: number, subAndTombstone: number, created: number, version: number): number {
    const block = list === 0 ? this.createBlock(6, 0) : this.withRoom(list);
    const slab = this.memory.slabOf(block);
    const at = offsetOf(block);
    const u32 = slab.u32;
    const cell = u32[at * 2 + 3]++;
    const tombstone = (subAndTombstone & 1) === 1;
    if (cell === u32[at * 2 + 2] && !tombstone) {
      slab.f64[at + 2] = created;
      slab.f64[at + 3] = version;
    }
    const cellAt = at + HEADER_UNITS + cell * 2;
    slab.f64[cellAt] = main;
    u32[cellAt * 2 + 2] = subAndTombstone;
    if (tombstone) u32[cellAt * 2 + 3] = NOT_HERE;
    else if (version === 1) u32[cellAt * 2 + 3] = cell;
    else if (cell === u32[at * 2 + 2]) u32[cellAt * 2 + 3] = NOT_HERE;
    else u32[cellAt * 2 + 3] = u32[cellAt * 2 - 1]; // the cell before is a put of the same generation
    return block;
  }

  /** Finds the newest revision with main <= `atRevision`. False when there is none. */
  find(list: number, atRevision: number, into: KeyRevision): boolean {
    for (let block = list; block !== 0; ) {
      const slab = this.memory.slabOf(block);
      const at = offsetOf(block);
      const first = slab.u32[at * 2 + 2];
      if (slab.f64[at + HEADER_UNITS + first * 2] <= atRevision) {
        readCell(slab, at, searchCells(slab, at, atRevision), into);
        return true;
      }
      block = slab.u32[at * 2];
    }
    return false;
  }

  /**
   * Drops everything older than the newest revision with main <= `revision`, and that one too if it is a tombstone
   * older than `tombstonesFrom`.
   * @returns the list's ref from now on, 0 when nothing is left
   */
  dropBefore(list: number, revision: number, tombstonesFrom: number): number {
    let newer = 0;
    for (let block = list; block !== 0; ) {
      const slab = this.memory.slabOf(block);
      const at = offsetOf(block);
      const older = slab.u32[at * 2];
      if (slab.f64[at + HEADER_UNITS + slab.u32[at * 2 + 2] * 2] <= revision) {
        this.drop(older);
        slab.u32[at * 2] = 0;
        return this.cut(list, newer, block, revision, tombstonesFrom);
      }
      newer = block;
      block = older;
    }
    return list;
  }

  /** Main revision of the oldest revision of a list that is not empty. */
  oldestMain(list: number): number {
    for (let block = list; ; ) {
      const slab = this.memory.slabOf(block);
      const at = offsetOf(block);
      const older = slab.u32[at * 2];
      if (older === 0) return slab.f64[at + HEADER_UNITS + slab.u32[at * 2 + 2] * 2];
      block = older;
    }
  }

  /** Frees a whole list. */
  drop(list: number): void {
    for (let block = list; block !== 0; ) {
      const slab = this.memory.slabOf(block);
      const at = offsetOf(block);
      const older = slab.u32[at * 2];
      this.memory.release(block, unitsOf(slab, at));
      block = older;
    }
  }

  /** Visits every revision of a list, oldest first. For tests and `describe()`, not for requests. */
  forEach(list: number, visit: (main: number, sub: number, tombstone: boolean) => void): void {
    if (list === 0) return;
    const slab = this.memory.slabOf(list);
    const at = offsetOf(list);
    this.forEach(slab.u32[at * 2], visit);
    for (let cell = slab.u32[at * 2 + 2]; cell < slab.u32[at * 2 + 3]; cell++) {
      const cellAt = at + HEADER_UNITS + cell * 2;
      const subAndTombstone = slab.u32[cellAt * 2 + 2];
      visit(slab.f64[cellAt], subAndTombstone >>> 1, (subAndTombstone & 1) === 1);
    }
  }

  /** The oldest block of what remains, `block`, loses its cells below `revision`. */
  private cut(list: number, newer: number, block: number, revision: number, tombstonesFrom: number): number {
    const slab = this.memory.slabOf(block);
    const at = offsetOf(block);
    let cell = searchCells(slab, at, revision);
    const kept = new KeyRevision();
    readCell(slab, at, cell, kept);
    if (kept.tombstone && kept.main < tombstonesFrom) {
      cell++;
      if (cell === slab.u32[at * 2 + 3]) return this.forget(list, newer, block);
      readCell(slab, at, cell, kept);
    }
    slab.u32[at * 2 + 2] = cell;
    slab.f64[at + 2] = kept.created;
    slab.f64[at + 3] = kept.version;
    return newer === 0 ? this.shrink(block) : list;
  }

  /** Frees the oldest block of a list. */
  private forget(list: number, newer: number, block: number): number {
    this.drop(block);
    if (newer === 0) return 0;
    this.memory.slabOf(newer).u32[offsetOf(newer) * 2] = 0;
    return list;
  }

  /** The head of the list with room for one more cell: itself, a copy of it, or a new block in front of it. */
  private withRoom(block: number): number {
    const slab = this.memory.slabOf(block);
    const at = offsetOf(block);
    const capacity = slab.u32[at * 2 + 1];
    const first = slab.u32[at * 2 + 2];
    if (slab.u32[at * 2 + 3] < capacity) return block;
    const units = capacity * 2 + HEADER_UNITS;
    if (first > capacity / 2) return this.move(block, units);
    if (units < BLOCK_UNITS_MAX) return this.move(block, nextUnits(units));
    return this.createBlock(64, block);
  }

  /** Gives memory back when less than a quarter of the block is in use. */
  private shrink(block: number): number {
    const slab = this.memory.slabOf(block);
    const at = offsetOf(block);
    const units = unitsOf(slab, at);
    const needed = HEADER_UNITS + (slab.u32[at * 2 + 3] - slab.u32[at * 2 + 2]) * 2;
    if (needed * 4 > units) return block;
    let smaller = 6;
    while (smaller < needed) smaller = nextUnits(smaller);
    return smaller < units ? this.move(block, smaller) : block;
  }

  private createBlock(units: number, older: number): number {
    const block = this.memory.allocate(units);
    const u32 = this.memory.slabOf(block).u32;
    const at = offsetOf(block);
    u32[at * 2] = older;
    u32[at * 2 + 1] = (units - HEADER_UNITS) / 2;
    u32[at * 2 + 2] = 0;
    u32[at * 2 + 3] = 0;
    return block;
  }

  /** Copies the cells in use to the front of a new block and frees the old one. */
  private move(block: number, units: number): number {
    const from = this.memory.slabOf(block);
    const fromAt = offsetOf(block);
    const first = from.u32[fromAt * 2 + 2];
    const count = from.u32[fromAt * 2 + 3] - first;
    const moved = this.createBlock(units, from.u32[fromAt * 2]);
    const to = this.memory.slabOf(moved);
    const toAt = offsetOf(moved);
    to.u32[toAt * 2 + 3] = count;
    to.f64[toAt + 2] = from.f64[fromAt + 2];
    to.f64[toAt + 3] = from.f64[fromAt + 3];
    const source = fromAt + HEADER_UNITS + first * 2;
    const target = toAt + HEADER_UNITS;
    // As bytes: a pair of u32 read as a double might be a NaN, whose bits a copy may change.
    to.u32.set(from.u32.subarray(source * 2, (source + count * 2) * 2), target * 2);
    if (first > 0) {
      for (let i = 0; i < count; i++) {
        const generation = (target + i * 2) * 2 + 3;
        const began = to.u32[generation];
        to.u32[generation] = began === NOT_HERE || began < first ? NOT_HERE : began - first;
      }
    }
    this.memory.release(block, unitsOf(from, fromAt));
    return moved;
  }
}

function unitsOf(slab: Slab, at: number): number {
  return HEADER_UNITS + slab.u32[at * 2 + 1] * 2;
}

/** Block sizes: 1, 2, 6, 14, 30 … cells, so that a block is a power of two of units. */
function nextUnits(units: number): number {
  return units === 6 ? 8 : units * 2;
}

/** The last cell with main <= `atRevision`; the caller has seen that the first one is. */
function searchCells(slab: Slab, at: number, atRevision: number): number {
  const cells = at + HEADER_UNITS;
  let low = slab.u32[at * 2 + 2];
  let high = slab.u32[at * 2 + 3] - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (slab.f64[cells + middle * 2] <= atRevision) low = middle;
    else high = middle - 1;
  }
  return low;
}

function readCell(slab: Slab, at: number, cell: number, into: KeyRevision): void {
  const first = slab.u32[at * 2 + 2];
  const cellAt = at + HEADER_UNITS + cell * 2;
  const subAndTombstone = slab.u32[cellAt * 2 + 2];
  const began = slab.u32[cellAt * 2 + 3];
  into.main = slab.f64[cellAt];
  into.sub = subAndTombstone >>> 1;
  into.tombstone = (subAndTombstone & 1) === 1;
  if (into.tombstone) {
    into.created = 0;
    into.version = 0;
  } else if (began !== NOT_HERE && began >= first) {
    into.created = slab.f64[at + HEADER_UNITS + began * 2];
    into.version = cell - began + 1;
  } else {
    into.created = slab.f64[at + 2];
    into.version = slab.f64[at + 3] + cell - first;
  }
}
