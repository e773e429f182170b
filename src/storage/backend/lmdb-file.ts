// A reader of lmdb data files that goes through pread instead of the memory map. Three reasons:
//  - whole-store passes (restart, snapshot, hash, defragmentation) through the map would make the file resident;
//  - it checks as it goes: page numbers, page kinds, bounds, key order and the tree's own counters. lmdb itself trusts
//    its file and would follow a flipped bit into a crash;
//  - it needs no lmdb in the worker threads that do those passes, and decodes a record without an object.
//
// Safe beside a writer only while somebody holds an lmdb read transaction that began before `readTree`: from then on no
// page of the newest tree is reused.
//
// Format (lmdb 0.9.90 as shipped with lmdb-js 3, data version 2; little-endian; P = page size, often 4096):
//
//   page header, 24 bytes             meta page, after the header
//   offset size                       offset size
//   0      8    page number           0      4    magic 0xBEEFC0DE
//   8      8    transaction           4      4    data version
//   16     2    -                     8      16   map address, map size
//   18     2    flags: 1 branch,      24     48   free-list tree: page size (4), flags (2), depth (2), branch pages (8),
//               2 leaf, 4 overflow,               leaf pages (8), overflow pages (8), entries (8), root (8)
//               8 meta                72     48   main tree, likewise
//   20     2    bytes of node table   120    8    last page
//   22     2    end of free space     128    8    transaction
//   20     4    (overflow) pages
//
//   After the header of a branch or leaf stands the node table: 16-bit offsets, counted from the end of the header, of
//   nodes { low 16 and high 16 bits of the data size (leaf) or page number (branch), flags (2; in a branch the top bits
//   of the page number), key size (2), key, data }. The first key of a branch is empty. Flag 1 of a leaf node: the data
//   is { first page (8), transaction (8), page count (8) } of an overflow run, whose bytes start after its page header.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { CorruptBackendError } from "./backend.js";

const HEADER = 24;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const P_BRANCH = 1;
const P_LEAF = 2;
const P_OVERFLOW = 4;
const P_META = 8;
const NODE_HEADER = 8;
const BIG_DATA = 1;
const NO_PAGE = 0xffffffffffffffffn;
const DEPTH_MAX = 32;
/** Pages that are fetched with one read when neighbours in the tree are neighbours in the file. */
const RUN_PAGES = 64;

/** Sees a node in place; stops when it returns false. Nothing it is given survives the call. */
export type NodeVisitor = (
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  value: Uint8Array,
  start: number,
  end: number,
) => unknown;

/** The root of a tree at one transaction. */
export interface TreeRoot {
  readonly page: number;
  readonly depth: number;
  readonly entries: number;
  readonly leafPages: number;
  readonly branchPages: number;
  readonly overflowPages: number;
  readonly transaction: number;
  /** Pages of the file that the transaction knows, meta pages included. */
  readonly pages: number;
}

export class LmdbFile {
  readonly path: string;
  readonly pageSize: number;
  /** Descriptors belong to the process: other threads may read through it while this object is open. */
  readonly fd: number;
  private isClosed = false;

  /**
   * Opens the file for reading. Throws CorruptBackendError when it is no lmdb file, the system's error otherwise.
   * @param fd a descriptor to read through instead; it becomes this object's
   */
  constructor(path: string, fd?: number) {
    this.path = path;
    this.fd = fd ?? openSync(path, "r");
    try {
      this.pageSize = this.readPageSize();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    closeSync(this.fd);
  }

  size(): number {
    return fstatSync(this.fd).size;
  }

  /** The newest main tree, after checks of both meta pages. */
  readTree(): TreeRoot {
    const metas = this.read(0, 2 * this.pageSize);
    const first = this.parseMeta(metas, 0);
    const second = this.parseMeta(metas, 1);
    const tree = first.transaction > second.transaction ? first : second;
    if (tree.pages * this.pageSize > this.size()) {
      this.damaged("the file is shorter than its content", { pages: tree.pages, bytes: this.size() });
    }
    if (tree.depth > DEPTH_MAX) this.damaged("impossible depth of the tree", { depth: tree.depth });
    return tree;
  }

  /**
   * Visits the nodes with `from <= key < to` in order. A walk over everything (no `from`, no `to`, never stopped) also
   * compares what it met with the tree's own counters, so that nothing can be missing from it.
   */
  walk(tree: TreeRoot, from: Uint8Array | undefined, to: Uint8Array | undefined, visit: NodeVisitor): void {
    if (tree.depth === 0) return;
    new TreeWalk(this, tree, from, to, visit).run();
  }

  /** The last key of the tree, or undefined when it is empty. */
  lastKey(tree: TreeRoot): Uint8Array | undefined {
    return tree.depth === 0
      ? undefined
      : new TreeWalk(this, tree, undefined, undefined, () => false).lastKey();
  }

  /** Exactly `length` bytes at `position`. */
  read(position: number, length: number): Buffer {
    const out = Buffer.allocUnsafeSlow(length);
    this.readInto(out, 0, position, length);
    return out;
  }

  readInto(target: Uint8Array, offset: number, position: number, length: number): void {
    let done = 0;
    while (done < length) {
      const count = readSync(this.fd, target, offset + done, length - done, position + done);
      if (count === 0) this.damaged("the file ends early", { position, length });
      done += count;
    }
  }

  damaged(detail: string, fields: Readonly<Record<string, unknown>> = {}): never {
    throw new CorruptBackendError(this.path, detail, fields);
  }

  private readPageSize(): number {
    if (this.size() < 2 * 512) this.damaged("the file is too short for a database", { bytes: this.size() });
    const head = this.read(0, 512);
    this.checkMagic(head, HEADER);
    const pageSize = head.readUInt32LE(HEADER + 24);
    const isPowerOfTwo = pageSize >= 512 && pageSize <= 65536 && (pageSize & (pageSize - 1)) === 0;
    if (!isPowerOfTwo) this.damaged("impossible page size", { pageSize });
    if (this.size() < 2 * pageSize)
      this.damaged("the file is too short for a database", { bytes: this.size() });
    return pageSize;
  }

  private checkMagic(bytes: Buffer, at: number): void {
    if (bytes.readUInt32LE(at) !== MAGIC) this.damaged("no lmdb magic in a meta page");
    const version = bytes.readUInt32LE(at + 4);
    if (version !== DATA_VERSION) this.damaged("unknown version of the lmdb format", { version });
  }

  private parseMeta(metas: Buffer, page: number): TreeRoot {
    const start = page * this.pageSize;
    if ((metas.readUInt16LE(start + 18) & P_META) === 0) this.damaged("not a meta page", { page });
    const at = start + HEADER;
    this.checkMagic(metas, at);
    if (metas.readUInt32LE(at + 24) !== this.pageSize)
      this.damaged("meta pages disagree on the page size", { page });
    const root = metas.readBigUInt64LE(at + 72 + 40);
    const isEmpty = root === NO_PAGE;
    return {
      page: isEmpty ? 0 : Number(root),
      depth: isEmpty ? 0 : metas.readUInt16LE(at + 72 + 6),
      branchPages: Number(metas.readBigUInt64LE(at + 72 + 8)),
      leafPages: Number(metas.readBigUInt64LE(at + 72 + 16)),
      overflowPages: Number(metas.readBigUInt64LE(at + 72 + 24)),
      entries: Number(metas.readBigUInt64LE(at + 72 + 32)),
      pages: Number(metas.readBigUInt64LE(at + 120)) + 1,
      transaction: Number(metas.readBigUInt64LE(at + 128)),
    };
  }
}

/** One walk: its position is the recursion, its counters are compared at the end. */
class TreeWalk {
  private readonly pageSize: number;
  private entries = 0;
  private leafPages = 0;
  private branchPages = 0;
  private overflowPages = 0;
  private previousPage: Buffer | undefined;
  private previousStart = 0;
  private previousEnd = 0;

  constructor(
    private readonly file: LmdbFile,
    private readonly tree: TreeRoot,
    private readonly from: Uint8Array | undefined,
    private readonly to: Uint8Array | undefined,
    private readonly visit: NodeVisitor,
  ) {
    this.pageSize = file.pageSize;
  }

  run(): void {
    const { tree } = this;
    const bytes = this.file.read(this.position(tree.page, 1), this.pageSize);
    const isWhole = this.walkPage(bytes, tree.page, 1, this.from !== undefined);
    if (!isWhole || this.from !== undefined || this.to !== undefined) return;
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
      const pages = this.file.read(this.position(runStart, run), run * this.pageSize);
      for (let r = 0; r < run; r++, i++) {
        if (i > first && this.to !== undefined && this.isRightOfEnd(bytes, page, i)) return true;
        const child = pages.subarray(r * this.pageSize, (r + 1) * this.pageSize);
        if (!this.walkPage(child, runStart + r, level + 1, isEdge && i === first)) return false;
      }
    }
    return true;
  }

  private walkLeaf(bytes: Buffer, page: number, count: number, isEdge: boolean): boolean {
    this.leafPages++;
    for (let i = 0; i < count; i++) {
      const node = this.nodeAt(bytes, page, i);
      const keyStart = node + NODE_HEADER;
      const keyEnd = keyStart + bytes.readUInt16LE(node + 6);
      if (keyEnd > this.pageSize) this.file.damaged("a key runs out of its page", { page, node: i });
      this.checkOrder(bytes, page, keyStart, keyEnd);
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
    const data = this.file.read(this.position(run, pages), HEADER + size);
    const isRight = Number(data.readBigUInt64LE(0)) === run && (data.readUInt16LE(18) & P_OVERFLOW) !== 0;
    if (!isRight || data.readUInt32LE(20) !== pages)
      this.file.damaged("not the pages of a large value", { page: run });
    return this.visit(bytes, keyStart, keyEnd, data, HEADER, HEADER + size) !== false;
  }

  /** Keys must ascend through the whole walk, across pages too. */
  private checkOrder(bytes: Buffer, page: number, start: number, end: number): void {
    const previous = this.previousPage;
    if (previous !== undefined) {
      const isAscending =
        compareRanges(previous, this.previousStart, this.previousEnd, bytes, start, end) < 0;
      if (!isAscending) this.file.damaged("keys out of order", { page });
    }
    this.previousPage = bytes;
    this.previousStart = start;
    this.previousEnd = end;
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

  private position(page: number, count: number): number {
    if (page < 2 || page + count > this.tree.pages) {
      this.file.damaged("a page number lies outside the file", { page, pages: this.tree.pages });
    }
    return page * this.pageSize;
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
