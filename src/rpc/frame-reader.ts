// Cuts HTTP/2 frames out of socket chunks (RFC 9113 §4.1), in place: a frame that lies whole in a chunk is handed on
// as offsets into that chunk. Only a frame divided between chunks is copied, into a carry buffer that takes exactly
// the missing bytes; what follows in the new chunk is again cut in place.
//
// Payload offsets are valid only during the call. The reader checks the length and nothing else.

import { BUDGETS } from "./budgets.js";
import { FRAME_HEADER_BYTES, PREFACE, readUint32 } from "./protocol.js";

export interface FrameHandler {
  /** A whole frame; its payload is `buf[start, end)`. */
  onFrame(type: number, flags: number, streamId: number, buf: Buffer, start: number, end: number): void;
  /** A frame longer than we allow, or a wrong preface: nothing after it can be understood. */
  onUnreadable(reason: "preface" | "frame-size"): void;
  /** True when the handler wants no more frames: the connection is closing. */
  readonly stopped: boolean;
}

const NO_CARRY: Buffer = Buffer.alloc(0);

export class FrameReader {
  private readonly handler: FrameHandler;
  /** The beginning of a divided frame. */
  private carry: Buffer = NO_CARRY;
  private carried = 0;
  /** Bytes of the preface still expected: the server's side starts with all, the client's with none. */
  private prefaceLeft: number;

  constructor(handler: FrameHandler, expectPreface: boolean) {
    this.handler = handler;
    this.prefaceLeft = expectPreface ? PREFACE.length : 0;
  }

  /** True while a frame or the preface is begun and not finished. */
  get partial(): boolean {
    return this.carried > 0 || this.prefaceLeft > 0;
  }

  feed(chunk: Buffer): void {
    let pos = 0;
    if (this.prefaceLeft > 0) {
      pos = this.readPreface(chunk);
      if (pos < 0) return this.handler.onUnreadable("preface");
    }
    if (this.carried > 0) {
      pos = this.finishCarried(chunk, pos);
      if (pos < 0) return;
    }
    pos = this.cut(chunk, pos);
    if (pos < chunk.length && !this.handler.stopped) this.keep(chunk, pos, chunk.length);
  }

  /** Hands on all whole frames from `pos`; returns the offset of the first incomplete one. */
  private cut(chunk: Buffer, pos: number): number {
    const handler = this.handler;
    const end = chunk.length;
    while (end - pos >= FRAME_HEADER_BYTES && !handler.stopped) {
      const length = (chunk[pos] << 16) | (chunk[pos + 1] << 8) | chunk[pos + 2];
      if (length > BUDGETS.frameBytes) {
        handler.onUnreadable("frame-size");
        return end;
      }
      const start = pos + FRAME_HEADER_BYTES;
      if (length > end - start) return pos;
      const streamId = readUint32(chunk, pos + 5) & 0x7fff_ffff;
      pos = start + length;
      handler.onFrame(chunk[start - 6], chunk[start - 5], streamId, chunk, start, pos);
    }
    return pos;
  }

  /** Completes the carried frame from `chunk`; returns the offset after it, or -1 when there is nothing left to do. */
  private finishCarried(chunk: Buffer, pos: number): number {
    if (this.carried < FRAME_HEADER_BYTES) {
      pos = this.take(chunk, pos, FRAME_HEADER_BYTES);
      if (this.carried < FRAME_HEADER_BYTES) return -1;
    }
    const length = (this.carry[0] << 16) | (this.carry[1] << 8) | this.carry[2];
    if (length > BUDGETS.frameBytes) {
      this.handler.onUnreadable("frame-size");
      return -1;
    }
    const need = FRAME_HEADER_BYTES + length;
    pos = this.take(chunk, pos, need);
    if (this.carried < need) return -1;
    const frame = this.carry;
    // Never reused: a view of the frame may be held until the end of the chunk.
    this.carry = NO_CARRY;
    this.carried = 0;
    this.handler.onFrame(
      frame[3],
      frame[4],
      readUint32(frame, 5) & 0x7fff_ffff,
      frame,
      FRAME_HEADER_BYTES,
      need,
    );
    return pos;
  }

  /** Moves bytes into the carry buffer until it holds `need`, or the chunk is used up. */
  private take(chunk: Buffer, pos: number, need: number): number {
    const count = Math.min(need - this.carried, chunk.length - pos);
    if (this.carry.length < need) {
      const grown = Buffer.allocUnsafeSlow(Math.max(need, 64));
      this.carry.copy(grown, 0, 0, this.carried);
      this.carry = grown;
    }
    chunk.copy(this.carry, this.carried, pos, pos + count);
    this.carried += count;
    return pos + count;
  }

  /** Keeps the incomplete frame at the end of a chunk. */
  private keep(chunk: Buffer, pos: number, end: number): void {
    this.carried = 0;
    // The caller has established that fewer bytes are there than the frame has, so all of them fit.
    this.take(chunk, pos, end - pos);
  }

  /** Checks preface bytes; returns the offset after them, or -1 when they are wrong. */
  private readPreface(chunk: Buffer): number {
    const expected = PREFACE.length - this.prefaceLeft;
    const count = Math.min(this.prefaceLeft, chunk.length);
    if (PREFACE.compare(chunk, 0, count, expected, expected + count) !== 0) return -1;
    this.prefaceLeft -= count;
    return count;
  }
}
