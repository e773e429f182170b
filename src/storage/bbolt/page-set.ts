// Page numbers that a walk over a file has met, a bit each.

import { assert } from "#base";

/** Which pages were reached: a bit each, so that a cycle or a shared page is found. */
export class PageSet {
  private readonly bits: Uint8Array;

  constructor(
    private readonly pages: number,
    bits?: Uint8Array,
  ) {
    this.bits = bits ?? new Uint8Array(Math.ceil(pages / 8));
  }

  copy(): PageSet {
    return new PageSet(this.pages, this.bits.slice());
  }

  /** False when one of the pages was there already. */
  add(first: number, count: number): boolean {
    assert(first + count <= this.pages, "page outside the set");
    for (let page = first; page < first + count; page++) {
      const bit = 1 << (page & 7);
      if ((this.bits[page >>> 3] & bit) !== 0) return false;
      this.bits[page >>> 3] |= bit;
    }
    return true;
  }
}
