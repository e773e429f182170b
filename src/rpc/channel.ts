// A channel: one address, at most one connection, made when it is first needed and made again after it was lost. No
// balancing and no retries: those belong to who knows what the calls mean.

import { connect as connectPlain, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { type Clock, copyBytes, type Logger, SILENT } from "#base";
import { StatusCode } from "#proto";
import { DEFAULTS } from "./budgets.js";
import { CallStatus, RpcStatusError } from "./call-status.js";
import type { ClientCall, ClientObserver } from "./client-call.js";
import { type CallMetadata, ClientConnection, type ClientConnectionOwner } from "./client-connection.js";
import { ConnectionGroup } from "./connection-group.js";
import { MessageStream } from "./message-stream.js";
import { NODE_CLOCK } from "./node-clock.js";
import { ErrorCode } from "./protocol.js";

export type ChannelAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ChannelOptions {
  readonly address: ChannelAddress;
  /** Present: TLS with these options (ALPN is set here). */
  readonly tls?: ConnectionOptions;
  /** The :authority to send; by default host:port. */
  readonly authority?: string;
  readonly userAgent?: string;
  readonly maxReceiveBytes?: number;
  readonly maxSendBytes?: number;
  readonly keepaliveTimeMs?: number;
  readonly keepaliveTimeoutMs?: number;
  readonly keepaliveWithoutStream?: boolean;
  readonly connectTimeoutMs?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export interface CallOptions {
  readonly metadata?: CallMetadata;
  /** The deadline, from now; connecting counts. */
  readonly timeoutMs?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Replaces the channel's limit for this call. */
  readonly maxReceiveBytes?: number;
}

const NO_METADATA: CallMetadata = [];

export class RpcChannel {
  readonly group: ConnectionGroup;
  /** Told when the connection becomes unusable, with the reason. */
  onDisconnect: ((reason: string) => void) | undefined = undefined;
  private readonly options: ChannelOptions;
  private readonly clock: Clock;
  private connection: ClientConnection | undefined = undefined;
  private connecting: Promise<ClientConnection> | undefined = undefined;
  private closed = false;
  /** All connections that are not closed yet; after GOAWAY an old one may still finish its calls. */
  private readonly connections = new Set<ClientConnection>();

  constructor(options: ChannelOptions) {
    this.options = options;
    this.clock = options.clock ?? NODE_CLOCK;
    this.group = new ConnectionGroup(this.clock, options.logger ?? SILENT);
  }

  /** True while there is a connection that takes calls. */
  get connected(): boolean {
    return this.connection !== undefined;
  }

  /** The connection in use, made now if there is none. Rejects with RpcStatusError (Unavailable). */
  connect(): Promise<ClientConnection> {
    if (this.connection !== undefined) return Promise.resolve(this.connection);
    this.connecting ??= this.dial().finally(() => {
      this.connecting = undefined;
    });
    return this.connecting;
  }

  /** A unary call. Resolves with an owned message; rejects with RpcStatusError. */
  async unary(path: string, message: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    const timeoutMs = options.timeoutMs ?? Number.POSITIVE_INFINITY;
    const started = timeoutMs === Number.POSITIVE_INFINITY ? 0 : this.clock.now();
    const connection = this.readyConnection() ?? (await this.waitForConnection(timeoutMs, options.signal));
    const left =
      timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : timeoutMs - (this.clock.now() - started);
    return new Promise((resolve, reject) => {
      const observer = new UnaryObserver(resolve, reject);
      const call = this.openOn(connection, path, observer, options, left);
      call.send(message);
      call.end();
    });
  }

  /** Opens a streaming call with an observer. Rejects with RpcStatusError when there is no connection to be had. */
  async open(path: string, observer: ClientObserver, options: CallOptions = {}): Promise<ClientCall> {
    const timeoutMs = options.timeoutMs ?? Number.POSITIVE_INFINITY;
    const connection = this.readyConnection() ?? (await this.waitForConnection(timeoutMs, options.signal));
    return this.openOn(connection, path, observer, options, timeoutMs);
  }

  /** A streaming call to send to and iterate over. It connects by itself; failures end the iteration with a throw. */
  stream(path: string, options: CallOptions = {}): MessageStream {
    const stream = new MessageStream();
    this.open(path, stream, options).then(
      (call) => stream.attach(call),
      (error: unknown) => stream.onEnd(statusOf(error)),
    );
    return stream;
  }

  /** Ends the channel; open calls end with Unavailable. */
  close(): void {
    this.closed = true;
    this.connection = undefined;
    for (const connection of this.connections)
      connection.shutdown(ErrorCode.NoError, "the channel was closed");
  }

  // -- inside ----------------------------------------------------------------------------------------------------------

  private onUnusable(connection: ClientConnection, reason: string): void {
    if (connection.stopped) this.connections.delete(connection);
    if (this.connection !== connection) return;
    this.connection = undefined;
    this.onDisconnect?.(reason);
  }

  private readyConnection(): ClientConnection | undefined {
    const connection = this.connection;
    return connection?.usable === true && connection.hasRoom ? connection : undefined;
  }

  private openOn(
    connection: ClientConnection,
    path: string,
    observer: ClientObserver,
    options: CallOptions,
    timeoutMs: number,
  ): ClientCall {
    const call = connection.open(
      path,
      observer,
      options.metadata ?? NO_METADATA,
      timeoutMs,
      options.maxReceiveBytes,
    );
    if (options.signal !== undefined) cancelOnAbort(call, options.signal);
    return call;
  }

  /** A connection with room for one more call, within the call's time. */
  private async waitForConnection(
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<ClientConnection> {
    const deadline = this.clock.now() + timeoutMs;
    for (;;) {
      if (signal?.aborted === true) throw failure(StatusCode.Canceled, "context canceled");
      const ready = this.readyConnection();
      if (ready !== undefined) return ready;
      const step: Promise<unknown> =
        this.connection?.usable === true ? this.connection.waitForRoom() : this.connect();
      await this.within(step, deadline - this.clock.now());
    }
  }

  private within(step: Promise<unknown>, ms: number): Promise<unknown> {
    if (ms === Number.POSITIVE_INFINITY) return step;
    return new Promise((resolve, reject) => {
      const timer = this.clock.setTimer(Math.max(0, ms), () =>
        reject(failure(StatusCode.DeadlineExceeded, "context deadline exceeded")),
      );
      step.then(resolve, reject).finally(() => this.clock.clearTimer(timer));
    });
  }

  private dial(): Promise<ClientConnection> {
    if (this.closed) return Promise.reject(failure(StatusCode.Canceled, "the client connection is closing"));
    return new Promise((resolve, reject) => {
      const socket = this.openSocket();
      const fail = (text: string): void => {
        this.clock.clearTimer(timer);
        socket.destroy();
        reject(
          failure(StatusCode.Unavailable, `connection error: desc = ${JSON.stringify(`transport: ${text}`)}`),
        );
      };
      const timer = this.clock.setTimer(this.options.connectTimeoutMs ?? DEFAULTS.connectTimeoutMs, () =>
        fail("Error while dialing: timed out"),
      );
      socket.on("error", (error) => fail(`Error while dialing: ${error.message}`));
      socket.once("close", () => fail("Error while dialing: the connection was closed"));
      socket.once(this.options.tls === undefined ? "connect" : "secureConnect", () => {
        if (this.options.tls !== undefined && (socket as TLSSocket).alpnProtocol !== "h2") {
          return fail("authentication handshake failed: the server does not speak h2");
        }
        this.adopt(socket, (connection) => {
          this.clock.clearTimer(timer);
          resolve(connection);
        });
      });
    });
  }

  /** Speaks HTTP/2 on a connected socket; `onReady` when the server does too. */
  private adopt(socket: Socket, onReady: (connection: ClientConnection) => void): void {
    const owner: ClientConnectionOwner = {
      onReady: (connection) => {
        if (this.closed) return connection.shutdown(ErrorCode.NoError, "the channel was closed");
        this.connection = connection;
        onReady(connection);
      },
      onUnusable: (connection, reason) => this.onUnusable(connection, reason),
    };
    const options = this.options;
    this.connections.add(
      new ClientConnection(
        socket,
        this.group,
        {
          authority: options.authority ?? defaultAuthority(options.address),
          scheme: options.tls === undefined ? "http" : "https",
          userAgent: options.userAgent ?? "etcd-ts",
          maxReceiveBytes: options.maxReceiveBytes ?? DEFAULTS.maxReceiveBytes,
          maxSendBytes: options.maxSendBytes ?? DEFAULTS.maxSendBytes,
          keepaliveTimeMs: options.keepaliveTimeMs ?? 0,
          keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? DEFAULTS.keepaliveTimeoutMs,
          keepaliveWithoutStream: options.keepaliveWithoutStream ?? false,
        },
        owner,
      ),
    );
  }

  private openSocket(): Socket {
    const { address, tls } = this.options;
    if (tls === undefined) return connectPlain({ ...address, noDelay: true, keepAlive: true });
    return connectTls({ ...address, ...tls, ALPNProtocols: ["h2"] });
  }
}

function defaultAuthority(address: ChannelAddress): string {
  if ("path" in address) return "localhost";
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function failure(code: StatusCode, text: string): RpcStatusError {
  return new RpcStatusError(new CallStatus(code, text, undefined, true));
}

function statusOf(error: unknown): CallStatus {
  if (error instanceof RpcStatusError) return error.status;
  return new CallStatus(StatusCode.Internal, error instanceof Error ? error.message : String(error));
}

function cancelOnAbort(call: ClientCall, signal: AbortSignal): void {
  const cancel = (): void => call.cancel();
  if (signal.aborted) return cancel();
  signal.addEventListener("abort", cancel, { once: true });
  call.whenOver(() => signal.removeEventListener("abort", cancel));
}

/** Collects the one message of a unary call. */
class UnaryObserver implements ClientObserver {
  private readonly resolve: (message: Uint8Array) => void;
  private readonly reject: (error: RpcStatusError) => void;
  private message: Uint8Array | undefined = undefined;
  private count = 0;

  constructor(resolve: (message: Uint8Array) => void, reject: (error: RpcStatusError) => void) {
    this.resolve = resolve;
    this.reject = reject;
  }

  onMessage(message: Uint8Array): void {
    this.count++;
    this.message = copyBytes(message);
  }

  onEnd(status: CallStatus): void {
    if (status.code !== StatusCode.OK) return this.reject(new RpcStatusError(status));
    if (this.message !== undefined && this.count === 1) return this.resolve(this.message);
    this.reject(
      new RpcStatusError(
        new CallStatus(StatusCode.Internal, "grpc: a unary call was answered by no or many messages"),
      ),
    );
  }
}
