// Memory for many small byte strings that live about equally long: pieces of large pages, since a buffer of its own costs
// more to make than a small string to write. A page lives as long as any piece of it is referenced.

const PAGE_BYTES = 64 * 1024;
/** Larger pieces get memory of their own. */
const PIECE_BYTES_MAX = 8 * 1024;

export class BytePages {
  /** Where the piece reserved last lies. Offset 0 of `buf` is offset 0 of its memory. */
  buf: Uint8Array = new Uint8Array(0);
  private page: Uint8Array = this.buf;
  private used = 0;

  /** Reserves `size` bytes, not cleared, and returns their offset in `buf`. */
  reserve(size: number): number {
    if (size > PIECE_BYTES_MAX) {
      this.buf = fresh(size);
      return 0;
    }
    if (this.used + size > this.page.length) {
      this.page = fresh(PAGE_BYTES);
      this.used = 0;
    }
    this.buf = this.page;
    const at = this.used;
    this.used = at + size;
    return at;
  }

  /** The piece `buf[start, end)` as bytes of its own. */
  cut(start: number, end: number): Uint8Array {
    return new Uint8Array(this.buf.buffer, start, end - start);
  }
}

function fresh(size: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
}
