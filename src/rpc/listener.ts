// One port, several protocols. The first bytes of a connection decide: a TLS record goes to TLS, the HTTP/2 preface
// to the gRPC server, anything else to the HTTP/1.1 server that the caller hands in. Under TLS the protocol that ALPN
// agreed on decides, and the first bytes only where the client offered none; and since a client that offers h2 may be
// no gRPC client at all, requests of other content types go on to the HTTP server there (http-bridge.ts), as in etcd.
//
// A connection that has not decided itself (or finished its handshake) in time is dropped, whatever it drips.

import type { Server as HttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import {
  createServer as createTlsServer,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
  type Server as TlsServer,
} from "node:tls";
import { type Clock, type Logger, SILENT, type Timer } from "#base";
import { BUDGETS } from "./budgets.js";
import { NODE_CLOCK } from "./node-clock.js";
import { PREFACE } from "./protocol.js";
import type { RpcServer } from "./server.js";

export interface ListenerOptions {
  /** Serves HTTP/2 connections; without it they are dropped. */
  readonly rpc?: RpcServer;
  /** Serves HTTP/1.1 connections; need not listen itself. Without it they are dropped. */
  readonly http?: HttpServer;
  /** Serves TLS with these options (ALPNProtocols is set here). */
  readonly tls?: TlsOptions;
  /** With `tls`: also take connections in the clear on the same port. Without `tls` they are always taken. */
  readonly alsoPlain?: boolean;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** The first byte of a TLS handshake record. */
const TLS_HANDSHAKE = 0x16;

export class RpcListener {
  private readonly options: ListenerOptions;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly server: Server;
  private readonly undecided = new Map<Socket, Timer>();
  private readonly tls: TlsServer | undefined;

  constructor(options: ListenerOptions) {
    this.options = options;
    this.clock = options.clock ?? NODE_CLOCK;
    this.logger = options.logger ?? SILENT;
    this.server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
    this.server.on("connection", (socket: Socket) => this.onConnection(socket));
    this.tls = options.tls === undefined ? undefined : this.createTls(options.tls);
    // node:http checks its header and request timeouts only once it is told that it listens.
    if (options.http?.listening === false) options.http.emit("listening");
  }

  /** Uses another certificate, or another authority, for handshakes from now on. */
  setSecureContext(options: SecureContextOptions): void {
    this.tls?.setSecureContext(options);
  }

  /** Starts to listen; rejects when the address cannot be had. */
  listen(address: ListenAddress): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(address, () => {
        this.server.removeListener("error", reject);
        this.server.on("error", (error) => this.logger.error("listener failed", { error: error.message }));
        resolve();
      });
    });
  }

  /** The port in use, for addresses that asked for port 0; 0 for a unix socket. */
  get port(): number {
    const address = this.server.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  }

  /** Stops listening. Connections that were handed on live on with their servers; undecided ones are dropped. */
  close(): Promise<void> {
    for (const socket of this.undecided.keys()) socket.destroy();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      // `close` waits for every connection ever accepted; who wants them gone asks their servers. Only the end of
      // listening is waited for here.
      this.server.unref();
      if (!this.server.listening) resolve();
    });
  }

  private onConnection(socket: Socket): void {
    this.watch(socket);
    if (this.options.tls !== undefined && this.options.alsoPlain !== true) return this.startTls(socket);
    this.sniff(socket, this.options.tls !== undefined);
  }

  /** Drops the socket unless `settle` is called in time; until then nobody else handles its errors. */
  private watch(socket: Socket): void {
    const timer = this.clock.setTimer(BUDGETS.handshakeMs, () => socket.destroy());
    this.undecided.set(socket, timer);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.settle(socket));
  }

  private settle(socket: Socket): void {
    const timer = this.undecided.get(socket);
    if (timer === undefined) return;
    this.undecided.delete(socket);
    this.clock.clearTimer(timer);
  }

  /** Reads until the first bytes tell the protocol. */
  private sniff(socket: Socket, tlsPossible: boolean): void {
    let seen: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const isTls = tlsPossible && seen[0] === TLS_HANDSHAKE;
      const compared = Math.min(seen.length, PREFACE.length);
      const mayBeHttp2 = !isTls && PREFACE.compare(seen, 0, compared, 0, compared) === 0;
      if (mayBeHttp2 && compared < PREFACE.length) return;
      socket.removeListener("data", onData);
      if (mayBeHttp2) return this.toRpc(socket, seen);
      socket.pause();
      socket.unshift(seen);
      if (isTls) this.startTls(socket);
      else this.toHttp(socket);
    };
    socket.on("data", onData);
  }

  /** A TLS server that listens on nothing: connections are handed to it once they have shown to be TLS. */
  private createTls(options: TlsOptions): TlsServer {
    const server = createTlsServer({
      ...options,
      handshakeTimeout: BUDGETS.handshakeMs,
      ALPNProtocols: this.options.rpc === undefined ? ["http/1.1"] : ["h2", "http/1.1"],
    });
    server.on("secureConnection", (socket) => this.onSecure(socket));
    server.on("tlsClientError", (error, socket) => {
      this.logger.debug("rejected connection", { "remote-addr": socket.remoteAddress, error: error.message });
      socket.destroy();
    });
    return server;
  }

  private startTls(socket: Socket): void {
    // The handshake has its own deadline from here on.
    this.settle(socket);
    this.tls!.emit("connection", socket);
  }

  private onSecure(socket: TLSSocket): void {
    this.watch(socket);
    if (socket.alpnProtocol === "h2") this.toRpc(socket, undefined, this.options.http);
    else if (socket.alpnProtocol === "http/1.1") this.toHttp(socket);
    else this.sniff(socket, false);
  }

  private toRpc(socket: Socket, first: Buffer | undefined, http?: HttpServer): void {
    this.settle(socket);
    if (this.options.rpc === undefined) socket.destroy();
    else this.options.rpc.accept(socket, first, http);
  }

  private toHttp(socket: Socket): void {
    this.settle(socket);
    if (this.options.http === undefined) {
      socket.destroy();
      return;
    }
    this.options.http.emit("connection", socket);
    socket.resume();
  }
}
