// Reads a bbolt file, Go's or our own, from a data directory or from a snapshot with its hash behind. Any bytes lead to
// records or to a CorruptImageError that names the position; memory stays bounded by the largest page run, whose claim is
// checked against the file first. Nothing is trusted: page numbers, kinds, element bounds, key order, and that no page is
// reached twice.

import { compareBytes } from "#base";
import {
  BUCKET_HEADER,
  CorruptImageError,
  ELEMENT,
  ELEMENT_BUCKET,
  FLAG_BRANCH,
  FLAG_LEAF,
  FLAG_META,
  fnv64a,
  hasTrailer,
  MAGIC,
  META_BYTES,
  META_SUMMED_BYTES,
  PAGE_HEADER,
  TRAILER_BYTES,
  VERSION,
} from "./format.js";
import { PageSet } from "./page-set.js";

const DEPTH_MAX = 32;

/** Random access to an image. */
export interface ImageSource {
  /** For error texts. */
  readonly path: string;
  readonly size: number;
  /** Exactly `length` bytes; the range lies within `size`. */
  read(position: number, length: number): Uint8Array;
}

/** An image that is in memory. */
export class BytesSource implements ImageSource {
  readonly size: number;

  constructor(
    readonly path: string,
    private readonly bytes: Uint8Array,
  ) {
    this.size = bytes.length;
  }

  read(position: number, length: number): Uint8Array {
    return this.bytes.subarray(position, position + length);
  }
}

/** Sees a record; stops when it returns false. The views are valid only during the call. */
export type ImageVisitor = (key: Uint8Array, value: Uint8Array) => unknown;

interface Meta {
  readonly pageSize: number;
  readonly root: number;
  readonly pages: number;
  readonly transaction: bigint;
}

/** A page with everything that belongs to it. */
interface Page {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Byte position in the file. */
  readonly offset: number;
  readonly isLeaf: boolean;
  readonly count: number;
}

export interface ImageBucket {
  readonly name: Uint8Array;
  /** Visits the records in key order. */
  forEach(visit: ImageVisitor): void;
}

export class ImageReader {
  readonly pageSize: number;
  /** Pages that the image says it has. */
  readonly pages: number;
  private readonly meta: Meta;
  private readonly source: ImageSource;
  private readonly contentBytes: number;

  /** Checks the meta pages. Throws CorruptImageError when neither is valid or the file is too short. */
  constructor(source: ImageSource) {
    this.source = source;
    this.contentBytes = hasTrailer(source.size) ? source.size - TRAILER_BYTES : source.size;
    this.meta = this.readMeta();
    this.pageSize = this.meta.pageSize;
    this.pages = this.meta.pages;
    if (this.pages * this.pageSize > this.contentBytes) {
      this.damaged(
        this.contentBytes,
        `the file ends early: ${this.pages} pages of ${this.pageSize} bytes expected`,
      );
    }
  }

  /** The buckets in name order. */
  buckets(): ImageBucket[] {
    const seen = new PageSet(this.pages);
    const found: ImageBucket[] = [];
    this.walk(this.meta.root, 1, new KeyOrder(), seen, (key, value, flags, offset) => {
      if (flags !== ELEMENT_BUCKET) this.damaged(offset, "a record outside any bucket");
      const name = new Uint8Array(key);
      const header = new Uint8Array(value);
      found.push({ name, forEach: (visit) => this.walkBucket(header, offset, seen, visit) });
    });
    return found;
  }

  private walkBucket(header: Uint8Array, offset: number, rootPages: PageSet, visit: ImageVisitor): void {
    if (header.length < BUCKET_HEADER) this.damaged(offset, "a bucket without a header");
    const record = (key: Uint8Array, value: Uint8Array, flags: number, at: number): unknown => {
      if (flags !== 0) this.damaged(at, "a bucket inside a bucket");
      return visit(key, value);
    };
    const root = uint64(viewOf(header), 0);
    if (root !== 0) {
      this.walk(root, 1, new KeyOrder(), rootPages.copy(), record);
      return;
    }
    const page = this.pageOf(header.subarray(BUCKET_HEADER), offset + BUCKET_HEADER);
    if (!page.isLeaf) this.damaged(offset, "a bucket in place that is no leaf");
    this.walkLeaf(page, new KeyOrder(), record);
  }

  private walk(
    number: number,
    depth: number,
    order: KeyOrder,
    seen: PageSet,
    visit: (key: Uint8Array, value: Uint8Array, flags: number, offset: number) => unknown,
  ): boolean {
    if (depth > DEPTH_MAX) this.damaged(number * this.pageSize, "the tree is too deep");
    const page = this.readPage(number, seen);
    if (page.isLeaf) return this.walkLeaf(page, order, visit);
    if (page.count === 0) this.damaged(page.offset, "a branch without children");
    for (let i = 0; i < page.count; i++) {
      const element = PAGE_HEADER + i * ELEMENT;
      this.checkRange(
        page,
        element + page.view.getUint32(element, true),
        page.view.getUint32(element + 4, true),
      );
      if (!this.walk(uint64(page.view, element + 8), depth + 1, order, seen, visit)) return false;
    }
    return true;
  }

  private walkLeaf(
    page: Page,
    order: KeyOrder,
    visit: (key: Uint8Array, value: Uint8Array, flags: number, offset: number) => unknown,
  ): boolean {
    const { view, bytes } = page;
    for (let i = 0; i < page.count; i++) {
      const element = PAGE_HEADER + i * ELEMENT;
      const start = element + view.getUint32(element + 4, true);
      const keyLength = view.getUint32(element + 8, true);
      const valueLength = view.getUint32(element + 12, true);
      this.checkRange(page, start, keyLength + valueLength);
      const key = bytes.subarray(start, start + keyLength);
      if (!order.accepts(key)) this.damaged(page.offset + start, "keys out of order");
      const value = bytes.subarray(start + keyLength, start + keyLength + valueLength);
      if (visit(key, value, view.getUint32(element, true), page.offset + start + keyLength) === false)
        return false;
    }
    return true;
  }

  private checkRange(page: Page, start: number, length: number): void {
    const first = PAGE_HEADER + page.count * ELEMENT;
    if (start < first || start + length > page.bytes.length)
      this.damaged(page.offset, "an element runs out of its page");
  }

  private readPage(number: number, seen: PageSet): Page {
    const offset = number * this.pageSize;
    if (number < 2 || number >= this.pages) this.damaged(offset, `page number ${number} outside the file`);
    const head = viewOf(this.source.read(offset, PAGE_HEADER));
    if (uint64(head, 0) !== number) this.damaged(offset, "a page carries another page's number");
    const run = 1 + head.getUint32(12, true);
    if (number + run > this.pages) this.damaged(offset, "a page runs out of the file");
    if (!seen.add(number, run)) this.damaged(offset, "a page is reached twice");
    return this.pageOf(this.source.read(offset, run * this.pageSize), offset);
  }

  private pageOf(bytes: Uint8Array, offset: number): Page {
    if (bytes.length < PAGE_HEADER) this.damaged(offset, "a page without a header");
    const view = viewOf(bytes);
    const flags = view.getUint16(8, true);
    const count = view.getUint16(10, true);
    if (flags !== FLAG_LEAF && flags !== FLAG_BRANCH) this.damaged(offset, `a page of unknown kind ${flags}`);
    if (PAGE_HEADER + count * ELEMENT > bytes.length)
      this.damaged(offset, "more elements than a page can hold");
    return { bytes, view, offset, isLeaf: flags === FLAG_LEAF, count };
  }

  private readMeta(): Meta {
    // The second meta page lies one page further, and the page size is known only from a valid one: try them all.
    let best: Meta | undefined;
    for (let pageSize = 512; pageSize <= 65536; pageSize *= 2) {
      for (const number of [0, 1]) {
        const meta = this.parseMeta(number * pageSize, pageSize);
        if (meta !== undefined && (best === undefined || meta.transaction > best.transaction)) best = meta;
      }
    }
    if (best === undefined) this.damaged(0, "no valid meta page");
    return best;
  }

  private parseMeta(offset: number, pageSize: number): Meta | undefined {
    if (offset + PAGE_HEADER + META_BYTES > this.contentBytes) return undefined;
    const bytes = this.source.read(offset, PAGE_HEADER + META_BYTES);
    if ((viewOf(bytes).getUint16(8, true) & FLAG_META) === 0) return undefined;
    const meta = bytes.subarray(PAGE_HEADER);
    const view = viewOf(meta);
    const isMeta =
      view.getUint32(0, true) === MAGIC &&
      view.getUint32(4, true) === VERSION &&
      view.getUint32(8, true) === pageSize &&
      view.getBigUint64(META_SUMMED_BYTES, true) === fnv64a(meta.subarray(0, META_SUMMED_BYTES));
    if (!isMeta) return undefined;
    return {
      pageSize,
      root: uint64(view, 16),
      pages: uint64(view, 40),
      transaction: view.getBigUint64(48, true),
    };
  }

  private damaged(offset: number, detail: string): never {
    throw new CorruptImageError(this.source.path, offset, detail);
  }
}

/** Keys of one bucket ascend strictly, across its pages. */
class KeyOrder {
  private previous: Uint8Array | undefined;

  accepts(key: Uint8Array): boolean {
    const isAscending = this.previous === undefined || compareBytes(this.previous, key) < 0;
    this.previous = key;
    return isAscending;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A 64-bit number; what exceeds 2^53 comes out too large for any check to pass. */
function uint64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x100000000 + view.getUint32(at, true);
}
