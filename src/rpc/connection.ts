// One HTTP/2 connection (RFC 9113), of either role, over a net or tls socket: cuts frames, keeps the connection's
// state and its streams', answers what the protocol answers by itself, and hands header blocks and data to the
// subclass and the streams. No promise, no exception: whatever bytes come in, the outcome is a frame, a stream error
// or a connection error.
//
// Rules that hold throughout:
// - Every header block is decoded, even for refused streams: HPACK's state is the connection's.
// - Every DATA byte is counted against the connection's window, even on ignored streams.
// - Output gathers in one buffer. It is flushed when the chunk that caused it has been worked through, or, for output
//   that has another cause, at the end of the turn (`touch`).
// - Whatever costs us and serves nobody is charged to a budget (budgets.ts, abuse.ts).

import type { Socket } from "node:net";
import { AbuseMeter, type CutReason } from "./abuse.js";
import { BUDGETS } from "./budgets.js";
import { CLOSED_BY_PEER, CLOSED_BY_US, CLOSED_ENDED, ClosedStreams } from "./closed-streams.js";
import { type ConnectionGroup, type GroupMember, sweeps } from "./connection-group.js";
import { type FrameHandler, FrameReader } from "./frame-reader.js";
import {
  writeGoaway,
  writePing,
  writeRstStream,
  writeSettingsAck,
  writeWindowUpdate,
} from "./frame-writer.js";
import { HeaderAssembler } from "./header-assembler.js";
import { type HeaderBlock, HpackDecoder } from "./hpack-decoder.js";
import { OutputBuffer } from "./output-buffer.js";
import {
  ErrorCode,
  errorName,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FRAME_CONTINUATION,
  FRAME_DATA,
  FRAME_GOAWAY,
  FRAME_HEADERS,
  FRAME_PING,
  FRAME_PRIORITY,
  FRAME_PUSH_PROMISE,
  FRAME_RST_STREAM,
  FRAME_SETTINGS,
  FRAME_WINDOW_UPDATE,
  readUint32,
} from "./protocol.js";
import { Sender } from "./sender.js";
import { applySettings } from "./settings.js";
import type { Http2Stream } from "./stream.js";

/** Open: frames are read. Closing: our last GOAWAY is out, what still comes is thrown away. Closed: no socket. */
const STATE_OPEN = 0;
const STATE_CLOSING = 1;
const STATE_CLOSED = 2;

const STREAM_STALL_SWEEPS = sweeps(BUDGETS.streamStallMs);
const SOCKET_STALL_SWEEPS = sweeps(BUDGETS.socketStallMs);
const PARTIAL_FRAME_SWEEPS = sweeps(BUDGETS.partialFrameMs);
const HANDSHAKE_SWEEPS = sweeps(BUDGETS.handshakeMs);
const LINGER_SWEEPS = sweeps(BUDGETS.lingerMs);

export abstract class Http2Connection implements FrameHandler, GroupMember {
  readonly socket: Socket;
  readonly group: ConnectionGroup;
  /** The peer's address, for logs. */
  readonly remote: string;
  readonly out: OutputBuffer;
  readonly sender: Sender;
  readonly abuse: AbuseMeter;
  /** A free slot for the owner, for example the identity that a TLS certificate proved. */
  context: unknown = undefined;
  /** Highest stream id that the peer has opened (server) or that we have (client). */
  lastStreamId = 0;
  protected readonly streams = new Map<number, Http2Stream>();
  protected readonly closedStreams = new ClosedStreams();
  /** The peer has said GOAWAY. */
  protected peerGone = false;
  /** The second in which the last byte came in. */
  protected receivedAt: number;
  private readonly reader: FrameReader;
  private readonly decoder = new HpackDecoder();
  private readonly headers = new HeaderAssembler();
  private state = STATE_OPEN;
  /** A chunk is being worked through: its end will flush. */
  private processing = false;
  private flushScheduled = false;
  /** The connection has written its share of a turn: the next flush, a turn later, goes on. */
  private unspentAtFlush = false;
  private bytesCounted = 0;
  private receiveWindow: number = BUDGETS.connectionWindowBytes;
  private settingsReceived = false;
  private readonly openedAt: number;
  private closingAt = 0;
  private discarded = 0;
  private frames = 0;
  /** Bytes of half-received messages on all streams. */
  private assemblyBytes = 0;
  /** What the last sweep saw, to tell standing still from moving. */
  private sweptFrames = 0;
  private partialSince = -1;
  private sweptWritten = 0;
  private writeStuckSince = -1;

  constructor(socket: Socket, group: ConnectionGroup, expectPreface: boolean) {
    this.socket = socket;
    this.group = group;
    this.remote = `${socket.remoteAddress ?? "unix"}:${socket.remotePort ?? ""}`;
    this.out = new OutputBuffer(socket);
    this.abuse = new AbuseMeter(group.second);
    this.sender = new Sender(this.out, group, this.abuse);
    this.reader = new FrameReader(this, expectPreface);
    this.openedAt = group.second;
    this.receivedAt = group.second;
    group.add(this);
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.onData(chunk));
    socket.on("drain", () => this.onSocketDrain());
    socket.on("error", (error) => this.onSocketError(error));
    socket.on("end", () => this.onSocketClosed("the peer closed the connection"));
    socket.on("close", () => this.onSocketClosed("the connection was closed"));
  }

  // -- what the roles add ------------------------------------------------------------------------------------------

  /** A decoded header block for a stream; the role opens the stream, or takes response headers or trailers. */
  protected abstract onHeaders(streamId: number, block: HeaderBlock, endStream: boolean): void;
  /** True when a stream with this id was never opened (RFC 9113 §5.1.1). */
  protected abstract isIdle(streamId: number): boolean;
  /** A PING that is not an answer; false when it breaks the keepalive policy. */
  protected abstract onPing(): boolean;
  protected abstract onPingAck(buf: Buffer, start: number): void;
  protected abstract onGoaway(lastStreamId: number, code: number, debug: string): void;
  /** The peer's first SETTINGS have come: it speaks HTTP/2. */
  protected onReady(): void {}
  /** All whole frames of a chunk are through. */
  protected abstract onChunkEnd(): void;
  protected abstract onSweep(second: number): void;
  /** The connection is over; all streams have been told. */
  protected abstract onClosed(reason: string): void;
  /** New values of the settings that concern the role. */
  abstract onPeerSetting(id: number, value: number): void;

  get stopped(): boolean {
    return this.state !== STATE_OPEN;
  }

  get queuedBytes(): number {
    return this.sender.queuedBytes;
  }

  get openStreams(): number {
    return this.streams.size;
  }

  // -- input ---------------------------------------------------------------------------------------------------------

  /** Takes bytes that somebody else has read from the socket, or that the socket has just delivered. */
  onData(chunk: Buffer): void {
    if (this.state !== STATE_OPEN) return this.discard(chunk.length);
    this.group.counters.socketBytesReceived += chunk.length;
    this.receivedAt = this.group.second;
    this.processing = true;
    this.reader.feed(chunk);
    if (!this.stopped) {
      this.onChunkEnd();
      this.replenishConnectionWindow();
    }
    this.processing = false;
    this.flush();
  }

  onFrame(type: number, flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    this.frames++;
    if (!this.settingsReceived && (type !== FRAME_SETTINGS || (flags & FLAG_ACK) !== 0)) {
      return this.connectionError(ErrorCode.ProtocolError, "the first frame is not SETTINGS");
    }
    if (this.headers.streamId !== 0 && (type !== FRAME_CONTINUATION || streamId !== this.headers.streamId)) {
      return this.connectionError(ErrorCode.ProtocolError, "a frame inside a header block");
    }
    switch (type) {
      case FRAME_DATA:
        return this.onDataFrame(flags, streamId, buf, start, end);
      case FRAME_HEADERS:
        return this.onHeadersFrame(flags, streamId, buf, start, end);
      case FRAME_PRIORITY:
        return this.onPriorityFrame(streamId, buf, start, end);
      case FRAME_RST_STREAM:
        return this.onRstStreamFrame(streamId, buf, start, end);
      case FRAME_SETTINGS:
        return this.onSettingsFrame(flags, streamId, buf, start, end);
      case FRAME_PUSH_PROMISE:
        return this.connectionError(ErrorCode.ProtocolError, "PUSH_PROMISE");
      case FRAME_PING:
        return this.onPingFrame(flags, streamId, buf, start, end);
      case FRAME_GOAWAY:
        return this.onGoawayFrame(streamId, buf, start, end);
      case FRAME_WINDOW_UPDATE:
        return this.onWindowUpdateFrame(streamId, buf, start, end);
      case FRAME_CONTINUATION:
        return this.onContinuationFrame(flags, streamId, buf, start, end);
      default:
        // Extension frames are ignored (§4.1), but not without end.
        this.chargeIdleFrame(1);
    }
  }

  onUnreadable(reason: "preface" | "frame-size"): void {
    if (reason === "preface") return this.connectionError(ErrorCode.ProtocolError, "not an HTTP/2 preface");
    this.connectionError(ErrorCode.FrameSizeError, "a frame is too large");
  }

  private onDataFrame(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId === 0) return this.connectionError(ErrorCode.ProtocolError, "DATA on stream 0");
    const frameBytes = end - start;
    this.receiveWindow -= frameBytes;
    if (this.receiveWindow < 0) {
      return this.connectionError(ErrorCode.FlowControlError, "the connection's window is exceeded");
    }
    if ((flags & FLAG_PADDED) !== 0) {
      const padding = start < end ? buf[start] + 1 : 1;
      if (padding > frameBytes)
        return this.connectionError(ErrorCode.ProtocolError, "padding exceeds the frame");
      end -= padding - 1;
      start++;
    }
    const last = (flags & FLAG_END_STREAM) !== 0;
    if (!last && end - start < BUDGETS.tinyDataBytes && !this.chargeIdleFrame(1)) return;
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.onFrameForClosed(streamId, "DATA");
    if (stream.remoteClosed) return this.streamError(stream, ErrorCode.StreamClosed, "DATA after the end");
    if (!last) {
      stream.receiveWindow -= frameBytes;
      if (stream.receiveWindow < 0) {
        return this.streamError(stream, ErrorCode.FlowControlError, "the stream's window is exceeded");
      }
    } else if (frameBytes > stream.receiveWindow) {
      return this.streamError(stream, ErrorCode.FlowControlError, "the stream's window is exceeded");
    }
    if (!stream.countContent(end - start) || (last && stream.contentLeft > 0)) {
      return this.streamError(stream, ErrorCode.ProtocolError, "the body does not match content-length");
    }
    if (last) stream.remoteClosed = true;
    stream.receiveData(buf, start, end, last);
  }

  private onHeadersFrame(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId === 0) return this.connectionError(ErrorCode.ProtocolError, "HEADERS on stream 0");
    if ((flags & FLAG_PADDED) !== 0) {
      const padding = start < end ? buf[start] : 0;
      if (padding + 1 > end - start) {
        return this.connectionError(ErrorCode.ProtocolError, "padding exceeds the frame");
      }
      start++;
      end -= padding;
    }
    let dependsOnItself = false;
    if ((flags & FLAG_PRIORITY) !== 0) {
      if (end - start < 5) return this.connectionError(ErrorCode.FrameSizeError, "HEADERS cut short");
      dependsOnItself = (readUint32(buf, start) & 0x7fff_ffff) === streamId;
      start += 5;
    }
    const endStream = (flags & FLAG_END_STREAM) !== 0;
    if ((flags & FLAG_END_HEADERS) !== 0) this.onHeaderBlock(streamId, endStream, buf, start, end);
    else {
      this.headers.begin(streamId, endStream, this.group.second);
      this.headers.append(buf, start, end);
    }
    if (dependsOnItself) this.onSelfDependency(streamId);
  }

  private onContinuationFrame(
    flags: number,
    streamId: number,
    buf: Buffer,
    start: number,
    end: number,
  ): void {
    if (this.headers.streamId === 0 || streamId === 0) {
      return this.connectionError(ErrorCode.ProtocolError, "CONTINUATION without HEADERS");
    }
    if (!this.headers.append(buf, start, end)) {
      return this.connectionError(ErrorCode.EnhanceYourCalm, "a header block is too long", "header-block");
    }
    if ((flags & FLAG_END_HEADERS) === 0) return;
    const endStream = this.headers.endStream;
    const block = this.headers.finish();
    this.onHeaderBlock(streamId, endStream, block, 0, block.length);
  }

  private onHeaderBlock(streamId: number, endStream: boolean, buf: Buffer, start: number, end: number): void {
    const block = this.decoder.decode(buf, start, end);
    if (block === undefined) return this.connectionError(ErrorCode.CompressionError, "HPACK");
    this.onHeaders(streamId, block, endStream);
  }

  /** Priorities are ignored, as RFC 9113 §5.3 allows; a stream that depends on itself is an error all the same. */
  private onPriorityFrame(streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId === 0) return this.connectionError(ErrorCode.ProtocolError, "PRIORITY on stream 0");
    if (!this.chargeIdleFrame(1)) return;
    if (end - start !== 5)
      return this.errorOnStream(streamId, ErrorCode.FrameSizeError, "PRIORITY of wrong size");
    if ((readUint32(buf, start) & 0x7fff_ffff) === streamId) this.onSelfDependency(streamId);
  }

  private onSelfDependency(streamId: number): void {
    if (!this.stopped) this.errorOnStream(streamId, ErrorCode.ProtocolError, "a stream depends on itself");
  }

  private onRstStreamFrame(streamId: number, buf: Buffer, start: number, end: number): void {
    if (end - start !== 4) return this.connectionError(ErrorCode.FrameSizeError, "RST_STREAM of wrong size");
    if (streamId === 0 || this.isIdle(streamId)) {
      return this.connectionError(ErrorCode.ProtocolError, "RST_STREAM on an idle stream");
    }
    this.group.counters.resetsReceived++;
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.chargeIdleFrame(1);
      return;
    }
    const code = readUint32(buf, start);
    this.forget(stream, CLOSED_BY_PEER);
    stream.receiveReset(code, `reset by the peer: ${errorName(code)}`);
    if (!stream.served) this.chargeReset();
  }

  private onSettingsFrame(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId !== 0) return this.connectionError(ErrorCode.ProtocolError, "SETTINGS on a stream");
    const size = end - start;
    if ((flags & FLAG_ACK) !== 0) {
      if (size !== 0) return this.connectionError(ErrorCode.FrameSizeError, "SETTINGS ACK with a payload");
      this.chargeIdleFrame(1);
      return;
    }
    if (size % 6 !== 0) return this.connectionError(ErrorCode.FrameSizeError, "SETTINGS of wrong size");
    if (size / 6 > BUDGETS.settingsPerFrame) {
      return this.connectionError(ErrorCode.EnhanceYourCalm, "too many settings", "idle-frames");
    }
    if (this.settingsReceived && !this.chargeIdleFrame(BUDGETS.settingsCost)) return;
    const first = !this.settingsReceived;
    this.settingsReceived = true;
    const fault = applySettings(this, buf, start, end);
    if (fault !== undefined) return this.connectionError(fault.code, fault.text);
    writeSettingsAck(this.out);
    if (first) this.onReady();
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE: shifts every stream's window, and may open some. False on overflow. */
  setInitialWindow(bytes: number): boolean {
    const grows = bytes > this.sender.initialWindow;
    this.sender.initialWindow = bytes;
    if (!grows) return true;
    for (const stream of this.streams.values()) {
      if (!this.sender.grantStream(stream, 0)) return false;
    }
    return true;
  }

  private onPingFrame(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId !== 0) return this.connectionError(ErrorCode.ProtocolError, "PING on a stream");
    if (end - start !== 8) return this.connectionError(ErrorCode.FrameSizeError, "PING of wrong size");
    if (!this.chargeIdleFrame(1)) return;
    if ((flags & FLAG_ACK) !== 0) return this.onPingAck(buf, start);
    this.group.counters.pingsReceived++;
    writePing(this.out, true, buf, start);
    if (!this.onPing()) {
      this.connectionError(ErrorCode.EnhanceYourCalm, "too_many_pings", "too-many-pings");
    }
  }

  private onGoawayFrame(streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId !== 0) return this.connectionError(ErrorCode.ProtocolError, "GOAWAY on a stream");
    if (end - start < 8) return this.connectionError(ErrorCode.FrameSizeError, "GOAWAY cut short");
    if (!this.chargeIdleFrame(1)) return;
    this.peerGone = true;
    const debug = buf.toString("latin1", start + 8, Math.min(end, start + 8 + 256));
    this.onGoaway(readUint32(buf, start) & 0x7fff_ffff, readUint32(buf, start + 4), debug);
  }

  private onWindowUpdateFrame(streamId: number, buf: Buffer, start: number, end: number): void {
    if (end - start !== 4)
      return this.connectionError(ErrorCode.FrameSizeError, "WINDOW_UPDATE of wrong size");
    if (!this.chargeIdleFrame(1)) return;
    const bytes = readUint32(buf, start) & 0x7fff_ffff;
    if (streamId === 0) {
      if (bytes === 0) return this.connectionError(ErrorCode.ProtocolError, "WINDOW_UPDATE by 0");
      if (!this.sender.grantConnection(bytes)) {
        this.connectionError(ErrorCode.FlowControlError, "the connection's window overflows");
      }
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId))
        this.connectionError(ErrorCode.ProtocolError, "WINDOW_UPDATE on an idle stream");
      return;
    }
    if (bytes === 0) return this.streamError(stream, ErrorCode.ProtocolError, "WINDOW_UPDATE by 0");
    if (!this.sender.grantStream(stream, bytes)) {
      this.streamError(stream, ErrorCode.FlowControlError, "the stream's window overflows");
    }
  }

  /** DATA or HEADERS for a stream that is not open (§5.1). */
  protected onFrameForClosed(streamId: number, what: string): void {
    if (this.isIdle(streamId))
      return this.connectionError(ErrorCode.ProtocolError, `${what} on an idle stream`);
    const how = this.closedStreams.recall(streamId);
    if (how === CLOSED_BY_US) {
      this.chargeIdleFrame(1);
      return;
    }
    if (what === "HEADERS" && how !== CLOSED_BY_PEER) {
      const code = how === CLOSED_ENDED ? ErrorCode.StreamClosed : ErrorCode.ProtocolError;
      return this.connectionError(code, "HEADERS on a closed stream");
    }
    this.errorOnStream(streamId, ErrorCode.StreamClosed, `${what} on a closed stream`);
  }

  // -- ends of streams -----------------------------------------------------------------------------------------------

  /** A stream error (§5.4.2): resets the stream, tells its owner, and counts against the peer. */
  streamError(stream: Http2Stream, code: number, reason: string): void {
    if (stream.closed) return;
    this.resetStream(stream, code);
    stream.receiveReset(code, reason);
    this.chargeReset();
  }

  /** A stream error where there may be no stream object; on an idle stream only a connection error is possible. */
  protected errorOnStream(streamId: number, code: number, reason: string): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) return this.streamError(stream, code, reason);
    if (this.isIdle(streamId)) return this.connectionError(code, reason);
    this.closedStreams.note(streamId, CLOSED_BY_US);
    this.sendReset(streamId, code);
    this.chargeReset();
  }

  /** Resets a stream on our own account: its owner knows, and the peer is not to blame. */
  resetStream(stream: Http2Stream, code: number): void {
    if (stream.closed) return;
    this.forget(stream, CLOSED_BY_US);
    this.sendReset(stream.id, code);
  }

  protected sendReset(streamId: number, code: number): void {
    this.group.counters.resetsSent++;
    writeRstStream(this.out, streamId, code);
    this.touch();
  }

  /** Both sides have ended. */
  endStream(stream: Http2Stream): void {
    this.forget(stream, CLOSED_ENDED);
  }

  private forget(stream: Http2Stream, how: number): void {
    if (stream.closed) return;
    stream.closed = true;
    this.streams.delete(stream.id);
    this.closedStreams.note(stream.id, how);
    this.sender.drop(stream);
    stream.onForgotten();
    if (stream.dueAt !== Number.POSITIVE_INFINITY) this.group.deadlines.disarm(stream);
    this.onStreamGone();
  }

  /** The highest of the peer's streams that we have worked on, for GOAWAY. */
  protected abstract lastServedStreamId(): number;

  /** A stream has left the table. */
  protected abstract onStreamGone(): void;

  // -- budgets ---------------------------------------------------------------------------------------------------------

  /** Charges `cost` idle frames; false when the connection has been cut for it. */
  protected chargeIdleFrame(cost: number): boolean {
    if (this.abuse.idleFrames.take(cost, this.group.second)) return true;
    this.connectionError(ErrorCode.EnhanceYourCalm, "too many frames without work", "idle-frames");
    return false;
  }

  /** Charges what a compressed message has unfolded to; false when the connection has been cut for it. */
  chargeInflation(packedBytes: number, bytes: number): boolean {
    const excess = bytes - packedBytes * BUDGETS.inflationRatio;
    if (excess <= 0 || this.abuse.inflation.take(excess, this.group.second)) return true;
    this.connectionError(ErrorCode.EnhanceYourCalm, "too many compression bombs", "compression-bombs");
    return false;
  }

  private chargeReset(): void {
    if (this.abuse.resets.take(1, this.group.second)) return;
    this.connectionError(ErrorCode.EnhanceYourCalm, "too many stream resets", "stream-resets");
  }

  /** Counts bytes held for half-received messages; false when they are too many. */
  countAssembly(bytes: number): boolean {
    this.assemblyBytes += bytes;
    this.group.assemblyBytes += bytes;
    return (
      bytes <= 0 ||
      (this.assemblyBytes <= BUDGETS.assemblyBytesPerConnection &&
        this.group.assemblyBytes <= BUDGETS.assemblyBytesTotal)
    );
  }

  /** A whole message of `bytes` has arrived: honest work. */
  noteMessage(bytes: number): void {
    this.group.counters.messageBytesReceived += bytes;
    this.abuse.credit();
  }

  // -- output ----------------------------------------------------------------------------------------------------------

  /** Sees to it that what was just written leaves: with the chunk being worked through, or at the end of the turn. */
  touch(): void {
    if (this.processing || this.flushScheduled) return;
    this.flushScheduled = true;
    this.group.scheduleFlush(this);
  }

  flush(): void {
    this.flushScheduled = false;
    if (this.unspentAtFlush) {
      this.unspentAtFlush = false;
      this.resumeSending();
    }
    this.out.flush();
    if (this.out.bytesWritten > this.bytesCounted) {
      this.group.counters.socketBytesSent += this.out.bytesWritten - this.bytesCounted;
      this.bytesCounted = this.out.bytesWritten;
    }
    // A peer that does not read is not read from: it could only ask for more.
    if (this.out.blocked && !this.socket.isPaused()) this.socket.pause();
    const spent = this.sender.spent;
    this.sender.beginTurn();
    if (!spent || this.stopped) return;
    this.unspentAtFlush = true;
    this.touch();
  }

  /** Goes on with what waited for the socket or for the next turn. */
  private resumeSending(): void {
    if (this.stopped) return;
    this.processing = true;
    this.sender.pumpWaiting();
    this.onChunkEnd();
    this.processing = false;
  }

  private onSocketDrain(): void {
    this.out.blocked = false;
    if (this.state !== STATE_OPEN) return;
    this.socket.resume();
    this.resumeSending();
    this.flush();
  }

  /** Grants the connection's window again once half of it is used: one frame for many. */
  private replenishConnectionWindow(): void {
    const used = BUDGETS.connectionWindowBytes - this.receiveWindow;
    if (used < BUDGETS.connectionWindowBytes / 2) return;
    this.receiveWindow += used;
    writeWindowUpdate(this.out, 0, used);
  }

  /** The same for a stream, when its owner has taken the bytes. */
  replenishStreamWindow(stream: Http2Stream): void {
    const used = BUDGETS.streamWindowBytes - stream.receiveWindow;
    if (used < BUDGETS.streamWindowBytes / 2 || stream.closed || stream.remoteClosed) return;
    stream.receiveWindow += used;
    writeWindowUpdate(this.out, stream.id, used);
    this.touch();
  }

  // -- ends of the connection ------------------------------------------------------------------------------------------

  /** A connection error (§5.4.1): GOAWAY with the reason, and the end. Counted and logged as the peer's fault. */
  connectionError(code: number, detail: string, reason: CutReason = "protocol-error"): void {
    if (this.state !== STATE_OPEN) return;
    this.group.noteCut(this.remote, reason, detail);
    this.shutdown(code, detail);
  }

  /** Says GOAWAY and closes; streams that are still open are lost. */
  shutdown(code: number, detail: string): void {
    if (this.state !== STATE_OPEN) return;
    this.state = STATE_CLOSING;
    this.closingAt = this.group.second;
    writeGoaway(this.out, this.lastServedStreamId(), code, detail);
    this.loseStreams(detail);
    this.flush();
    this.socket.resume();
    this.socket.end();
  }

  /** Gives the connection up without another word: the peer does not read. */
  cut(reason: CutReason, detail: string): void {
    if (this.state === STATE_CLOSED) return;
    if (this.state === STATE_OPEN) this.group.noteCut(this.remote, reason, detail);
    this.destroy(detail);
  }

  destroy(reason: string): void {
    this.socket.destroy();
    this.onSocketClosed(reason);
  }

  private onSocketError(error: Error): void {
    if (this.group.logger.isEnabled("debug")) {
      this.group.logger.debug("connection error", { "remote-addr": this.remote, error: error.message });
    }
  }

  private onSocketClosed(reason: string): void {
    if (this.state === STATE_CLOSED) return;
    this.state = STATE_CLOSED;
    this.loseStreams(reason);
    this.out.discard();
    this.group.remove(this);
    this.onClosed(reason);
    // After the peer's FIN nothing more is of use; what is still buffered is given up.
    this.socket.destroySoon();
  }

  private loseStreams(reason: string): void {
    for (const stream of this.streams.values()) {
      this.forget(stream, CLOSED_BY_US);
      stream.receiveReset(ErrorCode.Cancel, reason);
    }
  }

  private discard(bytes: number): void {
    this.discarded += bytes;
    if (this.discarded > BUDGETS.lingerBytes) this.destroy("too many bytes after GOAWAY");
  }

  // -- the sweep -------------------------------------------------------------------------------------------------------

  sweep(second: number): void {
    if (this.state === STATE_CLOSING) {
      if (second - this.closingAt > LINGER_SWEEPS) this.destroy("closed");
      return;
    }
    if (!this.settingsReceived && second - this.openedAt >= HANDSHAKE_SWEEPS) {
      return this.connectionError(ErrorCode.SettingsTimeout, "no SETTINGS in time", "handshake-timeout");
    }
    if (this.isWriteStuck(second)) return this.cut("socket-stalled", "the peer does not read");
    if (this.isFrameStuck(second)) {
      return this.connectionError(ErrorCode.EnhanceYourCalm, "a frame was not finished", "partial-frame");
    }
    if (this.sender.queuedStreams > 0) this.resetStalledStreams(second);
    this.onSweep(second);
  }

  private isWriteStuck(second: number): boolean {
    const written = this.out.bytesWritten - this.socket.writableLength;
    if (this.socket.writableLength === 0 || written !== this.sweptWritten) {
      this.sweptWritten = written;
      this.writeStuckSince = -1;
      return false;
    }
    if (this.writeStuckSince < 0) this.writeStuckSince = second;
    return second - this.writeStuckSince >= SOCKET_STALL_SWEEPS;
  }

  private isFrameStuck(second: number): boolean {
    if (this.headers.streamId !== 0) return second - this.headers.openedAt >= PARTIAL_FRAME_SWEEPS;
    if (!this.reader.partial || this.socket.isPaused() || this.frames !== this.sweptFrames) {
      this.sweptFrames = this.frames;
      this.partialSince = -1;
      return false;
    }
    if (this.partialSince < 0) this.partialSince = second;
    return second - this.partialSince >= PARTIAL_FRAME_SWEEPS;
  }

  private resetStalledStreams(second: number): void {
    for (const stream of this.streams.values()) {
      if (!stream.hasQueued || second - stream.queue!.progressAt < STREAM_STALL_SWEEPS) continue;
      this.group.counters.streamsStalled++;
      this.streamError(stream, ErrorCode.EnhanceYourCalm, "the stream's window stayed shut");
      if (this.stopped) return;
    }
  }

  /** Short deterministic text for tests and debug endpoints. */
  describe(): string {
    const state = this.state === STATE_OPEN ? "open" : this.state === STATE_CLOSING ? "closing" : "closed";
    return `${state} streams=${this.streams.size} queued=${this.sender.queuedBytes} window=${this.sender.window}`;
  }
}
