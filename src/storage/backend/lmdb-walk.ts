// One pass over an lmdb tree, in key order, checking every page and node on the way (format: lmdb-file.ts).

import type { PageSet } from "../bbolt/page-set.js";
import { HEADER, type LmdbFile, type NodeVisitor, type TreeRoot } from "./lmdb-file.js";

const P_BRANCH = 1;
const P_LEAF = 2;
const P_OVERFLOW = 4;
const P_META = 8;
const NODE_HEADER = 8;
const BIG_DATA = 1;
/** Pages that are fetched with one read when neighbours in the tree are neighbours in the file. */
const RUN_PAGES = 64;

export interface WalkOptions {
  /** First key; all when absent. */
  readonly from?: Uint8Array;
  /** The key after the last one; all when absent. */
  readonly to?: Uint8Array;
  /** Collects the pages of the tree. */
  readonly used?: PageSet;
  /** Keys are in byte order, to be checked. */
  readonly isOrdered?: boolean;
}

/** What a walk reads into. The next walk over the file uses it again: memory that is new costs more than what is read into
 *  it, and buffers that come and go by the hundred kilobytes keep the garbage collector busy. */
export class WalkMemory {
  /** Per level the pages that are read ahead. */
  readonly runs: PageRun[] = [];
  /** The last key of the page before. */
  readonly previousKey: Buffer;

  constructor(readonly pageSize: number) {
    this.previousKey = Buffer.allocUnsafeSlow(pageSize);
  }
}

/** One walk: its position is the recursion, its counters are compared at the end. */
export class TreeWalk {
  private readonly pageSize: number;
  private entries = 0;
  private leafPages = 0;
  private branchPages = 0;
  private overflowPages = 0;
  private readonly runs: PageRun[];
  private readonly previousKey: Buffer;
  private previousLength = -1;

  private readonly from: Uint8Array | undefined;
  private readonly to: Uint8Array | undefined;
  private readonly used: PageSet | undefined;
  private readonly isOrdered: boolean;

  constructor(
    private readonly file: LmdbFile,
    private readonly tree: TreeRoot,
    options: WalkOptions,
    private readonly visit: NodeVisitor,
    memory = new WalkMemory(file.pageSize),
  ) {
    this.pageSize = file.pageSize;
    this.runs = memory.runs;
    this.previousKey = memory.previousKey;
    this.from = options.from;
    this.to = options.to;
    this.used = options.used;
    this.isOrdered = options.isOrdered === true;
  }

  /** Returns whether it walked over everything, in which case the counters were compared too. */
  run(): boolean {
    const { tree } = this;
    this.markUsed(tree.page, 1);
    const bytes = this.file.read(this.position(tree.page, 1), this.pageSize);
    const isComplete = this.walkPage(bytes, tree.page, 1, this.from !== undefined);
    if (!isComplete || this.from !== undefined || this.to !== undefined) return false;
    if (
      this.entries !== tree.entries ||
      this.leafPages !== tree.leafPages ||
      this.branchPages !== tree.branchPages ||
      this.overflowPages !== tree.overflowPages
    ) {
      this.file.damaged("the tree does not hold what it says it holds", {
        entries: this.entries,
        expected: tree.entries,
      });
    }
    return true;
  }

  lastKey(): Uint8Array {
    let page = this.tree.page;
    for (let level = 1; ; level++) {
      const bytes = this.file.read(this.position(page, 1), this.pageSize);
      const isLeaf = level === this.tree.depth;
      const count = this.checkPage(bytes, page, bytes.readUInt16LE(18), isLeaf ? P_LEAF : P_BRANCH);
      const node = this.nodeAt(bytes, page, count - 1);
      if (isLeaf)
        return bytes.subarray(node + NODE_HEADER, node + NODE_HEADER + bytes.readUInt16LE(node + 6));
      page = this.childPage(bytes, page, count - 1);
    }
  }

  /** @param isEdge whether keys left of `from` can occur below this page */
  private walkPage(bytes: Buffer, page: number, level: number, isEdge: boolean): boolean {
    const flags = bytes.readUInt16LE(18);
    const count = this.checkPage(bytes, page, flags, level === this.tree.depth ? P_LEAF : P_BRANCH);
    return level === this.tree.depth
      ? this.walkLeaf(bytes, page, count, isEdge)
      : this.walkBranch(bytes, page, count, level, isEdge);
  }

  private checkPage(bytes: Buffer, page: number, flags: number, kind: number): number {
    if (Number(bytes.readBigUInt64LE(0)) !== page)
      this.file.damaged("a page carries another page's number", { page });
    if ((flags & (P_BRANCH | P_LEAF | P_OVERFLOW | P_META)) !== kind) {
      this.file.damaged("a page is of the wrong kind", { page, flags });
    }
    if (Number(bytes.readBigUInt64LE(8)) > this.tree.transaction) {
      this.file.damaged("a page is newer than the tree", { page });
    }
    const lower = bytes.readUInt16LE(20);
    const upper = bytes.readUInt16LE(22);
    if (lower > upper || HEADER + upper > this.pageSize || lower < 2 || (lower & 1) !== 0) {
      this.file.damaged("impossible bounds of a page", { page, lower, upper });
    }
    return lower >>> 1;
  }

  private walkBranch(bytes: Buffer, page: number, count: number, level: number, isEdge: boolean): boolean {
    this.branchPages++;
    const first = isEdge ? this.childOf(bytes, page, count) : 0;
    let i = first;
    while (i < count) {
      if (i > first && this.to !== undefined && this.isRightOfEnd(bytes, page, i)) return true;
      const runStart = this.childPage(bytes, page, i);
      let run = 1;
      while (run < RUN_PAGES && i + run < count && this.childPage(bytes, page, i + run) === runStart + run)
        run++;
      this.markUsed(runStart, run);
      this.runs[level] ??= new PageRun(this.pageSize);
      const pages = this.runs[level].read(this.file, this.position(runStart, run), run);
      for (let r = 0; r < run; r++, i++) {
        if (i > first && this.to !== undefined && this.isRightOfEnd(bytes, page, i)) return true;
        if (!this.walkPage(pages[r], runStart + r, level + 1, isEdge && i === first)) return false;
      }
    }
    return true;
  }

  private walkLeaf(bytes: Buffer, page: number, count: number, isEdge: boolean): boolean {
    this.leafPages++;
    if (this.isOrdered) this.checkOrder(bytes, page, count);
    for (let i = 0; i < count; i++) {
      const node = this.nodeAt(bytes, page, i);
      const keyStart = node + NODE_HEADER;
      const keyEnd = keyStart + bytes.readUInt16LE(node + 6);
      if (keyEnd > this.pageSize) this.file.damaged("a key runs out of its page", { page, node: i });
      this.entries++;
      if (isEdge && this.from !== undefined && compareTo(bytes, keyStart, keyEnd, this.from) < 0) continue;
      if (this.to !== undefined && compareTo(bytes, keyStart, keyEnd, this.to) >= 0) return false;
      if (!this.visitNode(bytes, page, node, keyStart, keyEnd)) return false;
    }
    return true;
  }

  private visitNode(bytes: Buffer, page: number, node: number, keyStart: number, keyEnd: number): boolean {
    const size = bytes.readUInt32LE(node);
    const flags = bytes.readUInt16LE(node + 4);
    if (flags === 0) {
      const end = keyEnd + size;
      if (end > this.pageSize) this.file.damaged("a value runs out of its page", { page });
      return this.visit(bytes, keyStart, keyEnd, bytes, keyEnd, end) !== false;
    }
    if (flags !== BIG_DATA || keyEnd + 24 > this.pageSize)
      this.file.damaged("unknown kind of node", { page, flags });
    const run = Number(bytes.readBigUInt64LE(keyEnd));
    const pages = Number(bytes.readBigUInt64LE(keyEnd + 16));
    this.overflowPages += pages;
    // A shorter value written over a longer one keeps its pages.
    if (pages < 1 || HEADER + size > pages * this.pageSize) {
      this.file.damaged("a large value does not fit its pages", { page, size, pages });
    }
    this.markUsed(run, pages);
    const data = this.file.read(this.position(run, pages), HEADER + size);
    const isRight = Number(data.readBigUInt64LE(0)) === run && (data.readUInt16LE(18) & P_OVERFLOW) !== 0;
    if (!isRight || data.readUInt32LE(20) !== pages)
      this.file.damaged("not the pages of a large value", { page: run });
    return this.visit(bytes, keyStart, keyEnd, data, HEADER, HEADER + size) !== false;
  }

  /** Keys must ascend through the whole walk, across pages too. */
  private checkOrder(bytes: Buffer, page: number, count: number): void {
    let before: Uint8Array = this.previousKey;
    let beforeStart = 0;
    let beforeEnd = this.previousLength;
    for (let i = 0; i < count; i++) {
      const node = this.nodeAt(bytes, page, i);
      const start = node + NODE_HEADER;
      const end = start + bytes.readUInt16LE(node + 6);
      if (end > this.pageSize) this.file.damaged("a key runs out of its page", { page, node: i });
      const isAscending =
        beforeEnd < 0 || compareRanges(before, beforeStart, beforeEnd, bytes, start, end) < 0;
      if (!isAscending) this.file.damaged("keys out of order", { page });
      before = bytes;
      beforeStart = start;
      beforeEnd = end;
    }
    if (beforeEnd < 0) return;
    this.previousLength = beforeEnd - beforeStart;
    if (before === bytes) bytes.copy(this.previousKey, 0, beforeStart, beforeEnd);
  }

  /** The child that `from` belongs to. */
  private childOf(bytes: Buffer, page: number, count: number): number {
    const from = this.from;
    if (from === undefined) return 0;
    let low = 1;
    let high = count;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.compareChild(bytes, page, mid, from) <= 0) low = mid + 1;
      else high = mid;
    }
    return low - 1;
  }

  private isRightOfEnd(bytes: Buffer, page: number, child: number): boolean {
    return this.to !== undefined && this.compareChild(bytes, page, child, this.to) >= 0;
  }

  private compareChild(bytes: Buffer, page: number, child: number, key: Uint8Array): number {
    const node = this.nodeAt(bytes, page, child);
    const end = node + NODE_HEADER + bytes.readUInt16LE(node + 6);
    if (end > this.pageSize) this.file.damaged("a key runs out of its page", { page, node: child });
    return compareTo(bytes, node + NODE_HEADER, end, key);
  }

  private childPage(bytes: Buffer, page: number, child: number): number {
    const node = this.nodeAt(bytes, page, child);
    return bytes.readUInt16LE(node + 4) * 0x100000000 + bytes.readUInt32LE(node);
  }

  private nodeAt(bytes: Buffer, page: number, index: number): number {
    const node = HEADER + bytes.readUInt16LE(HEADER + 2 * index);
    if (node + NODE_HEADER > this.pageSize)
      this.file.damaged("a node lies outside its page", { page, node: index });
    return node;
  }

  private markUsed(page: number, count: number): void {
    if (this.used === undefined) return;
    this.position(page, count);
    if (!this.used.add(page, count)) this.file.damaged("a page is reached twice", { page });
  }

  private position(page: number, count: number): number {
    if (page < 2 || page + count > this.tree.pages) {
      this.file.damaged("a page number lies outside the file", { page, pages: this.tree.pages });
    }
    return page * this.pageSize;
  }
}

/** Memory for a run of pages. */
class PageRun {
  private memory = Buffer.alloc(0);
  private readonly pages: Buffer[] = [];

  constructor(private readonly pageSize: number) {}

  /** The pages from `position` on, as views that are valid until the next call. */
  read(file: LmdbFile, position: number, count: number): readonly Buffer[] {
    const { pageSize, pages } = this;
    if (count > pages.length) {
      this.memory = Buffer.allocUnsafeSlow(count * pageSize);
      for (let i = 0; i < count; i++) pages[i] = this.memory.subarray(i * pageSize, (i + 1) * pageSize);
    }
    file.readInto(this.memory, 0, position, count * pageSize);
    return pages;
  }
}

function compareTo(bytes: Uint8Array, start: number, end: number, key: Uint8Array): number {
  return compareRanges(bytes, start, end, key, 0, key.length);
}

function compareRanges(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const n = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < n; i++) {
    const d = a[aStart + i] - b[bStart + i];
    if (d !== 0) return d;
  }
  return aEnd - aStart - (bEnd - bStart);
}
