// What the client needs of a gRPC connection, and nothing more: opening one, a unary call, a stream. The rpc room provides
// it (rpc-transport.ts); tests may provide another. Messages are bytes here; which service they belong to is decided above.
//
// A connection is one established transport to one endpoint. It is handed out only when it stands, so a failure before
// that cannot have reached a server: that is what makes retrying writes safe (see caller.ts).

import type { StatusCode } from "#proto";

/** Where an endpoint is. `tls` endpoints need a connector that can speak TLS. */
export type Target =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls: boolean }
  | { readonly kind: "unix"; readonly path: string; readonly tls: boolean };

/** How a call ended when it did not end well. */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  readonly code: StatusCode;
  /** The server's (or the transport's) text, unchanged. */
  readonly detail: string;
  /** True when the request certainly never reached a server's handler. */
  readonly notSent: boolean;

  constructor(code: StatusCode, detail: string, notSent = false) {
    super(detail);
    this.code = code;
    this.detail = detail;
    this.notSent = notSent;
  }
}

export interface CallSettings {
  readonly metadata: Readonly<Record<string, string>>;
  /** Time left until the deadline; absent: none. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Receives what a stream brings. After `onEnd` nothing follows. */
export interface StreamObserver {
  /** `message` belongs to the observer. */
  onMessage(message: Uint8Array): void;
  /** `failure` is undefined when the server ended with OK. */
  onEnd(failure: CallFailure | undefined): void;
}

/** The sending half of a stream. */
export interface ClientStream {
  send(message: Uint8Array): void;
  /** No more requests; the server may go on sending. */
  halfClose(): void;
  /** Gives the stream up; `onEnd` is not called any more. */
  cancel(): void;
  /** Stops taking in messages, so that flow control holds the server back. */
  pause(): void;
  resume(): void;
}

export interface Connection {
  /** Rejects with a `CallFailure`. */
  unary(path: string, request: Uint8Array, settings: CallSettings): Promise<Uint8Array>;
  /** Rejects with a `CallFailure` when the stream cannot be opened; the observer hears nothing then. */
  stream(path: string, settings: CallSettings, observer: StreamObserver): Promise<ClientStream>;
  /** Ends the connection; running calls fail. */
  close(): void;
}

export interface ConnectSettings {
  readonly timeoutMs: number;
  /** Pings when nothing was heard for this long; absent: none. */
  readonly keepaliveMs?: number;
  readonly keepaliveTimeoutMs?: number;
  readonly maxSendBytes: number;
  readonly maxReceiveBytes: number;
  /** Called once when an established connection is gone, for whatever reason but `close()`. */
  onLost(): void;
}

/** Opens connections. */
export interface Connector {
  /** Resolves with an established connection, or rejects with a `CallFailure` (Unavailable) that says why not. */
  connect(target: Target, settings: ConnectSettings): Promise<Connection>;
}
