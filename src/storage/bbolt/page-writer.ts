// Pages of a bbolt file, as bytes: the page header, and leaf pages filled record by record.

import { ELEMENT, FLAG_LEAF, PAGE_HEADER } from "./format.js";

/** Fills one leaf page: the element table first, then keys and values in the same order. */
export class LeafWriter {
  private element: number;
  private data: number;
  private readonly view: DataView;

  /** @param elements how many records will be added */
  constructor(
    private readonly page: Uint8Array,
    pageNumber: number,
    elements: number,
    overflow: number,
  ) {
    this.view = new DataView(page.buffer, page.byteOffset, page.length);
    writePageHeader(this.view, pageNumber, FLAG_LEAF, elements, overflow);
    this.element = PAGE_HEADER;
    this.data = PAGE_HEADER + elements * ELEMENT;
  }

  add(
    flags: number,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { view, element } = this;
    view.setUint32(element, flags, true);
    view.setUint32(element + 4, this.data - element, true);
    view.setUint32(element + 8, keyEnd - keyStart, true);
    view.setUint32(element + 12, end - start, true);
    this.element += ELEMENT;
    for (let i = keyStart; i < keyEnd; i++) this.page[this.data++] = key[i];
    this.page.set(value.subarray(start, end), this.data);
    this.data += end - start;
  }
}

export function writePageHeader(
  view: DataView,
  pageNumber: number,
  flags: number,
  elements: number,
  overflow: number,
): void {
  writeUint64(view, 0, pageNumber);
  view.setUint16(8, flags, true);
  view.setUint16(10, elements, true);
  view.setUint32(12, overflow, true);
}

export function writeUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x100000000), true);
}
