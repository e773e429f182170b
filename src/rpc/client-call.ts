// One call at the client: the stream, the messages on it, and the status at its end. The observer is told everything
// and hears `onEnd` exactly once, whatever happens.

import { StatusCode } from "#proto";
import { BUDGETS } from "./budgets.js";
import { CallStatus, statusOfReset } from "./call-status.js";
import type { ClientConnection } from "./client-connection.js";
import { GrpcStream } from "./grpc-stream.js";
import type { Metadata } from "./metadata.js";
import { ErrorCode } from "./protocol.js";
import type { ResponseHead } from "./response-head.js";

export interface ClientObserver {
  /** The response headers, when they come ahead of the status. */
  onHeaders?(metadata: Metadata): void;
  /** A message; the view is valid only during the call. */
  onMessage(message: Uint8Array): void;
  /** The last thing that happens. */
  onEnd(status: CallStatus): void;
  /** `send` has returned false; now there is room again. */
  onDrain?(): void;
}

export class ClientCall extends GrpcStream {
  private readonly owner: ClientConnection;
  private readonly observer: ClientObserver;
  private head: ResponseHead | undefined = undefined;
  private over = false;
  private onOver: (() => void) | undefined = undefined;
  /** While true the receive window is not granted again: messages pile up at the server. */
  private held = false;

  constructor(owner: ClientConnection, id: number, observer: ClientObserver, maxReceiveBytes: number) {
    super(owner, id, maxReceiveBytes);
    this.owner = owner;
    this.observer = observer;
  }

  /** Sends a message; the bytes are copied before this returns. False asks to wait for onDrain (what is sent in spite
   *  of that is queued), or says that nothing can be sent any more. */
  send(message: Uint8Array, start = 0, end = message.length): boolean {
    if (this.over || this.localClosed || this.closed) return false;
    if (end - start > this.owner.maxSendBytes) {
      const sizes = `${end - start} vs. ${this.owner.maxSendBytes}`;
      this.abort(StatusCode.ResourceExhausted, `trying to send message larger than max (${sizes})`);
      return false;
    }
    this.owner.group.counters.messageBytesSent += end - start;
    this.writeMessage(message, start, end);
    if (this.closed || this.queuedBytes < BUDGETS.streamQueueHighBytes) return !this.closed;
    this.owesDrain = true;
    return false;
  }

  /** Half-closes: no message follows. */
  end(): void {
    if (this.localClosed || this.closed) return;
    this.localClosed = true;
    this.owner.sender.end(this, "end-data");
    this.owner.touch();
  }

  /** Gives the call up: the server is told, and `onEnd` hears Canceled. */
  cancel(): void {
    this.abort(StatusCode.Canceled, "context canceled");
  }

  /** Has `callback` called when the call is over, just before the observer hears of it. */
  whenOver(callback: () => void): void {
    if (this.over) callback();
    else this.onOver = callback;
  }

  /** Stops and resumes the flow of messages; up to a window's worth still arrives after `hold`. */
  hold(): void {
    this.held = true;
  }

  release(): void {
    this.held = false;
    this.owner.replenishStreamWindow(this);
  }

  // -- for the transport -----------------------------------------------------------------------------------------------

  /** Response headers or trailers. */
  onHead(head: ResponseHead, last: boolean): void {
    if (head.malformed !== undefined) {
      return this.owner.streamError(this, ErrorCode.ProtocolError, head.malformed);
    }
    if (last) this.remoteClosed = true;
    if (this.head !== undefined || (last && head.grpcStatus >= 0)) {
      if (!last) return this.owner.streamError(this, ErrorCode.ProtocolError, "trailers without END_STREAM");
      return this.finish(this.isHalfReceived ? truncated() : head.status());
    }
    if (head.httpStatus >= 100 && head.httpStatus < 200 && !last) return;
    const failure = head.httpFailure();
    if (failure !== undefined || last) return this.finish(failure ?? head.status());
    this.head = head;
    this.encoding = head.encoding;
    this.contentLeft = head.contentLength;
    this.observer.onHeaders?.(head.metadata);
  }

  override receiveData(buf: Buffer, start: number, end: number, last: boolean): void {
    if (this.head === undefined) {
      return this.owner.streamError(this, ErrorCode.ProtocolError, "DATA before the response headers");
    }
    super.receiveData(buf, start, end, last);
  }

  override receiveEnd(): void {
    if (this.over) return;
    this.finish(new CallStatus(StatusCode.Internal, "server closed the stream without sending trailers"));
  }

  override receiveReset(code: number, reason: string): void {
    if (this.owner.stopped) this.conclude(new CallStatus(StatusCode.Unavailable, reason));
    else this.conclude(statusOfReset(code));
  }

  /** The server has said that it will not work on this stream. */
  onUnprocessed(reason: string): void {
    this.owner.resetStream(this, ErrorCode.Cancel);
    this.conclude(new CallStatus(StatusCode.Unavailable, reason, undefined, true));
  }

  override onDeadline(): void {
    this.abort(StatusCode.DeadlineExceeded, "context deadline exceeded");
  }

  override onDrained(): void {
    this.observer.onDrain?.();
  }

  override onSent(): void {
    if (this.remoteClosed && !this.closed) this.owner.endStream(this);
  }

  protected override get accepting(): boolean {
    return !this.over;
  }

  protected override get replenishes(): boolean {
    return !this.held;
  }

  protected override onMessage(message: Uint8Array): void {
    this.observer.onMessage(message);
  }

  protected override onFault(code: StatusCode, text: string): void {
    this.abort(code, text);
  }

  /** Ends the call on our own account. */
  private abort(code: StatusCode, text: string): void {
    if (this.over) return;
    this.owner.resetStream(this, ErrorCode.Cancel);
    this.conclude(new CallStatus(code, text));
  }

  /** The server has ended its side; what we have not sent yet is of no use any more. */
  private finish(status: CallStatus): void {
    if (!this.closed) {
      if (this.localClosed && !this.hasQueued && this.remoteClosed) this.owner.endStream(this);
      else this.owner.resetStream(this, this.remoteClosed ? ErrorCode.NoError : ErrorCode.Cancel);
    }
    this.conclude(status);
  }

  private conclude(status: CallStatus): void {
    if (this.over) return;
    this.over = true;
    this.onOver?.();
    this.observer.onEnd(status);
  }
}

function truncated(): CallStatus {
  return new CallStatus(StatusCode.Internal, "unexpected EOF");
}
