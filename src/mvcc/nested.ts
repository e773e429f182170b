// Length-delimited messages whose length is known only once they are written. One byte is kept for the length; if it
// needs more, the content moves up. Small messages, by far the most, never move.

import { varintSize, type WireWriter } from "#base";

/** Opens a message field. @returns a mark for `endMessage` */
export function beginMessage(out: WireWriter, tag: number): number {
  out.byte(tag);
  out.byte(0);
  return out.length;
}

/** Closes the message field that `beginMessage` has opened. */
export function endMessage(out: WireWriter, mark: number): void {
  const length = out.length - mark;
  const extra = varintSize(length) - 1;
  if (extra > 0) {
    out.reserve(extra);
    out.buf.copyWithin(mark + extra, mark, out.length);
  }
  out.length = mark - 1;
  out.varint(length);
  out.length += length;
}
