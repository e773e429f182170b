// The bytes of one file of MemoryDisk, in two states: what reads see (the page cache) and what a crash leaves. Pages of
// 4 KiB hold the bytes; sectors of 512 are the unit that reaches the medium whole or not at all. Pages are shared
// between the two states until a write touches them, so that a sync costs a reference per page and a hole costs nothing.

import type { Random } from "#base";

const PAGE_BYTES = 4096;
export const SECTOR_BYTES = 512;
const SECTORS_PER_PAGE = PAGE_BYTES / SECTOR_BYTES;
const ALL_SECTORS = (1 << SECTORS_PER_PAGE) - 1;
const ZERO_PAGE: Uint8Array = new Uint8Array(PAGE_BYTES);

/** What becomes of the unsynced sectors in one crash. */
export const Survival = { None: 0, All: 1, Mixed: 2 } as const;
export type Survival = (typeof Survival)[keyof typeof Survival];

type Pages = Map<number, Uint8Array>;
/** Page number to a bit for each sector in question. */
type Sectors = Map<number, number>;

export class MemoryFile {
  size = 0;
  modifiedMs = 0;
  permissions: number;
  private durableSize = 0;
  private pages: Pages = new Map();
  private durable: Pages = new Map();
  /** Written since the last sync. */
  private dirty: Sectors = new Map();
  /** Lost by a failed sync: reads still see them, no later sync saves them, only a new write does. */
  private lost: Sectors = new Map();
  /** Content of a dirty sector before its last write, by number of the sector: it too may be what a crash leaves. */
  private previous = new Map<number, Uint8Array>();

  constructor(permissions: number) {
    this.permissions = permissions;
  }

  read(position: number, length: number): Uint8Array {
    const end = Math.min(position + length, this.size);
    const out = new Uint8Array(Math.max(0, end - position));
    for (let at = position; at < end; ) {
      const page = this.pages.get(Math.floor(at / PAGE_BYTES));
      const from = at % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - from, end - at);
      if (page !== undefined) out.set(page.subarray(from, from + count), at - position);
      at += count;
    }
    return out;
  }

  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length;
    for (let at = position; at < end; ) {
      const number = Math.floor(at / PAGE_BYTES);
      const from = at % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - from, end - at);
      this.writePage(number, from, bytes.subarray(at - position, at - position + count));
      at += count;
    }
    if (end > this.size) this.size = end;
  }

  truncate(size: number): void {
    if (size < this.size) {
      const first = Math.floor(size / PAGE_BYTES);
      const from = size % PAGE_BYTES;
      for (const number of [...this.pages.keys()]) {
        if (number === first && from > 0) this.writePage(first, from, ZERO_PAGE.subarray(from));
        else if (number >= first) this.dropPage(number);
      }
    }
    this.size = size;
  }

  sync(): void {
    for (const [number, mask] of this.dirty) this.savePage(number, mask);
    this.dirty.clear();
    this.previous.clear();
    this.durableSize = this.size;
  }

  /** What a failed sync does: the dirty bytes will never reach the medium, and nobody says so again. */
  loseDirty(): void {
    for (const [number, mask] of this.dirty) this.lost.set(number, (this.lost.get(number) ?? 0) | mask);
    this.dirty.clear();
    this.previous.clear();
  }

  /** A deep copy in which everything that reads see is durable. */
  clone(): MemoryFile {
    const copy = new MemoryFile(this.permissions);
    copy.size = this.size;
    copy.durableSize = this.size;
    copy.modifiedMs = this.modifiedMs;
    for (const [number, page] of this.pages) copy.pages.set(number, page.slice());
    copy.durable = new Map(copy.pages);
    return copy;
  }

  /** The file as a crash leaves it. This one must not be written any more: the two share pages. */
  crash(random: Random, survival: Survival): MemoryFile {
    const image = new MemoryFile(this.permissions);
    image.modifiedMs = this.modifiedMs;
    image.durable = new Map(this.durable);
    for (const [number, mask] of this.dirty) {
      const page = this.crashedPage(number, mask, random, survival);
      image.durable.set(number, page);
    }
    image.durableSize = this.crashedSize(random, survival);
    image.size = image.durableSize;
    image.pages = new Map(image.durable);
    image.dropBeyondEnd();
    return image;
  }

  /** Unsynced bytes, for tests and `describe`. */
  get dirtySectors(): number {
    let count = 0;
    for (const mask of this.dirty.values()) for (let bits = mask; bits > 0; bits &= bits - 1) count++;
    return count;
  }

  private writePage(number: number, from: number, bytes: Uint8Array): void {
    const existing = this.pages.get(number);
    const isZero = existing === undefined && Buffer.compare(bytes, ZERO_PAGE.subarray(0, bytes.length)) === 0;
    const mask = sectorMask(from, bytes.length);
    if (isZero) {
      // Zeros into a hole change nothing, unless the medium has something else there.
      if (this.durable.has(number)) this.markDirty(number, mask);
      return;
    }
    this.keepPrevious(number, existing, mask);
    const page = this.ownPage(number, existing);
    page.set(bytes, from);
    this.markDirty(number, mask);
  }

  private ownPage(number: number, existing: Uint8Array | undefined): Uint8Array {
    if (existing !== undefined && existing !== this.durable.get(number)) return existing;
    const page = existing === undefined ? new Uint8Array(PAGE_BYTES) : existing.slice();
    this.pages.set(number, page);
    return page;
  }

  private keepPrevious(number: number, page: Uint8Array | undefined, mask: number): void {
    const again = mask & (this.dirty.get(number) ?? 0);
    if (again === 0) return;
    for (let sector = 0; sector < SECTORS_PER_PAGE; sector++) {
      if ((again & (1 << sector)) === 0) continue;
      const from = sector * SECTOR_BYTES;
      this.previous.set(
        number * SECTORS_PER_PAGE + sector,
        (page ?? ZERO_PAGE).slice(from, from + SECTOR_BYTES),
      );
    }
  }

  private markDirty(number: number, mask: number): void {
    this.dirty.set(number, (this.dirty.get(number) ?? 0) | mask);
    const lost = this.lost.get(number);
    if (lost !== undefined) this.lost.set(number, lost & ~mask);
  }

  private dropPage(number: number): void {
    this.pages.delete(number);
    if (this.durable.has(number)) this.markDirty(number, ALL_SECTORS);
    else this.dirty.delete(number);
  }

  private savePage(number: number, mask: number): void {
    const page = this.pages.get(number);
    const lost = this.lost.get(number) ?? 0;
    if (lost !== 0)
      this.durable.set(number, merge(this.durable.get(number), page, mask | (ALL_SECTORS & ~lost)));
    else if (page !== undefined) this.durable.set(number, page);
    else this.durable.delete(number);
  }

  private crashedPage(number: number, mask: number, random: Random, survival: Survival): Uint8Array {
    const page = merge(this.durable.get(number), this.pages.get(number), 0);
    const latest = this.pages.get(number) ?? ZERO_PAGE;
    for (let sector = 0; sector < SECTORS_PER_PAGE; sector++) {
      if ((mask & (1 << sector)) === 0 || survival === Survival.None) continue;
      const from = sector * SECTOR_BYTES;
      const choice = survival === Survival.All ? 1 : random.below(3);
      const older = this.previous.get(number * SECTORS_PER_PAGE + sector);
      if (choice === 1) page.set(latest.subarray(from, from + SECTOR_BYTES), from);
      else if (choice === 2 && older !== undefined) page.set(older, from);
    }
    return page;
  }

  private crashedSize(random: Random, survival: Survival): number {
    if (this.size === this.durableSize || survival === Survival.None) return this.durableSize;
    if (survival === Survival.All) return this.size;
    const choice = random.below(3);
    if (choice === 0) return this.durableSize;
    if (choice === 1 || this.size < this.durableSize) return this.size;
    const sectors = Math.floor((this.size - this.durableSize) / SECTOR_BYTES);
    return this.durableSize + random.below(sectors + 1) * SECTOR_BYTES;
  }

  private dropBeyondEnd(): void {
    const first = Math.floor(this.size / PAGE_BYTES);
    const from = this.size % PAGE_BYTES;
    for (const [number, page] of [...this.pages]) {
      if (number < first) continue;
      this.pages.delete(number);
      this.durable.delete(number);
      if (number > first || from === 0) continue;
      const cut = page.slice().fill(0, from);
      this.pages.set(number, cut);
      this.durable.set(number, cut);
    }
  }
}

/** A new page: the sectors in `mask` from `upper`, the others from `lower`. */
function merge(lower: Uint8Array | undefined, upper: Uint8Array | undefined, mask: number): Uint8Array {
  const page = lower === undefined ? new Uint8Array(PAGE_BYTES) : lower.slice();
  for (let sector = 0; sector < SECTORS_PER_PAGE; sector++) {
    if ((mask & (1 << sector)) === 0) continue;
    const from = sector * SECTOR_BYTES;
    page.set((upper ?? ZERO_PAGE).subarray(from, from + SECTOR_BYTES), from);
  }
  return page;
}

function sectorMask(from: number, length: number): number {
  if (length === 0) return 0;
  const first = Math.floor(from / SECTOR_BYTES);
  const last = Math.floor((from + length - 1) / SECTOR_BYTES);
  return (ALL_SECTORS >> (SECTORS_PER_PAGE - 1 - last)) & ~((1 << first) - 1);
}
