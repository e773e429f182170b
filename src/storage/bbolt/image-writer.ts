// The second pass: writes the image that a plan (plan.ts) describes, page by page in file order, from the same records in
// the same order. Output is handed out in chunks of whole pages; nothing is kept of what was handed out.

import { assert } from "#base";
import {
  BUCKET_HEADER,
  ELEMENT,
  ELEMENT_BUCKET,
  FLAG_BRANCH,
  FLAG_FREELIST,
  FLAG_META,
  fnv64a,
  MAGIC,
  META_BYTES,
  META_SUMMED_BYTES,
  PAGE_HEADER,
  VERSION,
} from "./format.js";
import { LeafWriter, writePageHeader, writeUint64 } from "./page-writer.js";
import {
  type BucketPlan,
  type ImagePlan,
  LeafPacker,
  PAGE_SIZE,
  type PageList,
  type TreePlan,
} from "./plan.js";

/** Chunks are handed out when they reach this size; one with a large value is as large as it needs. */
const CHUNK_BYTES = 256 * 1024;
const FREELIST_PAGE = 2;

/** Takes a finished chunk; it is the receiver's from then on. */
export type ChunkSink = (chunk: Uint8Array) => void;

/** Feed it what the planner was fed, then `finish`. */
export class ImageWriter {
  private readonly out: PageOutput;
  private bucketIndex = -1;
  private leaves: LeafStream | undefined;

  constructor(
    private readonly plan: ImagePlan,
    sink: ChunkSink,
  ) {
    this.out = new PageOutput(sink);
    this.writeHead();
  }

  beginBucket(): void {
    this.endBucket();
    this.bucketIndex++;
    const { tree } = this.bucket;
    this.leaves =
      tree === undefined ? undefined : new LeafStream(this.out, tree.levels[0], tree.firstPages[0]);
  }

  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.leaves?.add(0, key, keyStart, keyEnd, value, start, end);
  }

  finish(): void {
    this.endBucket();
    const { buckets, root } = this.plan;
    assert(this.bucketIndex === buckets.length - 1, "an image with fewer buckets than planned");
    const leaves = new LeafStream(this.out, root.levels[0], root.firstPages[0]);
    for (const { name, header } of buckets) {
      leaves.add(ELEMENT_BUCKET, name, 0, name.length, header, 0, header.length);
    }
    leaves.finish();
    this.writeBranches(root);
    this.out.flush();
    assert(this.out.pages === this.plan.pages, "an image with other pages than planned");
  }

  private get bucket(): BucketPlan {
    return this.plan.buckets[this.bucketIndex];
  }

  private endBucket(): void {
    if (this.bucketIndex < 0) return;
    this.leaves?.finish();
    this.leaves = undefined;
    const { tree } = this.bucket;
    if (tree !== undefined) this.writeBranches(tree);
  }

  private writeHead(): void {
    for (const page of [0, 1]) this.writeMeta(page);
    writePageHeader(viewOf(this.out.page(1)), FREELIST_PAGE, FLAG_FREELIST, 0, 0);
  }

  private writeMeta(page: number): void {
    const bytes = this.out.page(1);
    writePageHeader(viewOf(bytes), page, FLAG_META, 0, 0);
    const meta = bytes.subarray(PAGE_HEADER, PAGE_HEADER + META_BYTES);
    const view = viewOf(meta);
    view.setUint32(0, MAGIC, true);
    view.setUint32(4, VERSION, true);
    view.setUint32(8, PAGE_SIZE, true);
    writeUint64(view, BUCKET_HEADER, this.plan.root.rootPage);
    writeUint64(view, 32, FREELIST_PAGE);
    writeUint64(view, 40, this.plan.pages);
    writeUint64(view, 48, page);
    view.setBigUint64(META_SUMMED_BYTES, fnv64a(meta.subarray(0, META_SUMMED_BYTES)), true);
  }

  private writeBranches(tree: TreePlan): void {
    for (let level = 1; level < tree.levels.length; level++) {
      const pages = tree.levels[level];
      let child = 0;
      for (let i = 0; i < pages.count; i++) {
        const count = pages.elementsOf(i);
        const number = tree.firstPages[level] + pages.startOf(i);
        this.writeBranch(number, tree.levels[level - 1], tree.firstPages[level - 1], child, count);
        child += count;
      }
    }
  }

  private writeBranch(
    number: number,
    below: PageList,
    firstBelow: number,
    from: number,
    count: number,
  ): void {
    let size = PAGE_HEADER + count * ELEMENT;
    for (let i = 0; i < count; i++) size += below.firstKey(from + i).length;
    const pages = Math.ceil(size / PAGE_SIZE);
    const bytes = this.out.page(pages);
    const view = viewOf(bytes);
    writePageHeader(view, number, FLAG_BRANCH, count, pages - 1);
    let data = PAGE_HEADER + count * ELEMENT;
    for (let i = 0; i < count; i++) {
      const key = below.firstKey(from + i);
      const element = PAGE_HEADER + i * ELEMENT;
      view.setUint32(element, data - element, true);
      view.setUint32(element + 4, key.length, true);
      writeUint64(view, element + 8, firstBelow + below.startOf(from + i));
      bytes.set(key, data);
      data += key.length;
    }
  }
}

/** Leaf pages of one tree, filled in order. */
class LeafStream {
  private readonly packer = new LeafPacker();
  private index = -1;
  private writer: LeafWriter | undefined;

  constructor(
    private readonly out: PageOutput,
    private readonly pages: PageList,
    private readonly firstPage: number,
  ) {}

  add(
    flags: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    const bytes = ELEMENT + (keyEnd - keyStart) + (end - start);
    if (this.packer.startsPage(bytes)) {
      this.packer.reset();
      this.writer = undefined;
    }
    this.packer.add(bytes);
    this.writer ??= this.nextPage();
    this.writer.add(flags, key, keyStart, keyEnd, value, start, end);
  }

  finish(): void {
    // An empty bucket still has one page.
    if (this.index < 0) this.nextPage();
    assert(this.index === this.pages.count - 1, "a bucket with other records than planned");
  }

  private nextPage(): LeafWriter {
    const index = ++this.index;
    assert(index < this.pages.count, "a bucket with more records than planned");
    const start = this.pages.startOf(index);
    const next = index + 1 < this.pages.count ? this.pages.startOf(index + 1) : this.pages.pages;
    const count = next - start;
    return new LeafWriter(
      this.out.page(count),
      this.firstPage + start,
      this.pages.elementsOf(index),
      count - 1,
    );
  }
}

/** Zeroed pages in file order, collected into chunks. */
class PageOutput {
  pages = 0;
  private chunk = new Uint8Array(CHUNK_BYTES);
  private used = 0;

  constructor(private readonly sink: ChunkSink) {}

  page(count: number): Uint8Array {
    const bytes = count * PAGE_SIZE;
    if (this.used + bytes > this.chunk.length) {
      this.flush();
      if (bytes > this.chunk.length) this.chunk = new Uint8Array(bytes);
    }
    const page = this.chunk.subarray(this.used, this.used + bytes);
    this.used += bytes;
    this.pages += count;
    return page;
  }

  flush(): void {
    const full = this.used === this.chunk.length ? this.chunk : this.chunk.slice(0, this.used);
    if (this.used > 0) this.sink(full);
    this.chunk = new Uint8Array(CHUNK_BYTES);
    this.used = 0;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
