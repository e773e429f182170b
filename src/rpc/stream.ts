// One HTTP/2 stream (RFC 9113 §5), of either role: its windows, its half-closed flags and the bytes that wait for a
// window. What the bytes mean is the subclass's.
//
// Window arithmetic: a peer may change SETTINGS_INITIAL_WINDOW_SIZE at any time, and that shifts the window of every
// stream. So a stream keeps only how far it is from the initial window (`sendUsed`: bytes sent minus bytes granted),
// and the change costs nothing per stream.

import { Ring } from "#base";
import { BUDGETS } from "./budgets.js";
import type { Http2Connection } from "./connection.js";
import { Deadline } from "./deadlines.js";

/** How the end of a stream's sending side is to be written once its queue is empty. */
export type StreamEnding = Buffer | "end-data" | undefined;

/** Bytes of one stream that could not leave at once. */
export class SendQueue {
  readonly chunks = new Ring<Uint8Array>(2);
  /** Bytes of the oldest chunk that have left. */
  offset = 0;
  bytes = 0;
  /** A trailer block, or an empty DATA frame with END_STREAM, to follow the last byte. */
  ending: StreamEnding = undefined;
  /** True while the stream stands in its connection's line of streams that wait for the connection. */
  waiting = false;
  /** The second in which bytes last moved. */
  progressAt: number;

  constructor(second: number) {
    this.progressAt = second;
  }
}

export abstract class Http2Stream extends Deadline {
  readonly id: number;
  readonly connection: Http2Connection;
  /** END_STREAM received; nothing may follow. */
  remoteClosed = false;
  /** END_STREAM sent (or queued): nothing of ours may follow. */
  localClosed = false;
  /** Out of the connection's table: finished, reset or lost. */
  closed = false;
  /** DATA has been sent on it: a peer that resets it now has had its answer. */
  served = false;
  /** Bytes sent minus bytes granted by WINDOW_UPDATE. */
  sendUsed = 0;
  /** Bytes that the peer may still send. */
  receiveWindow: number = BUDGETS.streamWindowBytes;
  /** Bytes of body that content-length still promises; -1 when there is no such header. */
  contentLeft = -1;
  queue: SendQueue | undefined = undefined;
  /** Set when the owner was told to wait: it is owed an `onDrained`. */
  owesDrain = false;

  constructor(connection: Http2Connection, id: number) {
    super();
    this.connection = connection;
    this.id = id;
  }

  /** Payload of a DATA frame; `last` when END_STREAM came with it. The bytes are valid only during the call. */
  abstract receiveData(buf: Buffer, start: number, end: number, last: boolean): void;
  /** The peer has ended its side without data in the same frame (empty DATA, or trailers). */
  abstract receiveEnd(): void;
  /** The stream ended before its time: reset by either side, or the connection is gone. It is out of the table. */
  abstract receiveReset(code: number, reason: string): void;
  /** The queue is empty again after the owner was told to wait. */
  abstract onDrained(): void;
  /** The last byte that this side had to send has left the queue. */
  abstract onSent(): void;

  /** Out of the table, for whatever reason: frees what it holds. Called once. */
  onForgotten(): void {}

  get queuedBytes(): number {
    return this.queue === undefined ? 0 : this.queue.bytes;
  }

  /** True while bytes, or the end, of this stream still wait. */
  get hasQueued(): boolean {
    return this.queue !== undefined && (this.queue.bytes > 0 || this.queue.ending !== undefined);
  }

  /** Counts body bytes against content-length; false when more came than were promised. */
  countContent(bytes: number): boolean {
    if (this.contentLeft < 0) return true;
    this.contentLeft -= bytes;
    return this.contentLeft >= 0;
  }
}
