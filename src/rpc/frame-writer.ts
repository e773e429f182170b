// Writes whole frames (RFC 9113 §6) into a connection's output buffer. DATA frames of messages are written where the
// messages are (grpc-stream.ts, sender.ts); here are the control frames and the header blocks.

import { BUDGETS } from "./budgets.js";
import type { OutputBuffer } from "./output-buffer.js";
import {
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_CONTINUATION,
  FRAME_GOAWAY,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  writeFrameHeader,
  writeUint32,
} from "./protocol.js";

/** Largest debug text that goes into a GOAWAY. */
const DEBUG_BYTES = 256;

export function writeRstStream(out: OutputBuffer, streamId: number, code: number): void {
  const at = out.reserve(FRAME_HEADER_BYTES + 4);
  writeFrameHeader(out.buf, at, 4, FRAME_RST_STREAM, 0, streamId);
  writeUint32(out.buf, at + FRAME_HEADER_BYTES, code);
}

export function writeWindowUpdate(out: OutputBuffer, streamId: number, bytes: number): void {
  const at = out.reserve(FRAME_HEADER_BYTES + 4);
  writeFrameHeader(out.buf, at, 4, FRAME_WINDOW_UPDATE, 0, streamId);
  writeUint32(out.buf, at + FRAME_HEADER_BYTES, bytes);
}

/** A PING, or the answer to one; `payload[start, start + 8)` is its opaque data. */
export function writePing(out: OutputBuffer, ack: boolean, payload: Uint8Array, start: number): void {
  const at = out.reserve(FRAME_HEADER_BYTES + 8);
  const buf = out.buf;
  writeFrameHeader(buf, at, 8, FRAME_PING, ack ? FLAG_ACK : 0, 0);
  for (let i = 0; i < 8; i++) buf[at + FRAME_HEADER_BYTES + i] = payload[start + i];
}

export function writeSettings(
  out: OutputBuffer,
  settings: readonly (readonly [id: number, value: number])[],
): void {
  const at = out.reserve(FRAME_HEADER_BYTES + settings.length * 6);
  writeFrameHeader(out.buf, at, settings.length * 6, FRAME_SETTINGS, 0, 0);
  let pos = at + FRAME_HEADER_BYTES;
  for (const [id, value] of settings) {
    out.buf[pos] = id >>> 8;
    out.buf[pos + 1] = id;
    writeUint32(out.buf, pos + 2, value);
    pos += 6;
  }
}

export function writeSettingsAck(out: OutputBuffer): void {
  const at = out.reserve(FRAME_HEADER_BYTES);
  writeFrameHeader(out.buf, at, 0, FRAME_SETTINGS, FLAG_ACK, 0);
}

export function writeGoaway(out: OutputBuffer, lastStreamId: number, code: number, debug: string): void {
  const text = Buffer.from(debug, "latin1").subarray(0, DEBUG_BYTES);
  const at = out.reserve(FRAME_HEADER_BYTES + 8 + text.length);
  writeFrameHeader(out.buf, at, 8 + text.length, FRAME_GOAWAY, 0, 0);
  writeUint32(out.buf, at + FRAME_HEADER_BYTES, lastStreamId);
  writeUint32(out.buf, at + FRAME_HEADER_BYTES + 4, code);
  out.buf.set(text, at + FRAME_HEADER_BYTES + 8);
}

/** A header block as HEADERS and, when it does not fit into one frame, CONTINUATION. */
export function writeHeaders(
  out: OutputBuffer,
  streamId: number,
  block: Uint8Array,
  endStream: boolean,
): void {
  const endFlag = endStream ? FLAG_END_STREAM : 0;
  if (block.length <= BUDGETS.frameBytes) {
    const at = out.reserve(FRAME_HEADER_BYTES + block.length);
    writeFrameHeader(out.buf, at, block.length, FRAME_HEADERS, FLAG_END_HEADERS | endFlag, streamId);
    out.buf.set(block, at + FRAME_HEADER_BYTES);
    return;
  }
  for (let pos = 0; pos < block.length; pos += BUDGETS.frameBytes) {
    const part = block.subarray(pos, pos + BUDGETS.frameBytes);
    const type = pos === 0 ? FRAME_HEADERS : FRAME_CONTINUATION;
    const last = pos + part.length === block.length ? FLAG_END_HEADERS : 0;
    const at = out.reserve(FRAME_HEADER_BYTES + part.length);
    writeFrameHeader(out.buf, at, part.length, type, last | (pos === 0 ? endFlag : 0), streamId);
    out.buf.set(part, at + FRAME_HEADER_BYTES);
  }
}
