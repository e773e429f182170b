// HTTP/2 requests that are not gRPC's, on a TLS port: a client that offers h2 gets h2, and may then ask for /version or
// the JSON gateway. Each such stream becomes a request of HTTP/1.1 to the HTTP server of the port, over a pair of
// streams in memory, so that there is one implementation of those endpoints and it need not know.
//
// Flow control goes through: what the HTTP server does not read is not granted to the client again, and what the
// client does not read stops the response.

import { type ClientRequest, type Server as HttpServer, type IncomingMessage, request } from "node:http";
import { type Duplex, duplexPair } from "node:stream";
import type { TLSSocket } from "node:tls";
import { BUDGETS } from "./budgets.js";
import type { Http2Connection } from "./connection.js";
import { writeHeaders } from "./frame-writer.js";
import { FieldKind } from "./header-field.js";
import { type HeaderPair, literalBlock } from "./hpack-encoder.js";
import { ErrorCode } from "./protocol.js";
import type { RequestHead } from "./request-head.js";
import { Http2Stream } from "./stream.js";

/** Fields of a response that HTTP/2 has no place for. */
const DROPPED = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]);
const BAD_GATEWAY = literalBlock([[":status", "502"]]);

/** True when HTTP/1.1 can say this request at all: its method and path are less free there. */
export function isBridgeable(head: RequestHead): boolean {
  return METHOD.test(head.method) && head.method !== "CONNECT" && PATH.test(head.path);
}

const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const PATH = /^\/[\x21-\xff]*$/;

export class HttpBridgeStream extends Http2Stream {
  private readonly outgoing: ClientRequest;
  private incoming: IncomingMessage | undefined = undefined;
  private inputPaused = false;

  constructor(
    connection: Http2Connection,
    id: number,
    head: RequestHead,
    hasBody: boolean,
    http: HttpServer,
  ) {
    super(connection, id);
    this.contentLeft = head.contentLength;
    const [near, far] = duplexPair();
    tie(near, far);
    lendIdentity(far, connection);
    http.emit("connection", far);
    this.outgoing = request({
      createConnection: () => near,
      method: head.method,
      path: head.path,
      headers: requestHeaders(head, hasBody),
      setHost: false,
    });
    this.outgoing.on("response", (response) => this.onResponse(response));
    this.outgoing.on("drain", () => this.onInputDrain());
    this.outgoing.on("error", () => this.onFailure());
  }

  override receiveData(buf: Buffer, start: number, end: number, last: boolean): void {
    if (end > start && !this.outgoing.write(Buffer.from(buf.subarray(start, end)))) this.inputPaused = true;
    if (last) this.receiveEnd();
    else if (!this.inputPaused) this.connection.replenishStreamWindow(this);
  }

  override receiveEnd(): void {
    this.outgoing.end();
  }

  override receiveReset(): void {
    this.outgoing.destroy();
    this.incoming?.destroy();
  }

  override onDrained(): void {
    this.incoming?.resume();
  }

  override onSent(): void {
    if (this.closed || !this.localClosed) return;
    if (this.remoteClosed) this.connection.endStream(this);
    else this.connection.resetStream(this, ErrorCode.NoError);
    this.outgoing.destroy();
  }

  override onDeadline(): void {
    // Never armed: such requests have no deadline of their own.
  }

  private onInputDrain(): void {
    this.inputPaused = false;
    this.connection.replenishStreamWindow(this);
  }

  private onResponse(response: IncomingMessage): void {
    if (this.closed) return;
    this.incoming = response;
    const fields: HeaderPair[] = [[":status", String(response.statusCode ?? 502)]];
    for (let i = 0; i + 1 < response.rawHeaders.length; i += 2) {
      const name = response.rawHeaders[i].toLowerCase();
      if (!DROPPED.has(name)) fields.push([name, response.rawHeaders[i + 1]]);
    }
    writeHeaders(this.connection.out, this.id, literalBlock(fields), false);
    response.on("data", (chunk: Buffer) => this.onResponseData(response, chunk));
    response.on("end", () => this.end());
    response.on("error", () => this.onFailure());
    this.connection.touch();
  }

  private onResponseData(response: IncomingMessage, chunk: Buffer): void {
    if (this.closed) return;
    this.connection.sender.enqueue(this, chunk);
    if (this.queuedBytes >= BUDGETS.streamQueueHighBytes) {
      this.owesDrain = true;
      response.pause();
    }
    this.connection.touch();
  }

  private end(): void {
    if (this.closed || this.localClosed) return;
    this.localClosed = true;
    this.connection.sender.end(this, "end-data");
    this.connection.touch();
  }

  /** The HTTP server hung up: an error as far as one can still be told. */
  private onFailure(): void {
    if (this.closed || this.localClosed) return;
    if (this.incoming !== undefined) return this.connection.resetStream(this, ErrorCode.InternalError);
    this.localClosed = true;
    this.connection.sender.end(this, BAD_GATEWAY);
    this.connection.touch();
  }
}

/** A pair of streams does not by itself pass on that one of them was destroyed. */
function tie(near: Duplex, far: Duplex): void {
  near.on("close", () => far.destroy());
  far.on("close", () => {
    if (!far.writableFinished) near.destroy();
  });
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
}

/** What HTTP endpoints ask their socket about the client. */
function lendIdentity(stream: Duplex, connection: Http2Connection): void {
  const socket = connection.socket as Partial<TLSSocket>;
  Object.assign(stream, {
    remoteAddress: socket.remoteAddress,
    remotePort: socket.remotePort,
    encrypted: socket.encrypted === true,
    authorized: socket.authorized,
    getPeerCertificate: (detailed?: boolean) => socket.getPeerCertificate?.(detailed === true) ?? {},
  });
}

/** Names and values in turn, as node:http takes them. */
function requestHeaders(head: RequestHead, hasBody: boolean): string[] {
  const headers: string[] = [];
  let host = head.authority;
  for (const field of head.metadata.fields) {
    if (field.kind === FieldKind.Host) host ||= field.value;
    else if (!field.name.startsWith(":") && field.kind !== FieldKind.Te)
      headers.push(field.name, field.value);
  }
  headers.push("host", host);
  // A body always has a frame of its own; else its bytes could pass for another request.
  if (hasBody && head.contentLength < 0) headers.push("transfer-encoding", "chunked");
  return headers;
}
