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

import { close, fstatSync, openSync, readSync } from "node:fs";
import { PageSet } from "../bbolt/page-set.js";
import { CorruptBackendError } from "./backend.js";
import { checkFreePages } from "./lmdb-free-pages.js";
import { TreeWalk, WalkMemory } from "./lmdb-walk.js";

/** Bytes of a page header. */
export const HEADER = 24;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const P_META = 8;
const NO_PAGE = 0xffffffffffffffffn;
const DEPTH_MAX = 32;

/** Sees a node in place; stops when it returns false. Nothing it is given survives the call. */
export type NodeVisitor = (
  key: Uint8Array,
  keyStart: number,
  keyEnd: number,
  value: Uint8Array,
  start: number,
  end: number,
) => unknown;

/** The root of a tree at one transaction; the main tree carries the tree of free pages with it. */
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
  readonly free: TreeRoot | undefined;
}

export class LmdbFile {
  readonly path: string;
  readonly pageSize: number;
  /** Descriptors belong to the process: other threads may read through it while this object is open. */
  readonly fd: number;
  private isClosed = false;
  /** For the next walk; absent while one is under way. */
  private walkMemory: WalkMemory | undefined;

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
    // Not in this thread: closing a large file that was removed gives its space back, which takes time.
    close(this.fd, (error) => {
      if (error !== null) throw error;
    });
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
    const depth = Math.max(tree.depth, tree.free?.depth ?? 0);
    if (depth > DEPTH_MAX) this.damaged("impossible depth of a tree", { depth });
    return tree;
  }

  /**
   * Refuses a file that was cut. It may well be shorter than the pages that lmdb counts: one that a transaction took at the
   * end and gave back is never written. Whether a page in use is missing only a pass over all of them can tell.
   */
  checkLength(): void {
    const tree = this.readTree();
    if (tree.pages * this.pageSize > this.size()) this.walk(tree, undefined, undefined, () => true);
  }

  /**
   * Visits the nodes with `from <= key < to` in order. A walk over everything (no `from`, no `to`, never stopped) also
   * compares what it met with the tree's own counters, so that nothing can be missing from it, and checks that no free
   * page is in use: lmdb would write over it.
   */
  walk(tree: TreeRoot, from: Uint8Array | undefined, to: Uint8Array | undefined, visit: NodeVisitor): void {
    if (tree.depth === 0) return;
    const isWhole = from === undefined && to === undefined;
    const used = isWhole ? new PageSet(tree.pages) : undefined;
    const memory = this.walkMemory ?? new WalkMemory(this.pageSize);
    this.walkMemory = undefined;
    const walk = new TreeWalk(this, tree, { from, to, used, isOrdered: true }, visit, memory);
    const isComplete = walk.run();
    this.walkMemory = memory;
    if (used !== undefined && isComplete) checkFreePages(this, tree, used);
  }

  /** The last key of the tree, or undefined when it is empty. */
  lastKey(tree: TreeRoot): Uint8Array | undefined {
    return tree.depth === 0 ? undefined : new TreeWalk(this, tree, {}, () => false).lastKey();
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
    const free = parseRoot(metas, at, at + 24, undefined);
    return parseRoot(metas, at, at + 72, free);
  }
}

function parseRoot(metas: Buffer, meta: number, at: number, free: TreeRoot | undefined): TreeRoot {
  const root = metas.readBigUInt64LE(at + 40);
  const isEmpty = root === NO_PAGE;
  return {
    page: isEmpty ? 0 : Number(root),
    depth: isEmpty ? 0 : metas.readUInt16LE(at + 6),
    branchPages: Number(metas.readBigUInt64LE(at + 8)),
    leafPages: Number(metas.readBigUInt64LE(at + 16)),
    overflowPages: Number(metas.readBigUInt64LE(at + 24)),
    entries: Number(metas.readBigUInt64LE(at + 32)),
    pages: Number(metas.readBigUInt64LE(meta + 120)) + 1,
    transaction: Number(metas.readBigUInt64LE(meta + 128)),
    free,
  };
}
