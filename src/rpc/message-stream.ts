// A streaming call for code that awaits: sends go into `send`, messages come out of `for await`. Messages are owned
// copies. When the reader lags behind, the server is held by flow control; when the server lags, `send` resolves late.

import { copyBytes, Ring } from "#base";
import { StatusCode } from "#proto";
import { type CallStatus, RpcStatusError } from "./call-status.js";
import type { ClientCall, ClientObserver } from "./client-call.js";
import type { Metadata } from "./metadata.js";

/** Unread messages above which the server is asked to wait. */
const HOLD_MESSAGES = 64;

export class MessageStream implements ClientObserver, AsyncIterable<Uint8Array> {
  /** The response headers, once they have come. */
  headers: Metadata | undefined = undefined;
  /** How it ended, once it has. */
  status: CallStatus | undefined = undefined;
  private call: ClientCall | undefined = undefined;
  private readonly unread = new Ring<Uint8Array>(8);
  private reader: (() => void) | undefined = undefined;
  private writers: (() => void)[] = [];
  /** What was sent before there was a connection. */
  private readonly early: Uint8Array[] = [];
  private endWanted = false;
  private cancelWanted = false;
  private holding = false;

  /** Sends a copy of the message; resolves when more may be sent. False when the call is over. */
  async send(message: Uint8Array): Promise<boolean> {
    if (this.status !== undefined || this.endWanted) return false;
    if (this.call === undefined) {
      this.early.push(copyBytes(message));
      return true;
    }
    if (this.call.send(message)) return true;
    if (this.status === undefined) await new Promise<void>((resolve) => this.writers.push(resolve));
    return this.status === undefined;
  }

  /** Half-closes. */
  end(): void {
    this.endWanted = true;
    this.call?.end();
  }

  cancel(): void {
    this.cancelWanted = true;
    this.call?.cancel();
  }

  /** The messages, in order. Returns when the server has ended the call with OK, else throws RpcStatusError. */
  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      for (;;) {
        const message = this.unread.shift();
        if (message !== undefined) {
          this.releaseIfRead();
          yield message;
        } else if (this.status !== undefined) {
          if (this.status.code !== StatusCode.OK) throw new RpcStatusError(this.status);
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.reader = resolve;
          });
        }
      }
    } finally {
      // Leaving the loop early gives the call up.
      if (this.status === undefined) this.cancel();
    }
  }

  // -- for the channel and the call ------------------------------------------------------------------------------------

  attach(call: ClientCall): void {
    this.call = call;
    for (const message of this.early) call.send(message);
    this.early.length = 0;
    if (this.endWanted) call.end();
    if (this.cancelWanted) call.cancel();
  }

  onHeaders(metadata: Metadata): void {
    this.headers = metadata;
  }

  onMessage(message: Uint8Array): void {
    this.unread.push(copyBytes(message));
    if (this.unread.length >= HOLD_MESSAGES && !this.holding) {
      this.holding = true;
      this.call?.hold();
    }
    this.wakeReader();
  }

  onEnd(status: CallStatus): void {
    this.status = status;
    this.wakeReader();
    this.onDrain();
  }

  onDrain(): void {
    const writers = this.writers;
    this.writers = [];
    for (const resolve of writers) resolve();
  }

  private releaseIfRead(): void {
    if (!this.holding || this.unread.length > 0) return;
    this.holding = false;
    this.call?.release();
  }

  private wakeReader(): void {
    const reader = this.reader;
    this.reader = undefined;
    reader?.();
  }
}
