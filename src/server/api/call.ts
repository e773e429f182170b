// What the services need of a call, whoever carries it: the rpc room's ServerCall in the product, a recorded call in the
// simulator. Message bytes handed to `reply` and `send` are copied before these return.

import type { RpcError } from "#proto";

export interface UnaryCall {
  /** True once the client has gone or its deadline has passed: nobody reads the reply. */
  readonly cancelled: boolean;
  /** What the handler leaves for whoever measures calls (call-times.ts). */
  context?: unknown;
  reply(message: Uint8Array, start?: number, end?: number): void;
  fail(code: number, text: string): void;
}

export interface StreamCall {
  readonly cancelled: boolean;
  /** Sends one message. False: the transport has enough for now; `onDrain` of the observer follows. */
  send(message: Uint8Array): boolean;
  /** Ends the stream with OK. */
  end(): void;
  fail(code: number, text: string): void;
}

/** A stream whose messages may end in bytes that other streams send too. */
export interface SharingCall extends StreamCall {
  /** As `send`, of the message that `head[start, end)` begins and `body` ends. The body is not copied: its bytes must
   *  never change. */
  sendWithBody(head: Uint8Array, start: number, end: number, body: Uint8Array): boolean;
}

/** What a streaming handler gets to hear. */
export interface StreamObserver {
  /** `message` is valid only during the call. */
  onMessage(message: Uint8Array): void;
  onHalfClose(): void;
  /** The client went away, or its deadline passed. Nothing may be sent any more. */
  onCancel(): void;
  onDrain(): void;
}

export function failWith(call: { fail(code: number, text: string): void }, error: RpcError): void {
  call.fail(error.code, error.message);
}
