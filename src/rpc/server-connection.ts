// The server's side of a connection: opens calls from header blocks, decides when a call reaches its handler, and
// watches over the client's pings. What a method is, it asks the server.

import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { copyBytes } from "#base";
import { BUDGETS, DEFAULTS } from "./budgets.js";
import { CLOSED_BY_US } from "./closed-streams.js";
import { Http2Connection } from "./connection.js";
import { sweeps } from "./connection-group.js";
import { writeGoaway, writeHeaders, writePing, writeSettings, writeWindowUpdate } from "./frame-writer.js";
import type { HeaderBlock } from "./hpack-decoder.js";
import { literalBlock } from "./hpack-encoder.js";
import { HttpBridgeStream, isBridgeable } from "./http-bridge.js";
import { Keepalive } from "./keepalive.js";
import {
  DEFAULT_WINDOW_BYTES,
  ErrorCode,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_CONCURRENT_STREAMS,
  SETTING_MAX_HEADER_LIST_SIZE,
  STREAM_ID_MAX,
} from "./protocol.js";
import { RequestHead } from "./request-head.js";
import type { RpcServer } from "./server.js";
import { ServerCall } from "./server-call.js";

/** Draining: not, announced (the client may still open streams that it began before it knew), or decided. */
const DRAIN_NONE = 0;
const DRAIN_ANNOUNCED = 1;
const DRAIN_FINAL = 2;
const DRAIN_PING = Buffer.from("drain...", "latin1");

const BAD_REQUEST = literalBlock([[":status", "400"]]);

export class ServerConnection extends Http2Connection {
  readonly server: RpcServer;
  readonly maxReceiveBytes: number;
  readonly maxSendBytes: number;
  /** Calls with a whole message whose END_STREAM may follow in the same chunk. */
  private readonly deferred: ServerCall[] = [];
  /** Calls that wait because the connection already holds too much output. */
  private readonly parked: ServerCall[] = [];
  private parkedBytes = 0;
  private readonly keepalive: Keepalive;
  private lastPingAt = Number.NEGATIVE_INFINITY;
  private pingStrikes = 0;
  private sentAtLastPing = 0;
  private drain = DRAIN_NONE;
  private drainAnnouncedAt = 0;
  /** The highest stream that is still served once draining is decided. */
  private drainLimit: number = STREAM_ID_MAX;

  /** Takes requests that are not gRPC's, if there is one. */
  private readonly http: HttpServer | undefined;

  constructor(socket: Socket, server: RpcServer, http: HttpServer | undefined) {
    super(socket, server.group, true);
    this.http = http;
    this.server = server;
    this.maxReceiveBytes = server.options.maxReceiveBytes;
    this.maxSendBytes = server.options.maxSendBytes;
    this.keepalive = new Keepalive(
      server.options.keepaliveIntervalMs,
      server.options.keepaliveTimeoutMs,
      true,
    );
    writeSettings(this.out, [
      [SETTING_MAX_CONCURRENT_STREAMS, server.options.maxConcurrentStreams],
      [SETTING_INITIAL_WINDOW_SIZE, BUDGETS.streamWindowBytes],
      [SETTING_MAX_HEADER_LIST_SIZE, BUDGETS.headerListBytes],
    ]);
    writeWindowUpdate(this.out, 0, BUDGETS.connectionWindowBytes - DEFAULT_WINDOW_BYTES);
    this.touch();
  }

  // -- opening calls ---------------------------------------------------------------------------------------------------

  protected override onHeaders(streamId: number, block: HeaderBlock, endStream: boolean): void {
    if (streamId <= this.lastStreamId) return this.onLaterHeaders(streamId, block, endStream);
    if ((streamId & 1) === 0) {
      return this.connectionError(ErrorCode.ProtocolError, "HEADERS on a stream of the server's");
    }
    this.lastStreamId = streamId;
    // After the last GOAWAY these are not ours any more; the client knows and asks elsewhere.
    if (streamId > this.drainLimit) return this.closedStreams.note(streamId, CLOSED_BY_US);
    if (block.oversize)
      return this.errorOnStream(streamId, ErrorCode.EnhanceYourCalm, "the header list is too large");
    let head = block.parsed as RequestHead | undefined;
    if (head === undefined) {
      head = new RequestHead(block);
      head.route = this.server.findMethod(head);
      block.parsed = head;
    }
    if (head.malformed !== undefined)
      return this.errorOnStream(streamId, ErrorCode.ProtocolError, head.malformed);
    if (endStream && head.contentLength > 0) {
      return this.errorOnStream(streamId, ErrorCode.ProtocolError, "the body does not match content-length");
    }
    if (this.streams.size >= this.server.options.maxConcurrentStreams) {
      this.group.counters.streamsRefused++;
      return this.errorOnStream(streamId, ErrorCode.RefusedStream, "too many concurrent streams");
    }
    this.group.counters.streamsOpened++;
    if (this.http !== undefined && !head.isGrpc) return this.openBridge(streamId, head, endStream, this.http);
    this.open(streamId, head, endStream);
  }

  private open(streamId: number, head: RequestHead, endStream: boolean): void {
    const method = this.server.methodOf(head);
    if (head.refusal !== undefined || method === undefined) {
      return this.refuse(streamId, head.refusal ?? this.server.unknownMethod(head), endStream);
    }
    if (head.packedRefusal !== undefined) return this.refuse(streamId, head.packedRefusal, endStream);
    const call = new ServerCall(this, streamId, method, head);
    this.streams.add(call);
    call.remoteClosed = endStream;
    call.open();
    if (endStream && !call.closed) call.receiveEnd();
  }

  private openBridge(streamId: number, head: RequestHead, endStream: boolean, http: HttpServer): void {
    if (!isBridgeable(head)) return this.refuse(streamId, BAD_REQUEST, endStream);
    const stream = new HttpBridgeStream(this, streamId, head, !endStream, http);
    this.streams.add(stream);
    stream.remoteClosed = endStream;
    if (endStream) stream.receiveEnd();
  }

  /** Answers with a header block alone. */
  private refuse(streamId: number, block: Uint8Array, endStream: boolean): void {
    writeHeaders(this.out, streamId, block, true);
    this.sender.framesSent++;
    if (endStream) return;
    this.closedStreams.note(streamId, CLOSED_BY_US);
    this.sendReset(streamId, ErrorCode.NoError);
  }

  /** HEADERS on a stream that exists or existed: trailers, or an error. */
  private onLaterHeaders(streamId: number, block: HeaderBlock, endStream: boolean): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.onFrameForClosed(streamId, "HEADERS");
    if (stream.remoteClosed) return this.streamError(stream, ErrorCode.StreamClosed, "HEADERS after the end");
    if (!endStream) return this.streamError(stream, ErrorCode.ProtocolError, "trailers without END_STREAM");
    for (const field of block.fields) {
      if (field.valid && !field.name.startsWith(":")) continue;
      return this.streamError(stream, ErrorCode.ProtocolError, "malformed trailers");
    }
    if (stream.contentLeft > 0) {
      return this.streamError(stream, ErrorCode.ProtocolError, "the body does not match content-length");
    }
    stream.remoteClosed = true;
    stream.receiveEnd();
  }

  protected override isIdle(streamId: number): boolean {
    return streamId > this.lastStreamId || (streamId & 1) === 0;
  }

  // -- dispatch --------------------------------------------------------------------------------------------------------

  /** The call has its message but not END_STREAM, which mostly follows at once: wait for the rest of the chunk. */
  deferDispatch(call: ServerCall): void {
    this.deferred.push(call);
  }

  /** Dispatches a call, unless the connection holds so much unread output that the call has to wait its turn. */
  admit(call: ServerCall): void {
    if (this.queuedBytes <= BUDGETS.parkCallsBytes) return call.dispatch();
    const bytes = call.pending!.length;
    if (this.parked.length >= BUDGETS.parkedCalls || this.parkedBytes + bytes > BUDGETS.parkedBytes) {
      return this.connectionError(
        ErrorCode.EnhanceYourCalm,
        "too many calls wait for unread replies",
        "parked-calls",
      );
    }
    // The view dies with the chunk.
    call.pending = copyBytes(call.pending!);
    call.parkedBytes = bytes;
    this.parkedBytes += bytes;
    this.parked.push(call);
  }

  protected override onChunkEnd(): void {
    if (this.deferred.length > 0) this.dispatchDeferred();
    if (this.parked.length > 0) this.dispatchParked();
  }

  private dispatchDeferred(): void {
    for (let i = 0; i < this.deferred.length; i++) {
      const call = this.deferred[i];
      if (call.pending !== undefined && call.parkedBytes < 0) this.admit(call);
    }
    this.deferred.length = 0;
  }

  private dispatchParked(): void {
    let taken = 0;
    while (taken < this.parked.length && this.queuedBytes <= BUDGETS.parkCallsBytes) {
      const call = this.parked[taken++];
      this.parkedBytes -= call.parkedBytes;
      if (call.pending !== undefined) call.dispatch();
    }
    this.parked.splice(0, taken);
  }

  // -- pings -----------------------------------------------------------------------------------------------------------

  /** Keepalive enforcement as Go's gRPC has it: a ping too soon after the one before is a strike, and answers that
   *  were sent in between wipe the strikes out. */
  protected override onPing(): boolean {
    const now = this.group.clock.now();
    const since = now - this.lastPingAt;
    this.lastPingAt = now;
    if (this.sender.framesSent !== this.sentAtLastPing) {
      this.sentAtLastPing = this.sender.framesSent;
      this.pingStrikes = 0;
      return true;
    }
    const options = this.server.options;
    const idle = this.streams.size === 0 && !options.keepalivePermitWithoutStream;
    const minTime = idle ? DEFAULTS.keepaliveIdleMinTimeMs : options.keepaliveMinTimeMs;
    if (since < minTime) this.pingStrikes++;
    return this.pingStrikes <= BUDGETS.pingStrikes;
  }

  protected override onPingAck(buf: Buffer, start: number): void {
    this.keepalive.onAck();
    if (this.drain !== DRAIN_ANNOUNCED || DRAIN_PING.compare(buf, start, start + 8) !== 0) return;
    this.decideDrain();
  }

  // -- the end ---------------------------------------------------------------------------------------------------------

  /** Graceful stop: first a GOAWAY that excludes no stream, with a PING; when that is answered, every stream that the
   *  client began before it knew is here, and a second GOAWAY draws the line (RFC 9113 §6.8). */
  startDrain(): void {
    if (this.drain !== DRAIN_NONE || this.stopped) return;
    this.drain = DRAIN_ANNOUNCED;
    this.drainAnnouncedAt = this.group.second;
    writeGoaway(this.out, STREAM_ID_MAX, ErrorCode.NoError, "graceful_stop");
    writePing(this.out, false, DRAIN_PING, 0);
    this.touch();
  }

  private decideDrain(): void {
    this.drain = DRAIN_FINAL;
    this.drainLimit = this.lastStreamId;
    if (this.streams.size === 0) return this.shutdown(ErrorCode.NoError, "graceful_stop");
    writeGoaway(this.out, this.lastStreamId, ErrorCode.NoError, "graceful_stop");
    this.touch();
  }

  protected override lastServedStreamId(): number {
    return Math.min(this.lastStreamId, this.drainLimit);
  }

  protected override onStreamGone(): void {
    if (this.streams.size > 0) return;
    if (this.drain === DRAIN_FINAL || this.peerGone) this.shutdown(ErrorCode.NoError, "");
  }

  protected override onGoaway(): void {
    if (this.streams.size === 0) this.shutdown(ErrorCode.NoError, "");
  }

  protected override onClosed(): void {
    this.server.forget(this);
  }

  override onPeerSetting(): void {
    // A server pushes nothing and its encoder keeps no table, so no other setting of the client's matters.
  }

  protected override onSweep(second: number): void {
    if (this.drain === DRAIN_ANNOUNCED && second - this.drainAnnouncedAt > sweeps(BUDGETS.drainPingMs)) {
      this.decideDrain();
      if (this.stopped) return;
    }
    if (!this.keepalive.sweep(this, second, this.receivedAt)) return;
    this.cutHalfSent(second);
  }

  /** Ends calls whose client has begun a message, or a request of one message, and does not finish it. */
  private cutHalfSent(second: number): void {
    const limit = sweeps(BUDGETS.halfSentCallMs);
    for (const stream of this.streams.all()) {
      if (!(stream instanceof ServerCall) || stream.remoteClosed) continue;
      const since = stream.isHalfReceived
        ? stream.halfReceivedSince
        : stream.dispatched
          ? second
          : stream.openedAt;
      if (second - since < limit) continue;
      this.streamError(stream, ErrorCode.Cancel, "the request was not finished in time");
      if (this.stopped) return;
    }
  }
}
