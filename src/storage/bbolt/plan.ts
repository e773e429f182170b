// The first of two passes over a database that becomes a bbolt image: from the sizes of all records it decides which
// record goes to which page, so that the image's exact size is known before its first byte is sent.
//
//   page 0, 1        meta
//   page 2           free list, empty
//   then per bucket  leaf pages, then its branch pages level by level, the top one last
//   last             the root bucket's pages
//
// A bucket that fits a quarter of a page lives inside the root bucket, as bbolt itself would place it. Memory grows with
// the number of pages (first key and count of each), not with the data.

import { compareBytes, panic } from "#base";
import { BUCKET_HEADER, ELEMENT, PAGE_HEADER } from "./format.js";
import { LeafWriter } from "./page-writer.js";

export const PAGE_SIZE = 4096;
const INLINE_MAX = PAGE_SIZE / 4;
const FIRST_BUCKET_PAGE = 3;

/** The pages of one level of a tree, in order. */
export class PageList {
  count = 0;
  /** First page number of each entry, relative to the list's start until `place` adds it. */
  private starts = new Float64Array(64);
  private elements = new Uint16Array(64);
  private keyEnds = new Float64Array(64);
  private keys = Buffer.allocUnsafe(1024);
  private keyBytes = 0;
  /** Pages that the list takes, overflow included. */
  pages = 0;

  add(key: Uint8Array, keyStart: number, keyEnd: number): void {
    if (this.count === this.starts.length) this.grow();
    const length = keyEnd - keyStart;
    if (this.keyBytes + length > this.keys.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.keys.length * 2, this.keyBytes + length));
      this.keys.copy(grown, 0, 0, this.keyBytes);
      this.keys = grown;
    }
    for (let i = 0; i < length; i++) this.keys[this.keyBytes + i] = key[keyStart + i];
    this.keyBytes += length;
    this.starts[this.count] = this.pages;
    this.elements[this.count] = 0;
    this.keyEnds[this.count] = this.keyBytes;
    this.count++;
  }

  /** Closes the page added last. */
  closePage(elements: number, pages: number): void {
    this.elements[this.count - 1] = elements;
    this.pages += pages;
  }

  startOf(index: number): number {
    return this.starts[index];
  }

  elementsOf(index: number): number {
    return this.elements[index];
  }

  firstKey(index: number): Uint8Array {
    return this.keys.subarray(index === 0 ? 0 : this.keyEnds[index - 1], this.keyEnds[index]);
  }

  private grow(): void {
    const size = this.count * 2;
    const starts = new Float64Array(size);
    const elements = new Uint16Array(size);
    const keyEnds = new Float64Array(size);
    starts.set(this.starts);
    elements.set(this.elements);
    keyEnds.set(this.keyEnds);
    this.starts = starts;
    this.elements = elements;
    this.keyEnds = keyEnds;
  }
}

/** Where a tree's pages lie: level 0 are the leaves. */
export interface TreePlan {
  readonly levels: readonly PageList[];
  /** First page of each level. */
  readonly firstPages: readonly number[];
  readonly rootPage: number;
}

export interface BucketPlan {
  readonly name: Uint8Array;
  /** Absent for a bucket that lives inside the root bucket. */
  readonly tree: TreePlan | undefined;
  /** The value of the bucket's element in the root bucket. */
  readonly header: Uint8Array;
}

export interface ImagePlan {
  readonly buckets: readonly BucketPlan[];
  readonly root: TreePlan;
  /** Pages of the image. */
  readonly pages: number;
  /** Bytes of the image. */
  readonly size: number;
}

/** Decides where pages end: a page takes records while they fit; one that does not fit alone gets pages of its own. */
export class LeafPacker {
  used = PAGE_HEADER;
  elements = 0;

  /** Whether a record of this size starts a new page. */
  startsPage(recordBytes: number): boolean {
    return this.elements > 0 && this.used + recordBytes > PAGE_SIZE;
  }

  add(recordBytes: number): void {
    this.used += recordBytes;
    this.elements++;
  }

  /** Pages that the current page takes. */
  get pages(): number {
    return Math.ceil(this.used / PAGE_SIZE);
  }

  reset(): void {
    this.used = PAGE_HEADER;
    this.elements = 0;
  }
}

/** Feed it every bucket in name order and every record in key order, then `finish`. */
export class ImagePlanner {
  private readonly buckets: BucketPlan[] = [];
  private nextPage = FIRST_BUCKET_PAGE;
  private current: BucketPlanner | undefined;

  beginBucket(name: Uint8Array): void {
    this.endBucket();
    const previous = this.buckets.at(-1);
    if (previous !== undefined && compareBytes(previous.name, name) >= 0)
      panic("buckets out of order in an image");
    this.current = new BucketPlanner(name);
  }

  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (this.current === undefined) panic("record outside any bucket");
    this.current.add(key, keyStart, keyEnd, value, start, end);
  }

  finish(): ImagePlan {
    this.endBucket();
    const planner = new BucketPlanner(new Uint8Array(0));
    for (const { name, header } of this.buckets) planner.add(name, 0, name.length, header, 0, header.length);
    const root = this.place(planner.finishLeaves());
    return { buckets: this.buckets, root, pages: this.nextPage, size: this.nextPage * PAGE_SIZE };
  }

  private endBucket(): void {
    const planner = this.current;
    if (planner === undefined) return;
    this.current = undefined;
    const inline = planner.inlinePage();
    if (inline !== undefined) {
      const header = new Uint8Array(BUCKET_HEADER + inline.length);
      header.set(inline, BUCKET_HEADER);
      this.buckets.push({ name: planner.name, tree: undefined, header });
      return;
    }
    const tree = this.place(planner.finishLeaves());
    const header = Buffer.alloc(BUCKET_HEADER);
    header.writeBigUInt64LE(BigInt(tree.rootPage), 0);
    this.buckets.push({ name: planner.name, tree, header });
  }

  /** Gives the leaves their pages and stacks branch levels on them until one page is left. */
  private place(leaves: PageList): TreePlan {
    const levels = [leaves];
    const firstPages = [this.nextPage];
    this.nextPage += leaves.pages;
    for (let below = leaves; below.count > 1; ) {
      const level = branchesOver(below);
      levels.push(level);
      firstPages.push(this.nextPage);
      this.nextPage += level.pages;
      below = level;
    }
    const top = levels.length - 1;
    return { levels, firstPages, rootPage: firstPages[top] + levels[top].startOf(0) };
  }
}

class BucketPlanner {
  private readonly leaves = new PageList();
  private readonly packer = new LeafPacker();
  private inline: { key: Uint8Array; value: Uint8Array }[] | undefined = [];
  private inlineBytes = PAGE_HEADER;

  constructor(readonly name: Uint8Array) {}

  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    const bytes = ELEMENT + (keyEnd - keyStart) + (end - start);
    if (this.packer.startsPage(bytes)) this.closePage();
    if (this.packer.elements === 0) this.leaves.add(key, keyStart, keyEnd);
    this.packer.add(bytes);
    this.inlineBytes += bytes;
    if (this.inlineBytes > INLINE_MAX) this.inline = undefined;
    else this.inline?.push({ key: copyRange(key, keyStart, keyEnd), value: copyRange(value, start, end) });
  }

  /** The whole bucket as one unaligned leaf page, when it is small enough to live in its parent. */
  inlinePage(): Uint8Array | undefined {
    const records = this.inline;
    if (records === undefined) return undefined;
    const page = new Uint8Array(this.inlineBytes);
    const writer = new LeafWriter(page, 0, records.length, 0);
    for (const { key, value } of records) writer.add(0, key, 0, key.length, value, 0, value.length);
    return page;
  }

  finishLeaves(): PageList {
    if (this.packer.elements === 0) this.leaves.add(this.name, 0, 0);
    this.closePage();
    return this.leaves;
  }

  private closePage(): void {
    this.leaves.closePage(this.packer.elements, this.packer.pages);
    this.packer.reset();
  }
}

function branchesOver(below: PageList): PageList {
  const level = new PageList();
  let used = PAGE_HEADER;
  let elements = 0;
  for (let i = 0; i < below.count; i++) {
    const key = below.firstKey(i);
    const bytes = ELEMENT + key.length;
    // A branch with a single child would never shrink the tree: two keys always share a page, however long.
    if (elements > 1 && used + bytes > PAGE_SIZE) {
      level.closePage(elements, Math.ceil(used / PAGE_SIZE));
      used = PAGE_HEADER;
      elements = 0;
    }
    if (elements === 0) level.add(key, 0, key.length);
    used += bytes;
    elements++;
  }
  level.closePage(elements, Math.ceil(used / PAGE_SIZE));
  return level;
}

function copyRange(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}
