// What a connection writes during one turn of the event loop is gathered in one buffer and leaves in one write. The
// buffers come from a pool: a connection holds one only between its first byte and the flush, and gives it back when the
// kernel has taken it, which mostly is on the spot: then the next connection writes into memory that is still in the
// processor's cache. Ten thousand idle connections hold none.
//
// The first buffer of a turn is small, the size of a handful of replies; output that does not fit moves to a large
// one, and when that is full it is written at once.

import type { Socket } from "node:net";
import { assert, Ring } from "#base";
import { BUDGETS } from "./budgets.js";
import { BufferPool } from "./buffer-pool.js";

const NONE: Buffer = Buffer.alloc(0);
const small = new BufferPool(BUDGETS.outputSmallBytes, BUDGETS.outputSmallPooled);
const large = new BufferPool(BUDGETS.outputLargeBytes, BUDGETS.outputLargePooled);

function giveBack(buf: Buffer): void {
  (buf.length === small.bufferBytes ? small : large).giveBack(buf);
}

/** Lets go of buffers that were not needed since the last call. */
export function trimOutputPools(): void {
  small.trim();
  large.trim();
}

/** Lets go of all buffers that are not in use. */
export function clearOutputPools(): void {
  small.clear();
  large.clear();
}

export class OutputBuffer {
  /** The buffer to write into, at the offset that `reserve` returned. */
  buf: Buffer = NONE;
  length = 0;
  /** Bytes ever handed to the socket. */
  bytesWritten = 0;
  /** True while the socket holds all that it may: nothing more is produced until it drains. */
  blocked = false;
  private readonly socket: Socket;
  private readonly inFlight = new Ring<Buffer>(4);
  /** Writes whose buffers were given back before the socket said that they are done. */
  private doneEarly = 0;
  private readonly onTaken = (): void => {
    if (this.doneEarly > 0) {
      this.doneEarly--;
      return;
    }
    const buf = this.inFlight.shift();
    if (buf !== undefined) giveBack(buf);
  };

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Makes room for `count` bytes and returns the offset in `buf` where they go; `length` already counts them. */
  reserve(count: number): number {
    const at = this.length;
    if (at + count > this.buf.length) return this.makeRoom(count);
    this.length = at + count;
    return at;
  }

  /** Gives the last `count` reserved bytes back. */
  unreserve(count: number): void {
    this.length -= count;
  }

  /** Hands everything gathered to the socket, in one write. */
  flush(): void {
    if (this.length === 0) return;
    const buf = this.buf;
    const view = buf.subarray(0, this.length);
    this.bytesWritten += this.length;
    this.buf = NONE;
    this.length = 0;
    this.socket.write(view, this.onTaken);
    const unwritten = this.socket.writableLength;
    if (unwritten === 0) {
      // The socket holds nothing, so nothing is in flight: callbacks come in order, and this one's is still to come.
      this.doneEarly++;
      giveBack(buf);
      return;
    }
    this.inFlight.push(buf);
    if (unwritten >= BUDGETS.socketBufferBytes) this.blocked = true;
  }

  /** Forgets what was gathered and not flushed: the connection is gone. */
  discard(): void {
    if (this.buf !== NONE) giveBack(this.buf);
    this.buf = NONE;
    this.length = 0;
  }

  private makeRoom(count: number): number {
    assert(count <= BUDGETS.outputLargeBytes, "no single write is larger than an output buffer");
    if (this.buf === NONE) {
      this.buf = (count <= small.bufferBytes ? small : large).take();
    } else if (this.length + count <= BUDGETS.outputLargeBytes) {
      const larger = large.take();
      this.buf.copy(larger, 0, 0, this.length);
      giveBack(this.buf);
      this.buf = larger;
    } else {
      this.flush();
      this.buf = large.take();
    }
    const at = this.length;
    this.length = at + count;
    return at;
  }
}
