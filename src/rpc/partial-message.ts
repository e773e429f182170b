// A length-prefixed gRPC message that arrives in pieces. The declared length is only a claim, so memory grows with
// what has actually come: by doubling, never beyond the declared length.

import { BUDGETS } from "./budgets.js";

/** Compressed flag (1 byte) and length (4 bytes). */
export const MESSAGE_PREFIX_BYTES = 5;

export class PartialMessage {
  /** Prefix and body so far. */
  bytes: Buffer = Buffer.allocUnsafeSlow(MESSAGE_PREFIX_BYTES);
  length = 0;
  /** Prefix and body in all, or the prefix alone until `expectBody` has told the rest. */
  need = MESSAGE_PREFIX_BYTES;
  bodyExpected = false;
  /** Bytes that its owner has counted against the budgets for it. */
  counted = 0;
  /** The second in which its first byte came. */
  readonly startedAt: number;

  constructor(second: number) {
    this.startedAt = second;
  }

  expectBody(bytes: number): void {
    this.bodyExpected = true;
    this.need = MESSAGE_PREFIX_BYTES + bytes;
  }

  /** Takes bytes up to `need`; returns the offset after those taken. */
  take(buf: Buffer, start: number, end: number): number {
    const count = Math.min(this.need - this.length, end - start);
    const room = this.length + count;
    if (room > this.bytes.length) this.grow(room);
    buf.copy(this.bytes, this.length, start, start + count);
    this.length = room;
    return start + count;
  }

  private grow(room: number): void {
    const size = Math.min(this.need, Math.max(room, this.bytes.length * 2, BUDGETS.assemblyFirstBytes));
    const grown = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }
}
