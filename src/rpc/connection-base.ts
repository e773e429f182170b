// The life of a connection, apart from what its frames mean: the socket, the table of streams and their ends, the
// budgets, the output of a turn, the end of the connection, and the sweep. `Http2Connection` adds the frames.
//
// Output gathers in one buffer. It is flushed when the chunk that caused it has been worked through, or, for output
// that has another cause, at the end of the turn (`touch`). Whatever costs us and serves nobody is charged to a budget
// (budgets.ts, abuse.ts). Every event of the socket has a handler, so nothing a peer does to it is an exception.

import type { Socket } from "node:net";
import { AbuseMeter, type CutReason } from "./abuse.js";
import { BUDGETS } from "./budgets.js";
import { CLOSED_BY_US, CLOSED_ENDED, ClosedStreams } from "./closed-streams.js";
import { type ConnectionGroup, type GroupMember, sweeps } from "./connection-group.js";
import { writeGoaway, writeRstStream, writeWindowUpdate } from "./frame-writer.js";
import { OutputBuffer } from "./output-buffer.js";
import { ErrorCode } from "./protocol.js";
import { Sender } from "./sender.js";
import { StallWatch } from "./stall-watch.js";
import type { Http2Stream } from "./stream.js";
import { StreamTable } from "./stream-table.js";

/** Open: frames are read. Closing: our last GOAWAY is out, what still comes is thrown away. Closed: no socket. */
const STATE_OPEN = 0;
const STATE_CLOSING = 1;
const STATE_CLOSED = 2;

const STREAM_STALL_SWEEPS = sweeps(BUDGETS.streamStallMs);
const HANDSHAKE_SWEEPS = sweeps(BUDGETS.handshakeMs);
const LINGER_SWEEPS = sweeps(BUDGETS.lingerMs);

/** host:port; "@" for a unix socket, as Go names a peer without a name. */
function remoteName(socket: Socket): string {
  const host = socket.remoteAddress;
  if (host === undefined) return "@";
  return `${host.includes(":") ? `[${host}]` : host}:${socket.remotePort}`;
}

export abstract class ConnectionBase implements GroupMember {
  readonly socket: Socket;
  readonly group: ConnectionGroup;
  /** The peer's address, for logs. */
  readonly remote: string;
  readonly out: OutputBuffer;
  readonly sender: Sender;
  readonly abuse: AbuseMeter;
  /** A free slot for the owner, for example the identity that a TLS certificate proved. */
  context: unknown = undefined;
  protected readonly streams = new StreamTable();
  protected readonly closedStreams = new ClosedStreams();
  /** The second in which the last byte came in. */
  protected receivedAt: number;
  /** When the last chunk came, on the group's clock. */
  receivedMs = 0;
  private state = STATE_OPEN;
  /** A chunk is being worked through: its end will flush. */
  private processing = false;
  private flushScheduled = false;
  /** The connection has written its share of a turn: the next flush, a turn later, goes on. */
  private unspentAtFlush = false;
  private bytesCounted = 0;
  private readonly openedAt: number;
  private closingAt = 0;
  private discarded = 0;
  /** Bytes of half-received messages on all streams. */
  private assemblyBytes = 0;
  private readonly writeWatch = new StallWatch(BUDGETS.socketStallMs);
  private readonly readWatch = new StallWatch(BUDGETS.partialFrameMs);

  constructor(socket: Socket, group: ConnectionGroup) {
    this.socket = socket;
    this.group = group;
    this.remote = remoteName(socket);
    this.out = new OutputBuffer(socket);
    this.abuse = new AbuseMeter(group.second);
    this.sender = new Sender(this.out, group, this.abuse);
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

  /** Works through the frames of a chunk. */
  protected abstract readFrames(chunk: Buffer): void;
  /** True once the peer has shown that it speaks HTTP/2. */
  protected abstract get ready(): boolean;
  /** True while a frame or a header block is begun and not finished. */
  protected abstract get midFrame(): boolean;
  /** A number that grows with every whole frame, or stands still while a header block is open. */
  protected abstract get frameProgress(): number;
  /** All whole frames of a chunk are through. */
  protected abstract onChunkEnd(): void;
  /** The highest of the peer's streams that we have worked on, for GOAWAY. */
  protected abstract lastServedStreamId(): number;
  /** A stream has left the table. */
  protected abstract onStreamGone(): void;
  protected abstract onSweep(second: number): void;
  /** The connection is over; all streams have been told. */
  protected abstract onClosed(reason: string): void;

  get stopped(): boolean {
    return this.state !== STATE_OPEN;
  }

  get queuedBytes(): number {
    return this.sender.queuedBytes;
  }

  get openStreams(): number {
    return this.streams.size;
  }

  /** Takes bytes that somebody else has read from the socket, or that the socket has just delivered. */
  onData(chunk: Buffer): void {
    if (this.state !== STATE_OPEN) return this.discard(chunk.length);
    this.group.counters.socketBytesReceived += chunk.length;
    this.receivedAt = this.group.second;
    this.receivedMs = this.group.clock.now();
    this.processing = true;
    this.readFrames(chunk);
    if (!this.stopped) this.onChunkEnd();
    this.processing = false;
    this.flush();
  }

  // -- ends of streams -----------------------------------------------------------------------------------------------

  /** A stream error (§5.4.2): resets the stream, tells its owner, and counts against the peer. */
  streamError(stream: Http2Stream, code: number, reason: string): void {
    if (stream.closed) return;
    this.resetStream(stream, code);
    stream.receiveReset(code, reason);
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

  protected forget(stream: Http2Stream, how: number): void {
    if (stream.closed) return;
    stream.closed = true;
    this.streams.delete(stream.id);
    this.closedStreams.note(stream.id, how);
    this.sender.drop(stream);
    stream.onForgotten();
    if (stream.dueAt !== Number.POSITIVE_INFINITY) this.group.deadlines.disarm(stream);
    this.onStreamGone();
  }

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

  protected chargeReset(): void {
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

  /** Grants a stream's window again once half of it is used and its owner has taken the bytes. */
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
    for (const stream of this.streams.all()) {
      if (stream.closed) continue;
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
    if (!this.ready && second - this.openedAt >= HANDSHAKE_SWEEPS) {
      return this.connectionError(ErrorCode.SettingsTimeout, "no SETTINGS in time", "handshake-timeout");
    }
    const unwritten = this.socket.writableLength;
    if (this.writeWatch.isStuck(unwritten > 0, this.out.bytesWritten - unwritten, second)) {
      return this.cut("socket-stalled", "the peer does not read");
    }
    if (this.readWatch.isStuck(this.midFrame && !this.socket.isPaused(), this.frameProgress, second)) {
      return this.connectionError(ErrorCode.EnhanceYourCalm, "a frame was not finished", "partial-frame");
    }
    if (this.sender.queuedStreams > 0) this.resetStalledStreams(second);
    if (!this.stopped) this.onSweep(second);
  }

  private resetStalledStreams(second: number): void {
    for (const stream of this.streams.all()) {
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
