// Gathers one header block from HEADERS and CONTINUATION frames (RFC 9113 §4.3). A block that fits into its HEADERS
// frame, the usual case, never comes here. Nothing else may arrive on the connection while a block is open, so there
// is one assembler per connection, and its bounds are the whole defence against endless CONTINUATION.

import { BUDGETS } from "./budgets.js";

const NONE: Buffer = Buffer.alloc(0);

export class HeaderAssembler {
  /** The stream whose block is open, or 0. */
  streamId = 0;
  endStream = false;
  /** The second in which the block was opened. */
  openedAt = 0;
  private bytes: Buffer = NONE;
  private length = 0;
  private frames = 0;

  begin(streamId: number, endStream: boolean, second: number): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.openedAt = second;
    this.length = 0;
    this.frames = -1;
  }

  /** Adds a fragment; false when the block has become too long or has too many frames. */
  append(buf: Buffer, start: number, end: number): boolean {
    const need = this.length + (end - start);
    if (++this.frames > BUDGETS.continuationFrames || need > BUDGETS.headerBlockBytes) return false;
    if (need > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(BUDGETS.headerBlockBytes, need * 2));
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    buf.copy(this.bytes, this.length, start, end);
    this.length = need;
    return true;
  }

  /** Closes the block and hands its bytes over; they are the caller's alone. */
  finish(): Buffer {
    const block = this.bytes.subarray(0, this.length);
    this.bytes = NONE;
    this.length = 0;
    this.streamId = 0;
    return block;
  }
}
