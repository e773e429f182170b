// A client that speaks HTTP/2 a frame at a time and says whatever it is told to, right or wrong. It shares no code with
// the server that it is pointed at: its HPACK writes literals only, and reads no header block at all.

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const PRIORITY_FLAG = 0x20;

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Any frame, legal or not. `length` replaces the true length of the payload. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    out.writeUInt32BE(value >>> 0, i * 4);
  });
  return out;
}

export function settings(...pairs: [id: number, value: number][]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(SETTINGS, 0, 0, payload);
}

export const settingsAck = frame(SETTINGS, ACK, 0);

export function windowUpdate(streamId: number, bytes: number): Buffer {
  return frame(WINDOW_UPDATE, 0, streamId, uint32(bytes));
}

export function rstStream(streamId: number, code: number): Buffer {
  return frame(RST_STREAM, 0, streamId, uint32(code));
}

export function priority(streamId: number, dependsOn: number, weight = 16, exclusive = false): Buffer {
  return frame(PRIORITY, 0, streamId, priorityPayload(dependsOn, weight, exclusive));
}

export function priorityPayload(dependsOn: number, weight = 16, exclusive = false): Buffer {
  const payload = Buffer.concat([uint32(dependsOn), Buffer.from([weight - 1])]);
  if (exclusive) payload[0] |= 0x80;
  return payload;
}

/** An HPACK integer. */
export function hpackInteger(prefixBits: number, pattern: number, value: number): Buffer {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) return Buffer.from([pattern | value]);
  const out = [pattern | mask];
  let rest = value - mask;
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
  return Buffer.from(out);
}

export function hpackString(text: string): Buffer {
  return Buffer.concat([hpackInteger(7, 0, text.length), Buffer.from(text, "latin1")]);
}

/** A literal without indexing, with a new name. */
export function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), hpackString(name), hpackString(value)]);
}

export type Fields = [name: string, value: string][];

export function block(fields: Fields): Buffer {
  return Buffer.concat(fields.map(([name, value]) => literal(name, value)));
}

/** The headers of a good request. */
export function requestFields(path = "/test.Service/Echo"): Fields {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "localhost"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ];
}

export function headers(streamId: number, fields: Fields = requestFields(), flags = END_HEADERS): Buffer {
  return frame(HEADERS, flags, streamId, block(fields));
}

/** A gRPC message with its prefix. */
export function message(text: string | Buffer): Buffer {
  const body = Buffer.from(text as string);
  return Buffer.concat([Buffer.from([0]), uint32(body.length), body]);
}

export function data(streamId: number, payload: Buffer, flags = 0): Buffer {
  return frame(DATA, flags, streamId, payload);
}

/** A whole good call: request headers and a message with END_STREAM. */
export function call(streamId: number, text: string | Buffer = "hello", path?: string): Buffer {
  return Buffer.concat([headers(streamId, requestFields(path)), data(streamId, message(text), END_STREAM)]);
}

export function ping(text = "h2-tests"): Buffer {
  return frame(PING, 0, 0, Buffer.from(text.padEnd(8).slice(0, 8)));
}

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Set: speak TLS by this pre-shared key. */
  readonly psk?: Buffer;
}

export class RawClient {
  readonly frames: Frame[] = [];
  closed = false;
  private readonly socket: Socket;
  private held: Buffer = Buffer.alloc(0);
  private waiters: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => this.onData(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      this.wake();
    });
  }

  /** Connects and says nothing yet. */
  static async connect(target: Target): Promise<RawClient> {
    const socket =
      target.psk === undefined
        ? connect({ host: target.host, port: target.port, noDelay: true })
        : connectTls({
            host: target.host,
            port: target.port,
            ALPNProtocols: ["h2"],
            ciphers: "PSK",
            maxVersion: "TLSv1.2",
            checkServerIdentity: () => undefined,
            pskCallback: () => ({ psk: target.psk!, identity: "test" }),
          });
    await new Promise<void>((resolve, reject) => {
      socket.once(target.psk === undefined ? "connect" : "secureConnect", () => resolve());
      socket.once("error", reject);
    });
    return new RawClient(socket);
  }

  /** Connects, and exchanges prefaces and SETTINGS. */
  static async open(target: Target, ...pairs: [id: number, value: number][]): Promise<RawClient> {
    const client = await RawClient.connect(target);
    client.send(PREFACE, settings(...pairs));
    await client.until((f) => f.type === SETTINGS && (f.flags & ACK) === 0);
    await client.until((f) => f.type === SETTINGS && (f.flags & ACK) !== 0);
    client.send(settingsAck);
    return client;
  }

  /** False when the socket's buffer is full. */
  send(...parts: Buffer[]): boolean {
    return this.closed ? false : this.socket.write(Buffer.concat(parts));
  }

  /** Resolves when the socket has taken everything, or is gone. */
  drained(): Promise<void> {
    if (this.closed) return Promise.resolve();
    // Not by "drain": that comes only after a write that found the buffer full.
    return new Promise((resolve) => {
      this.socket.write(Buffer.alloc(0), () => resolve());
    });
  }

  /** Stops reading from the socket. */
  stopReading(): void {
    this.socket.pause();
  }

  startReading(): void {
    this.socket.resume();
  }

  /** The first frame that satisfies `wanted`, already received or still to come; undefined when the connection ends
   *  or the time is up before. */
  async until(wanted: (frame: Frame) => boolean, timeoutMs = 5_000): Promise<Frame | undefined> {
    const deadline = Date.now() + timeoutMs;
    for (let seen = 0; ; ) {
      while (seen < this.frames.length) {
        const candidate = this.frames[seen++];
        if (wanted(candidate)) return candidate;
      }
      if (this.closed || Date.now() >= deadline) return undefined;
      await this.nextEvent(deadline - Date.now());
    }
  }

  /** True when the server closes the connection in time. */
  async untilClosed(timeoutMs = 5_000): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    while (!this.closed && Date.now() < deadline) await this.nextEvent(deadline - Date.now());
    return this.closed;
  }

  destroy(): void {
    this.socket.destroy();
  }

  private nextEvent(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private onData(chunk: Buffer): void {
    let rest = Buffer.concat([this.held, chunk]);
    while (rest.length >= 9) {
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) break;
      this.frames.push({
        type: rest[3],
        flags: rest[4],
        streamId: rest.readUInt32BE(5) & 0x7fff_ffff,
        payload: Buffer.from(rest.subarray(9, 9 + length)),
      });
      rest = rest.subarray(9 + length);
    }
    this.held = rest;
    this.wake();
  }

  private wake(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }
}
