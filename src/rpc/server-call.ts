// One call at the server: the HTTP/2 stream, the gRPC messages on it and the handler's view of it, in one object. A
// unary call costs this object and nothing else: no promise, no closure.
//
// Life of a call: opened by HEADERS; dispatched to its handler, with its one message (unary and server streaming) or
// at once (the others); answered, once, by reply, end or fail; forgotten when both sides have ended. A call that the
// peer or the transport ends earlier is `cancelled`, and whatever its handler still does to it is without effect.

import { EMPTY_BYTES } from "#base";
import { type RpcError, StatusCode } from "#proto";
import { BUDGETS } from "./budgets.js";
import { writeHeaders } from "./frame-writer.js";
import { OK_TRAILERS, RESPONSE_HEADERS, statusBlock } from "./grpc-status.js";
import { GrpcStream, writeMessageAt } from "./grpc-stream.js";
import type { Metadata } from "./metadata.js";
import type { CallObserver, Method } from "./method.js";
import { MESSAGE_PREFIX_BYTES } from "./partial-message.js";
import {
  ErrorCode,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_DATA,
  FRAME_HEADER_BYTES,
  FRAME_HEADERS,
  writeFrameHeader,
} from "./protocol.js";
import type { RequestHead } from "./request-head.js";
import type { ServerConnection } from "./server-connection.js";

/** The frames before and after the one message of a unary reply, as they are but for the stream id. */
const REPLY_HEAD = frameTemplate(RESPONSE_HEADERS, FLAG_END_HEADERS);
const REPLY_TAIL = frameTemplate(OK_TRAILERS, FLAG_END_HEADERS | FLAG_END_STREAM);

const MANY_MESSAGES =
  "cardinality violation: received multiple request messages for non-client-streaming RPC";

function frameTemplate(block: Uint8Array, flags: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + block.length);
  writeFrameHeader(frame, 0, block.length, FRAME_HEADERS, flags, 0);
  frame.set(block, FRAME_HEADER_BYTES);
  return frame;
}

function writeTemplate(out: Uint8Array, at: number, template: Uint8Array, streamId: number): number {
  for (let i = 0; i < template.length; i++) out[at + i] = template[i];
  out[at + 5] = streamId >>> 24;
  out[at + 6] = streamId >>> 16;
  out[at + 7] = streamId >>> 8;
  out[at + 8] = streamId;
  return at + template.length;
}

export class ServerCall extends GrpcStream {
  readonly method: Method;
  /** A free slot for the handler. */
  context: unknown = undefined;
  /** Told about the call's further fate; a unary handler may set it to hear of a cancellation. */
  observer: CallObserver | undefined = undefined;
  /** When the caller stops waiting, by the clock of the server; Infinity without a deadline. */
  deadline = Number.POSITIVE_INFINITY;
  /** True when the call ended without the handler's doing; nothing more can be sent. */
  cancelled = false;
  /** The handler has it. */
  dispatched = false;
  /** The one message of a call that has not been dispatched yet. */
  pending: Uint8Array | undefined = undefined;
  /** Bytes of its message while it waits for its connection to get rid of output before it is dispatched; else -1. */
  parkedBytes = -1;
  /** The second in which it was opened. */
  readonly openedAt: number;
  private readonly head: RequestHead;
  private readonly owner: ServerConnection;
  private headersSent = false;
  /** When the chunk that it began in was read, on the server's clock. */
  private readonly beganMs: number;

  constructor(owner: ServerConnection, id: number, method: Method, head: RequestHead) {
    super(owner, id, owner.maxReceiveBytes);
    this.owner = owner;
    this.method = method;
    this.head = head;
    this.encoding = head.encoding;
    this.contentLeft = head.contentLength;
    this.openedAt = owner.group.second;
    this.beganMs = owner.receivedMs;
  }

  /** Address of the client, as `host:port`. */
  get remote(): string {
    return this.owner.remote;
  }

  get metadata(): Metadata {
    return this.head.metadata;
  }

  /** True once reply, end or fail has been called, or the call was cancelled: the handler has no more say. */
  get ended(): boolean {
    return this.localClosed || this.closed;
  }

  /** True while the connection holds more unread output than it should: a handler may put off producing more. */
  get congested(): boolean {
    return this.owner.queuedBytes > BUDGETS.parkCallsBytes;
  }

  // -- for the handler -------------------------------------------------------------------------------------------------

  /** Answers a unary call: headers, `message[start, end)`, OK. The bytes are copied before this returns. */
  reply(message: Uint8Array, start = 0, end = message.length): void {
    if (this.ended) return;
    const size = end - start;
    if (size > this.owner.maxSendBytes) return this.failTooLarge(size);
    const sender = this.owner.sender;
    const total = MESSAGE_PREFIX_BYTES + size;
    this.method.stats.messagesSent++;
    this.owner.group.counters.messageBytesSent += size;
    if (!this.repliesPlainly || total > sender.sendable(this)) {
      this.sendHeaders();
      this.writeMessage(message, start, end);
      return this.finish(StatusCode.OK, OK_TRAILERS);
    }
    // The usual case: three frames, one reservation.
    const out = sender.out;
    const frames = REPLY_HEAD.length + FRAME_HEADER_BYTES + total + REPLY_TAIL.length;
    let at = out.reserve(frames);
    const buf = out.buf;
    at = writeTemplate(buf, at, REPLY_HEAD, this.id);
    writeFrameHeader(buf, at, total, FRAME_DATA, 0, this.id);
    writeMessageAt(buf, at + FRAME_HEADER_BYTES, message, start, end, EMPTY_BYTES);
    writeTemplate(buf, at + FRAME_HEADER_BYTES + total, REPLY_TAIL, this.id);
    sender.countSent(this, total);
    this.localClosed = true;
    this.countHandled(StatusCode.OK);
    this.onSent();
    this.owner.touch();
  }

  /** Nothing has been sent, and the headers are the usual ones. */
  private get repliesPlainly(): boolean {
    return !this.headersSent && this.head.responseHeaders === RESPONSE_HEADERS;
  }

  /** Sends one message of a streaming response; the bytes are copied before this returns. False asks the handler to
   *  wait for onDrain (what it sends in spite of that is queued), or says that the call is over. */
  send(message: Uint8Array, start = 0, end = message.length): boolean {
    return this.sendWithBody(message, start, end, EMPTY_BYTES);
  }

  /** As `send`, of the message that `head[start, end)` begins and `body` ends. The body may be sent to others too; its
   *  bytes are not copied and must never change. */
  sendWithBody(head: Uint8Array, start: number, end: number, body: Uint8Array): boolean {
    if (this.ended) return false;
    const size = end - start + body.length;
    if (size > this.owner.maxSendBytes) {
      this.failTooLarge(size);
      return false;
    }
    this.method.stats.messagesSent++;
    this.owner.group.counters.messageBytesSent += size;
    this.sendHeaders();
    this.writeMessage(head, start, end, body);
    if (this.closed || this.queuedBytes < BUDGETS.streamQueueHighBytes) return !this.closed;
    this.owesDrain = true;
    return false;
  }

  /** Sends the response headers ahead of the first message. */
  sendHeaders(): void {
    if (this.headersSent || this.ended) return;
    this.headersSent = true;
    writeHeaders(this.owner.out, this.id, this.head.responseHeaders, false);
    this.owner.touch();
  }

  /** Ends a streaming call with OK. */
  end(): void {
    if (this.ended) return;
    this.sendHeaders();
    this.finish(StatusCode.OK, OK_TRAILERS);
  }

  /** Ends the call with an error. */
  fail(code: StatusCode, text: string): void {
    if (this.ended) return;
    this.finish(code, statusBlock(code, text, this.headersSent ? undefined : this.head.responseHeaders));
  }

  failWith(error: RpcError): void {
    this.fail(error.code, error.message);
  }

  // -- for the transport -----------------------------------------------------------------------------------------------

  /** Begins the call: its deadline, and for methods that take a stream, the handler. */
  open(): void {
    const stats = this.method.stats;
    stats.started++;
    if (this.head.timeoutMs >= 0) this.deadline = this.owner.group.clock.now() + this.head.timeoutMs;
    if (!this.method.takesOneMessage) {
      this.dispatched = true;
      this.owner.server.dispatchOpen(this);
      this.armDeadline();
    }
  }

  /** Hands the one message to the handler. */
  dispatch(): void {
    const message = this.pending!;
    this.pending = undefined;
    this.dispatched = true;
    if (this.deadline !== Number.POSITIVE_INFINITY && this.deadline <= this.owner.group.clock.now()) {
      return this.onDeadline();
    }
    this.owner.server.dispatchMessage(this, message);
    this.armDeadline();
  }

  /** Arms the deadline of a call that its handler has not answered on the spot. */
  armDeadline(): void {
    if (this.deadline === Number.POSITIVE_INFINITY || this.ended) return;
    this.owner.group.deadlines.arm(this, this.deadline);
  }

  protected override get accepting(): boolean {
    return !this.localClosed && !this.closed;
  }

  protected override onMessage(message: Uint8Array): void {
    this.method.stats.messagesReceived++;
    if (!this.method.takesOneMessage) {
      this.owner.server.deliverMessage(this, message);
      return;
    }
    if (this.dispatched || this.pending !== undefined) {
      // As in Go's gRPC: a unary call takes its first message and never looks for another.
      if (this.method.kind === "serverStream") this.fail(StatusCode.Internal, MANY_MESSAGES);
      return;
    }
    this.pending = message;
    if (!this.remoteClosed) this.owner.deferDispatch(this);
  }

  override receiveEnd(): void {
    if (this.ended) return this.onSent();
    const eofCode = this.method.kind === "unary" ? StatusCode.Unknown : StatusCode.Internal;
    if (this.isHalfReceived) return this.fail(eofCode, this.knowsLength ? "unexpected EOF" : "EOF");
    if (!this.method.takesOneMessage) {
      this.owner.server.deliverHalfClose(this);
      return;
    }
    if (this.pending !== undefined) return this.owner.admit(this);
    if (!this.dispatched) this.fail(eofCode, "EOF");
  }

  override receiveReset(_code: number, _reason: string): void {
    if (!this.localClosed) this.countHandled(StatusCode.Canceled);
    this.cancel();
  }

  override onDeadline(): void {
    if (this.ended) return;
    const observer = this.observer;
    this.observer = undefined;
    this.fail(StatusCode.DeadlineExceeded, "context deadline exceeded");
    this.cancelled = true;
    if (observer !== undefined) this.owner.server.deliverCancel(this, observer);
  }

  override onDrained(): void {
    this.owner.replenishStreamWindow(this);
    this.owner.server.deliverDrain(this);
  }

  /** The trailers are out. A client that is still sending is told to stop (RFC 9113 §8.1). */
  override onSent(): void {
    if (this.closed || !this.localClosed || this.hasQueued) return;
    if (this.remoteClosed) this.owner.endStream(this);
    else this.owner.resetStream(this, ErrorCode.NoError);
  }

  protected override onFault(code: StatusCode, text: string): void {
    this.fail(code, text);
    this.cancel();
  }

  private cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.pending = undefined;
    if (this.observer !== undefined) this.owner.server.deliverCancel(this, this.observer);
  }

  private countHandled(code: StatusCode): void {
    const { stats, timer } = this.method;
    stats.handled[code]++;
    if (timer !== undefined) timer.onHandled(this, code, this.owner.group.clock.now() - this.beganMs);
  }

  private failTooLarge(size: number): void {
    const max = this.owner.maxSendBytes;
    this.fail(StatusCode.ResourceExhausted, `trying to send message larger than max (${size} vs. ${max})`);
  }

  private finish(code: StatusCode, block: Buffer): void {
    this.localClosed = true;
    this.countHandled(code);
    this.owner.sender.end(this, block);
    this.owner.touch();
  }
}
