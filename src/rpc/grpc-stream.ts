// A stream that carries gRPC messages (gRPC over HTTP/2, "Length-Prefixed-Message"), of either role: cuts messages
// out of DATA and writes messages as DATA.
//
//   offset  size  field
//        0     1  compressed: 0 or 1
//        1     4  length of the message, big-endian
//        5     n  the message
//
// A message that lies whole in a frame is handed on as a view of the socket's chunk. Only one that is divided between
// frames is copied, into a PartialMessage. Sizes are checked at the prefix, before anything is allocated for them.

import { copyInto, EMPTY_BYTES } from "#base";
import { StatusCode } from "#proto";
import { BUDGETS } from "./budgets.js";
import type { Http2Connection } from "./connection.js";
import { gunzipMessage } from "./gunzip.js";
import { MESSAGE_PREFIX_BYTES, PartialMessage } from "./partial-message.js";
import { readUint32, writeUint32 } from "./protocol.js";
import { Http2Stream } from "./stream.js";

/** Bodies from this size on are queued as they are; shorter ones are copied. */
const KEPT_BODY_BYTES = 8 * 1024;

export abstract class GrpcStream extends Http2Stream {
  /** Messages received whole. */
  messagesReceived = 0;
  /** What the peer's compressed messages are compressed with: its grpc-encoding. */
  protected encoding = "";
  private partial: PartialMessage | undefined = undefined;
  private readonly maxReceiveBytes: number;

  constructor(connection: Http2Connection, id: number, maxReceiveBytes: number) {
    super(connection, id);
    this.maxReceiveBytes = maxReceiveBytes;
  }

  /** A whole message, decompressed. The view is valid only during the call. */
  protected abstract onMessage(message: Uint8Array): void;
  /** The peer's bytes break the gRPC protocol or a limit: the call ends with this status. */
  protected abstract onFault(code: StatusCode, text: string): void;
  /** False once the owner takes no more messages: what still arrives is dropped. */
  protected abstract get accepting(): boolean;

  /** False while the peer is to send no more: a stream whose own output is not taken gets no new input. */
  protected get replenishes(): boolean {
    return this.queuedBytes < BUDGETS.streamQueueHighBytes;
  }

  get isHalfReceived(): boolean {
    return this.partial !== undefined;
  }

  /** Of the message now half received: whether its prefix is complete. */
  get knowsLength(): boolean {
    return this.partial?.bodyExpected === true;
  }

  /** The second in which the message now half received began; call only when there is one. */
  get halfReceivedSince(): number {
    return this.partial!.startedAt;
  }

  override receiveData(buf: Buffer, start: number, end: number, last: boolean): void {
    let pos = start;
    if (this.partial !== undefined) pos = this.continuePartial(buf, start, end, this.partial);
    if (this.partial === undefined) pos = this.cutMessages(buf, pos, end);
    if (pos < end && this.accepting) {
      this.partial = new PartialMessage(this.connection.group.second);
      this.continuePartial(buf, pos, end, this.partial);
    }
    if (last) this.receiveEnd();
    else if (this.replenishes) this.connection.replenishStreamWindow(this);
  }

  /** Frees what a half-received message holds. */
  override onForgotten(): void {
    if (this.partial === undefined) return;
    this.connection.countAssembly(-this.partial.counted);
    this.partial = undefined;
  }

  /** Hands on the messages that lie whole in `buf[pos, end)`; returns the offset of the first that does not. */
  private cutMessages(buf: Buffer, pos: number, end: number): number {
    while (end - pos >= MESSAGE_PREFIX_BYTES && this.accepting) {
      const length = readUint32(buf, pos + 1);
      if (length > this.maxReceiveBytes || length > end - pos - MESSAGE_PREFIX_BYTES) return pos;
      const start = pos + MESSAGE_PREFIX_BYTES;
      this.deliver(buf[pos], new Uint8Array(buf.buffer, buf.byteOffset + start, length));
      pos = start + length;
    }
    return pos;
  }

  /** Feeds the half-received message; returns the offset after the bytes it took. */
  private continuePartial(buf: Buffer, start: number, end: number, partial: PartialMessage): number {
    let pos = partial.take(buf, start, end);
    if (!partial.bodyExpected && partial.length === MESSAGE_PREFIX_BYTES) {
      const length = readUint32(partial.bytes, 1);
      if (length > this.maxReceiveBytes) {
        const sizes = `${length} vs. ${this.maxReceiveBytes}`;
        this.failReceive(`grpc: received message larger than max (${sizes})`);
        return end;
      }
      partial.expectBody(length);
      pos = partial.take(buf, pos, end);
    }
    if (partial.bodyExpected && partial.length === partial.need) {
      this.onForgotten();
      this.deliver(partial.bytes[0], partial.bytes.subarray(MESSAGE_PREFIX_BYTES, partial.length));
      return pos;
    }
    const grown = partial.bytes.length - partial.counted;
    partial.counted += grown;
    if (this.connection.countAssembly(grown)) return pos;
    this.failReceive("grpc: too many bytes of unfinished messages");
    return end;
  }

  private failReceive(text: string): void {
    this.onForgotten();
    this.onFault(StatusCode.ResourceExhausted, text);
  }

  private deliver(flag: number, message: Uint8Array): void {
    if (flag !== 0) return this.deliverCompressed(flag, message);
    this.messagesReceived++;
    this.connection.noteMessage(message.length);
    this.onMessage(message);
  }

  private deliverCompressed(flag: number, message: Uint8Array): void {
    const unpacked = gunzipMessage(flag, message, this.encoding, this.maxReceiveBytes);
    const refused = !(unpacked instanceof Uint8Array);
    const unfolded = refused ? this.maxReceiveBytes : unpacked.length;
    if (!this.connection.chargeInflation(message.length, unfolded)) return;
    if (refused) return this.onFault(unpacked.code, unpacked.message);
    this.messagesReceived++;
    this.connection.noteMessage(unpacked.length);
    this.onMessage(unpacked);
  }

  /** Writes `head[start, end)` and then `body` as one message, as far as it may leave; the rest is queued. The head is
   *  copied, the body may be kept. */
  protected writeMessage(head: Uint8Array, start: number, end: number, body = EMPTY_BYTES): void {
    const { sender } = this.connection;
    const total = MESSAGE_PREFIX_BYTES + end - start + body.length;
    if (!this.hasQueued && total <= sender.sendable(this)) {
      const at = sender.openData(this, total, 0);
      writeMessageAt(sender.out.buf, at, head, start, end, body);
    } else this.writeInParts(head, start, end, body);
    this.connection.touch();
  }

  /** A message that does not fit into one frame, or that something is queued ahead of. */
  private writeInParts(head: Uint8Array, start: number, end: number, body: Uint8Array): void {
    const { sender } = this.connection;
    const size = end - start + body.length;
    if (body.length === 0) {
      const prefix = Buffer.allocUnsafe(MESSAGE_PREFIX_BYTES);
      writePrefix(prefix, 0, size);
      const message = new Uint8Array(head.buffer, head.byteOffset + start, size);
      return sender.sendInParts(this, prefix, message, false);
    }
    const lead = Buffer.allocUnsafe(MESSAGE_PREFIX_BYTES + end - start);
    writePrefix(lead, 0, size);
    copyInto(lead, MESSAGE_PREFIX_BYTES, head, start, end);
    // A body that is kept must be worth it: a short one may be a piece of a large page.
    sender.sendInParts(this, lead, body, body.length >= KEPT_BODY_BYTES);
  }
}

function writePrefix(out: Uint8Array, at: number, size: number): void {
  out[at] = 0;
  writeUint32(out, at + 1, size);
}

/** Writes prefix, head and body at `at`. */
export function writeMessageAt(
  out: Uint8Array,
  at: number,
  head: Uint8Array,
  start: number,
  end: number,
  body: Uint8Array,
): void {
  const headSize = end - start;
  writePrefix(out, at, headSize + body.length);
  copyInto(out, at + MESSAGE_PREFIX_BYTES, head, start, end);
  if (body.length > 0) copyInto(out, at + MESSAGE_PREFIX_BYTES + headSize, body, 0, body.length);
}
