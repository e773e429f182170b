// The sending half of a connection: what may leave now, what has to wait, and in which order the waiting goes on.
//
// DATA leaves when three things allow it: the stream's window, the connection's window (RFC 9113 §5.2), and the
// socket, which must not hold more than a bounded count of bytes that the kernel has not taken. What may not leave goes
// into the stream's queue. A stream that waits for its own window is woken by its WINDOW_UPDATE; those that
// wait for the connection stand in one line and are served in turn, a quantum each.
//
// Control frames and header blocks are never held back: they are small, and bounded by what the peer may ask for.

import { assert, copyBytes, copyInto, EMPTY_BYTES, Ring } from "#base";
import type { AbuseMeter } from "./abuse.js";
import { BUDGETS } from "./budgets.js";
import type { ConnectionGroup } from "./connection-group.js";
import { writeHeaders } from "./frame-writer.js";
import type { OutputBuffer } from "./output-buffer.js";
import {
  DEFAULT_WINDOW_BYTES,
  FLAG_END_STREAM,
  FRAME_DATA,
  FRAME_HEADER_BYTES,
  WINDOW_BYTES_MAX,
  writeFrameHeader,
} from "./protocol.js";
import { type Http2Stream, SendQueue, type StreamEnding } from "./stream.js";

export class Sender {
  readonly out: OutputBuffer;
  /** The connection's window, and the initial window of its streams: both as the peer has set them. */
  window = DEFAULT_WINDOW_BYTES;
  initialWindow = DEFAULT_WINDOW_BYTES;
  /** Bytes queued on all streams, and how many streams have something queued. */
  queuedBytes = 0;
  queuedStreams = 0;
  /** Frames sent that carry an answer: DATA and the ends of streams. */
  framesSent = 0;
  private readonly group: ConnectionGroup;
  private readonly abuse: AbuseMeter;
  /** Bytes of DATA written in this turn of the event loop. */
  private turnBytes = 0;
  /** A walk along the line is going on: who joins it now is served by that walk. */
  private pumping = false;
  private readonly waiting = new Ring<Http2Stream>(4);

  constructor(out: OutputBuffer, group: ConnectionGroup, abuse: AbuseMeter) {
    this.out = out;
    this.group = group;
    this.abuse = abuse;
  }

  /** True when the connection has written what it may in this turn; `beginTurn` has to follow in a later one. */
  get spent(): boolean {
    return this.turnBytes >= BUDGETS.turnBytes;
  }

  /** A new turn of the event loop: what waited for it goes on. */
  beginTurn(): void {
    this.turnBytes = 0;
  }

  /** Bytes of DATA payload that may leave on `stream` now, in one frame. */
  sendable(stream: Http2Stream): number {
    if (this.out.blocked || this.spent) return 0;
    return Math.min(this.initialWindow - stream.sendUsed, this.window, BUDGETS.frameBytes);
  }

  /** Reserves one DATA frame of `bytes` payload, which `sendable` has allowed; returns the offset of the payload. */
  openData(stream: Http2Stream, bytes: number, flags: number): number {
    const at = this.out.reserve(FRAME_HEADER_BYTES + bytes);
    writeFrameHeader(this.out.buf, at, bytes, FRAME_DATA, flags, stream.id);
    this.countSent(stream, bytes);
    return at + FRAME_HEADER_BYTES;
  }

  /** Accounts for one DATA frame that has been written. */
  countSent(stream: Http2Stream, bytes: number): void {
    this.window -= bytes;
    this.turnBytes += bytes;
    stream.sendUsed += bytes;
    stream.served = true;
    this.framesSent++;
    this.abuse.credit();
  }

  /** Sends `lead` and then `rest`, as far as they may leave now, in as many frames as it takes; queues what is left. The
   *  bytes of `lead` must not change any more.
   *  @param keepsRest nor those of `rest`; otherwise what is queued of it is a copy */
  sendInParts(stream: Http2Stream, lead: Uint8Array, rest: Uint8Array, keepsRest: boolean): void {
    // Whoever stands in line already comes first.
    const sent = stream.hasQueued || this.waiting.length > 0 ? 0 : this.writeThrough(stream, lead, rest);
    if (sent === lead.length + rest.length) return;
    const left = remainder(rest, Math.max(0, sent - lead.length));
    const queued = keepsRest ? left : copyBytes(left);
    if (sent >= lead.length) this.enqueue(stream, queued);
    else this.enqueue(stream, remainder(lead, sent), queued);
  }

  /** Queues chunks behind what the stream has queued, and sends what may leave. Their bytes must not change any more. */
  enqueue(stream: Http2Stream, chunk: Uint8Array, next = EMPTY_BYTES): void {
    const queue = this.queueOf(stream);
    queue.chunks.push(chunk);
    if (next.length > 0) queue.chunks.push(next);
    const bytes = chunk.length + next.length;
    queue.bytes += bytes;
    this.countQueued(bytes);
    if (this.queuedBytes > BUDGETS.queuedBytesPerConnection) {
      return stream.connection.cut("queued-bytes", "the connection holds too many bytes that nobody reads");
    }
    this.pump(stream);
  }

  /** Ends the sending side once the queue has left: with a trailer block, or with END_STREAM on an empty frame. */
  end(stream: Http2Stream, ending: Exclude<StreamEnding, undefined>): void {
    if (!stream.hasQueued) return this.writeEnding(stream, ending);
    const queue = this.queueOf(stream);
    assert(queue.ending === undefined, "a stream ends once");
    queue.ending = ending;
  }

  /** Sends what may leave of one stream. */
  pump(stream: Http2Stream): void {
    const queue = stream.queue;
    if (queue === undefined || queue.waiting || !stream.hasQueued) return;
    queue.waiting = true;
    this.waiting.push(stream);
    this.pumpWaiting();
  }

  /** Sends what may leave of all streams in the line, a quantum each in turn. */
  pumpWaiting(): void {
    if (this.pumping) return;
    this.pumping = true;
    while (this.waiting.length > 0 && this.window > 0 && !this.out.blocked && !this.spent) {
      const stream = this.waiting.shift()!;
      const queue = stream.queue;
      if (stream.closed || queue === undefined) continue;
      queue.waiting = false;
      if (this.pumpQuantum(stream, queue)) {
        queue.waiting = true;
        this.waiting.push(stream);
      }
    }
    this.pumping = false;
  }

  /** The peer grants `bytes` more on the connection; false on overflow. */
  grantConnection(bytes: number): boolean {
    this.window += bytes;
    if (this.window > WINDOW_BYTES_MAX) return false;
    this.pumpWaiting();
    return true;
  }

  /** The peer grants `bytes` more on a stream; false on overflow. */
  grantStream(stream: Http2Stream, bytes: number): boolean {
    stream.sendUsed -= bytes;
    if (this.initialWindow - stream.sendUsed > WINDOW_BYTES_MAX) return false;
    this.pump(stream);
    return true;
  }

  /** Forgets what is queued: the stream is gone. */
  drop(stream: Http2Stream): void {
    const queue = stream.queue;
    if (queue === undefined) return;
    if (stream.hasQueued) this.queuedStreams--;
    this.countQueued(-queue.bytes);
    stream.queue = undefined;
  }

  /** Sends at most a quantum; true when more could leave but for the connection (its window, socket or fairness). */
  private pumpQuantum(stream: Http2Stream, queue: SendQueue): boolean {
    let quantum: number = BUDGETS.sendQuantumBytes;
    while (queue.bytes > 0) {
      const sendable = Math.min(this.sendable(stream), queue.bytes);
      if (sendable <= 0) return this.initialWindow - stream.sendUsed > 0;
      if (quantum <= 0) return true;
      this.sendFrame(stream, queue, sendable);
      quantum -= sendable;
      queue.progressAt = this.group.second;
    }
    this.queuedStreams--;
    const ending = queue.ending;
    queue.ending = undefined;
    if (ending !== undefined) this.writeEnding(stream, ending);
    else if (stream.owesDrain) {
      stream.owesDrain = false;
      stream.onDrained();
    }
    return false;
  }

  /** Writes what may leave of the bytes of `lead` and `rest`. @returns their count */
  private writeThrough(stream: Http2Stream, lead: Uint8Array, rest: Uint8Array): number {
    const total = lead.length + rest.length;
    let sent = 0;
    while (sent < total) {
      const bytes = Math.min(this.sendable(stream), total - sent);
      if (bytes <= 0) break;
      const at = this.openData(stream, bytes, 0);
      const fromLead = Math.max(0, Math.min(bytes, lead.length - sent));
      if (fromLead > 0) copyInto(this.out.buf, at, lead, sent, sent + fromLead);
      sent += fromLead;
      const start = sent - lead.length;
      copyInto(this.out.buf, at + fromLead, rest, start, start + bytes - fromLead);
      sent += bytes - fromLead;
    }
    return sent;
  }

  /** One DATA frame of exactly `bytes`, gathered from as many chunks as it takes. */
  private sendFrame(stream: Http2Stream, queue: SendQueue, bytes: number): void {
    let at = this.openData(stream, bytes, 0);
    const buf = this.out.buf;
    let left = bytes;
    while (left > 0) {
      const chunk = queue.chunks.peek()!;
      const count = Math.min(left, chunk.length - queue.offset);
      copyInto(buf, at, chunk, queue.offset, queue.offset + count);
      at += count;
      left -= count;
      queue.offset += count;
      if (queue.offset < chunk.length) continue;
      queue.chunks.shift();
      queue.offset = 0;
    }
    queue.bytes -= bytes;
    this.countQueued(-bytes);
  }

  private writeEnding(stream: Http2Stream, ending: Exclude<StreamEnding, undefined>): void {
    this.framesSent++;
    if (ending === "end-data") {
      const at = this.out.reserve(FRAME_HEADER_BYTES);
      writeFrameHeader(this.out.buf, at, 0, FRAME_DATA, FLAG_END_STREAM, stream.id);
    } else writeHeaders(this.out, stream.id, ending, true);
    stream.onSent();
  }

  private queueOf(stream: Http2Stream): SendQueue {
    const queue = stream.queue ?? new SendQueue(this.group.second);
    stream.queue = queue;
    if (!stream.hasQueued) {
      this.queuedStreams++;
      queue.progressAt = this.group.second;
    }
    return queue;
  }

  private countQueued(bytes: number): void {
    this.queuedBytes += bytes;
    this.group.addQueuedBytes(bytes);
  }
}

function remainder(bytes: Uint8Array, start: number): Uint8Array {
  return start === 0 ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
}
