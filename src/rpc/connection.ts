// One HTTP/2 connection (RFC 9113), of either role, over a net or tls socket: keeps the connection's state and its
// streams', answers what the protocol answers by itself, and hands header blocks and data to the subclass and the
// streams. No promise, no exception: whatever bytes come in, the outcome is a frame, a stream error or a connection
// error.
//
// Two rules hold throughout: every header block is decoded, even for refused streams, because HPACK's state is the
// connection's; and every DATA byte counts against the connection's window, even on ignored streams.

import type { Socket } from "node:net";
import { BUDGETS } from "./budgets.js";
import { CLOSED_BY_PEER, CLOSED_BY_US, CLOSED_ENDED } from "./closed-streams.js";
import { ConnectionBase } from "./connection-base.js";
import type { ConnectionGroup } from "./connection-group.js";
import { type FrameHandler, FrameReader } from "./frame-reader.js";
import { writePing, writeSettingsAck, writeWindowUpdate } from "./frame-writer.js";
import { HeaderAssembler } from "./header-assembler.js";
import { type HeaderBlock, HpackDecoder } from "./hpack-decoder.js";
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
import { applySettings } from "./settings.js";

export abstract class Http2Connection extends ConnectionBase implements FrameHandler {
  /** Highest stream id that the peer has opened (server) or that we have (client). */
  lastStreamId = 0;
  /** The peer has said GOAWAY. */
  protected peerGone = false;
  private readonly reader: FrameReader;
  private readonly decoder = new HpackDecoder();
  private readonly headers = new HeaderAssembler();
  private receiveWindow: number = BUDGETS.connectionWindowBytes;
  private settingsReceived = false;
  private frames = 0;

  constructor(socket: Socket, group: ConnectionGroup, expectPreface: boolean) {
    super(socket, group);
    this.reader = new FrameReader(this, expectPreface);
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
  /** New values of the settings that concern the role. */
  abstract onPeerSetting(id: number, value: number): void;

  protected override get ready(): boolean {
    return this.settingsReceived;
  }

  protected override get midFrame(): boolean {
    return this.headers.streamId !== 0 || this.reader.partial;
  }

  protected override get frameProgress(): number {
    return this.headers.streamId !== 0 ? -1 : this.frames;
  }

  // -- frames ----------------------------------------------------------------------------------------------------------

  protected override readFrames(chunk: Buffer): void {
    this.reader.feed(chunk);
    if (!this.stopped) this.replenishConnectionWindow();
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
    for (const stream of this.streams.all()) {
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

  /** A stream error where there may be no stream object; on an idle stream only a connection error is possible. */
  protected errorOnStream(streamId: number, code: number, reason: string): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) return this.streamError(stream, code, reason);
    if (this.isIdle(streamId)) return this.connectionError(code, reason);
    this.closedStreams.note(streamId, CLOSED_BY_US);
    this.sendReset(streamId, code);
    this.chargeReset();
  }

  /** Grants the connection's window again once half of it is used: one frame for many. */
  private replenishConnectionWindow(): void {
    const used = BUDGETS.connectionWindowBytes - this.receiveWindow;
    if (used < BUDGETS.connectionWindowBytes / 2) return;
    this.receiveWindow += used;
    writeWindowUpdate(this.out, 0, used);
  }
}
