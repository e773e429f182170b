// The client's side of a connection: opens calls, takes response headers, keeps the connection alive. Reconnecting is
// the channel's affair.

import type { Socket } from "node:net";
import { BUDGETS } from "./budgets.js";
import { ClientCall, type ClientObserver } from "./client-call.js";
import { Http2Connection } from "./connection.js";
import type { ConnectionGroup } from "./connection-group.js";
import { writeHeaders, writeSettings, writeWindowUpdate } from "./frame-writer.js";
import { GRPC_CONTENT_TYPE } from "./grpc-status.js";
import { formatTimeout } from "./grpc-timeout.js";
import type { HeaderBlock } from "./hpack-decoder.js";
import { encodedFieldMax, encodeLiteral, type HeaderPair, HpackEncoder } from "./hpack-encoder.js";
import { Keepalive } from "./keepalive.js";
import {
  DEFAULT_WINDOW_BYTES,
  ErrorCode,
  errorName,
  PREFACE,
  SETTING_ENABLE_PUSH,
  SETTING_HEADER_TABLE_SIZE,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_CONCURRENT_STREAMS,
  SETTING_MAX_HEADER_LIST_SIZE,
  STREAM_ID_MAX,
} from "./protocol.js";
import { ResponseHead } from "./response-head.js";

export interface ClientConnectionOptions {
  readonly authority: string;
  readonly scheme: "http" | "https";
  readonly userAgent: string;
  readonly maxReceiveBytes: number;
  readonly maxSendBytes: number;
  /** Our pings; 0 turns them off. */
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly keepaliveWithoutStream: boolean;
}

/** Told about the life of a connection. */
export interface ClientConnectionOwner {
  /** The server's SETTINGS are here. */
  onReady(connection: ClientConnection): void;
  /** No new call may be opened: the server said GOAWAY, or the connection is gone. Called once or more. */
  onUnusable(connection: ClientConnection, reason: string): void;
}

/** Metadata of a call; names are lower case, binary values belong to -bin names. */
export type CallMetadata = readonly (readonly [name: string, value: string | Uint8Array])[];

export class ClientConnection extends Http2Connection {
  readonly maxSendBytes: number;
  private readonly options: ClientConnectionOptions;
  private readonly owner: ClientConnectionOwner;
  private readonly encoder = new HpackEncoder();
  private readonly keepalive: Keepalive;
  private nextStreamId = 1;
  private maxStreams = Number.POSITIVE_INFINITY;
  private roomWaiters: (() => void)[] = [];

  constructor(
    socket: Socket,
    group: ConnectionGroup,
    options: ClientConnectionOptions,
    owner: ClientConnectionOwner,
  ) {
    super(socket, group, false);
    this.options = options;
    this.owner = owner;
    this.maxSendBytes = options.maxSendBytes;
    this.keepalive = new Keepalive(
      options.keepaliveTimeMs,
      options.keepaliveTimeoutMs,
      options.keepaliveWithoutStream,
    );
    const at = this.out.reserve(PREFACE.length);
    this.out.buf.set(PREFACE, at);
    writeSettings(this.out, [
      [SETTING_ENABLE_PUSH, 0],
      [SETTING_INITIAL_WINDOW_SIZE, BUDGETS.streamWindowBytes],
      [SETTING_MAX_HEADER_LIST_SIZE, BUDGETS.headerListBytes],
    ]);
    writeWindowUpdate(this.out, 0, BUDGETS.connectionWindowBytes - DEFAULT_WINDOW_BYTES);
    this.flush();
  }

  /** False once no call may be opened any more. */
  get usable(): boolean {
    return !this.stopped && !this.peerGone && this.nextStreamId < STREAM_ID_MAX;
  }

  /** True while the server allows one more stream. */
  get hasRoom(): boolean {
    return this.streams.size < this.maxStreams;
  }

  /** Resolves when there may be room again, or the connection has become unusable. */
  waitForRoom(): Promise<void> {
    return new Promise((resolve) => this.roomWaiters.push(resolve));
  }

  /** Opens a call; the connection is usable and has room. A timeout below infinity is sent along and kept here. */
  open(
    path: string,
    observer: ClientObserver,
    metadata: CallMetadata,
    timeoutMs: number,
    maxReceive = -1,
  ): ClientCall {
    const id = this.nextStreamId;
    this.nextStreamId += 2;
    this.lastStreamId = id;
    const limit = maxReceive >= 0 ? maxReceive : this.options.maxReceiveBytes;
    const call = new ClientCall(this, id, observer, limit);
    this.streams.add(call);
    this.group.counters.streamsOpened++;
    writeHeaders(this.out, id, this.encodeHead(path, metadata, timeoutMs), false);
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      this.group.deadlines.arm(call, this.group.clock.now() + timeoutMs);
    }
    this.touch();
    return call;
  }

  private encodeHead(path: string, metadata: CallMetadata, timeoutMs: number): Buffer {
    const options = this.options;
    const fields: HeaderPair[] = [
      [":method", "POST"],
      [":scheme", options.scheme],
      [":path", path],
      [":authority", options.authority],
      ["content-type", GRPC_CONTENT_TYPE],
      ["user-agent", options.userAgent],
      ["te", "trailers"],
    ];
    for (const [name, value] of metadata) {
      fields.push([name, typeof value === "string" ? value : Buffer.from(value).toString("base64")]);
    }
    let size = 64;
    for (const [name, value] of fields) size += encodedFieldMax(name, value);
    const out = Buffer.allocUnsafe(size);
    let at = this.encoder.begin(out, 0);
    for (const [name, value] of fields) at = this.encoder.encode(out, at, name, value);
    // A timeout is never the same twice, so it stays out of the table.
    if (timeoutMs !== Number.POSITIVE_INFINITY)
      at = encodeLiteral(out, at, "grpc-timeout", formatTimeout(timeoutMs));
    return out.subarray(0, at);
  }

  protected override onHeaders(streamId: number, block: HeaderBlock, endStream: boolean): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.onFrameForClosed(streamId, "HEADERS");
    if (stream.remoteClosed) return this.streamError(stream, ErrorCode.StreamClosed, "HEADERS after the end");
    let head = block.parsed as ResponseHead | undefined;
    if (head === undefined) {
      head = new ResponseHead(block);
      block.parsed = head;
    }
    (stream as ClientCall).onHead(head, endStream);
  }

  /** The server may still send on streams that we gave up long ago: that is no offence. */
  protected override onFrameForClosed(streamId: number, what: string): void {
    if (this.isIdle(streamId)) super.onFrameForClosed(streamId, what);
    else this.chargeIdleFrame(1);
  }

  protected override isIdle(streamId: number): boolean {
    return (streamId & 1) === 0 || streamId > this.lastStreamId;
  }

  protected override lastServedStreamId(): number {
    return 0;
  }

  protected override onReady(): void {
    this.owner.onReady(this);
  }

  protected override onPing(): boolean {
    return true;
  }

  protected override onPingAck(): void {
    this.keepalive.onAck();
  }

  protected override onGoaway(lastStreamId: number, code: number, debug: string): void {
    const reason = `server sent GOAWAY: ${errorName(code)}${debug === "" ? "" : `: ${debug}`}`;
    this.owner.onUnusable(this, reason);
    for (const stream of this.streams.all()) {
      if (stream.id > lastStreamId && !stream.closed) (stream as ClientCall).onUnprocessed(reason);
    }
    this.wakeRoomWaiters();
    if (this.streams.size === 0) this.shutdown(ErrorCode.NoError, "");
  }

  protected override onStreamGone(): void {
    if (this.roomWaiters.length > 0 && this.hasRoom) this.roomWaiters.shift()!();
    if (this.peerGone && this.streams.size === 0) this.shutdown(ErrorCode.NoError, "");
  }

  protected override onClosed(reason: string): void {
    this.owner.onUnusable(this, reason);
    this.wakeRoomWaiters();
  }

  protected override onChunkEnd(): void {}

  override onPeerSetting(id: number, value: number): void {
    if (id === SETTING_HEADER_TABLE_SIZE) this.encoder.setTableBytes(value);
    else if (id === SETTING_MAX_CONCURRENT_STREAMS) {
      this.maxStreams = value;
      if (this.hasRoom) this.wakeRoomWaiters();
    }
  }

  protected override onSweep(second: number): void {
    this.keepalive.sweep(this, second, this.receivedAt);
  }

  private wakeRoomWaiters(): void {
    const waiters = this.roomWaiters;
    this.roomWaiters = [];
    for (const resolve of waiters) resolve();
  }
}
