// A bare HTTP/2 client for measuring: as little processor time as possible on the client's side, and the same code for
// both endpoints. It knows no more of the protocol than a well-behaved server asks for: SETTINGS, PING, flow control in
// both directions, and gRPC's five-byte message heads. It is no use against a hostile server.
//
// Header blocks are literals without indexing, so each request of one method is the same bytes. The server is told to
// keep no dynamic table either: a block then stands for itself, and trailers are only decoded when a call has failed.
// A call counts as answered when a message came before the end of its stream; gRPC failures have trailers only.

import { connect } from "node:net";

const FRAME_HEAD = 9;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const DEFAULT_WINDOW = 65_535;
const WINDOW_MAX = 0x7fff_ffff;
const FRAME_MAX = 16_384;
const READ_BYTES = 64 * 1024;
const EMPTY = Buffer.alloc(0);
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * @typedef {object} Observer what a call tells its owner; `buf` is valid only during the call
 * @property {(buf: Buffer, start: number, end: number) => void} onMessage
 * @property {(error: Error | undefined) => void} onEnd exactly once
 */

/** Connects. `windowBytes` is the receive window of the connection and of each stream; by default there is no limit.
 *  @param {string} host @param {number} port @param {{windowBytes?: number}} [options]
 *  @returns {Promise<Http2Client>} */
export function dial(host, port, options = {}) {
  return new Promise((resolve, reject) => {
    let client;
    // One buffer for all reads: a fresh one for each would cost more than looking at what is in it.
    const onread = {
      buffer: Buffer.allocUnsafe(READ_BYTES),
      callback(bytes, buf) {
        client.onChunk(buf.subarray(0, bytes));
        return true;
      },
    };
    const socket = connect({ host, port, noDelay: true, onread });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      client = new Http2Client(socket, `${host}:${port}`, options.windowBytes ?? WINDOW_MAX);
      resolve(client);
    });
  });
}

export class Http2Client {
  constructor(socket, authority, windowBytes) {
    this.socket = socket;
    this.authority = authority;
    this.windowBytes = windowBytes;
    /** @type {Map<number, Stream>} */
    this.streams = new Map();
    this.blocks = new Map();
    this.nextId = 1;
    /** The beginning of a frame that the next chunk goes on with; of DATA only the head is kept back. */
    this.rest = undefined;
    /** A DATA frame of which `left` bytes are still to come. */
    this.data = { id: 0, flags: 0, left: 0 };
    this.out = Buffer.allocUnsafe(64 * 1024);
    this.outLength = 0;
    this.inChunk = false;
    this.flushScheduled = false;
    this.sendWindow = DEFAULT_WINDOW;
    this.initialSendWindow = DEFAULT_WINDOW;
    this.unacknowledged = 0;
    /** Streams with request bytes that wait for window. @type {Stream[]} */
    this.waiting = [];
    /** Set when the connection is over. @type {Error | undefined} */
    this.failure = undefined;
    this.runFlush = () => {
      this.flushScheduled = false;
      this.flush();
    };
    socket.on("error", (error) => this.onClosed(error));
    socket.on("close", () => this.onClosed(new Error(`${authority}: connection closed`)));
    socket.write(this.greeting());
  }

  /** Calls `path` with one message. @param {string} path @param {Uint8Array} message @param {Observer} observer */
  call(path, message, observer) {
    const stream = this.open(path, observer);
    stream.send(message, true);
    return stream;
  }

  /** The answer to a unary call. @param {string} path @param {Uint8Array} message @returns {Promise<Buffer>} */
  unary(path, message) {
    return new Promise((resolve, reject) => {
      let answer;
      this.call(path, message, {
        onMessage: (buf, start, end) => {
          answer = Buffer.from(buf.subarray(start, end));
        },
        onEnd: (error) => (error === undefined ? resolve(answer) : reject(error)),
      });
    });
  }

  /** Reads the answers of a server stream to their end. @param {(length: number) => void} onLength */
  drain(path, message, onLength = () => {}) {
    return new Promise((resolve, reject) => {
      this.call(path, message, {
        onMessage: (_, start, end) => onLength(end - start),
        onEnd: (error) => (error === undefined ? resolve() : reject(error)),
      });
    });
  }

  /** Opens a stream that takes messages until its `send` is told that one is the last. */
  open(path, observer) {
    const stream = new Stream(this, this.nextId, path, observer);
    this.nextId += 2;
    if (this.failure !== undefined) {
      queueMicrotask(() => stream.finish(this.failure));
      return stream;
    }
    this.streams.set(stream.id, stream);
    const block = this.headerBlock(path);
    this.frame(HEADERS, END_HEADERS, stream.id, block.length);
    this.outLength += block.copy(this.out, this.outLength);
    return stream;
  }

  close() {
    this.socket.destroy();
  }

  // -- sending ---------------------------------------------------------------------------------------------------------

  greeting() {
    const settings = Buffer.alloc(PREFACE.length + FRAME_HEAD + 18 + FRAME_HEAD + 4);
    let at = PREFACE.copy(settings);
    at = writeFrameHead(settings, at, 18, SETTINGS, 0, 0);
    for (const [id, value] of [
      [1, 0],
      [2, 0],
      [4, this.windowBytes],
    ]) {
      settings.writeUInt16BE(id, at);
      settings.writeUInt32BE(value, at + 2);
      at += 6;
    }
    const more = this.windowBytes - DEFAULT_WINDOW;
    if (more <= 0) return settings.subarray(0, at);
    at = writeFrameHead(settings, at, 4, WINDOW_UPDATE, 0, 0);
    settings.writeUInt32BE(more, at);
    return settings;
  }

  headerBlock(path) {
    let block = this.blocks.get(path);
    if (block === undefined) {
      block = encodeHeaders(path, this.authority);
      this.blocks.set(path, block);
    }
    return block;
  }

  /** Writes a frame's head and makes room for its payload. */
  frame(type, flags, id, length) {
    const needed = this.outLength + FRAME_HEAD + length;
    if (needed > this.out.length) {
      const bigger = Buffer.allocUnsafe(needed * 2);
      this.out.copy(bigger, 0, 0, this.outLength);
      this.out = bigger;
    }
    this.outLength = writeFrameHead(this.out, this.outLength, length, type, flags, id);
    if (!this.inChunk && !this.flushScheduled) {
      this.flushScheduled = true;
      queueMicrotask(this.runFlush);
    }
  }

  flush() {
    if (this.outLength === 0 || this.failure !== undefined) return;
    this.socket.write(Buffer.from(this.out.subarray(0, this.outLength)));
    this.outLength = 0;
  }

  windowUpdate(id, bytes) {
    this.frame(WINDOW_UPDATE, 0, id, 4);
    this.outLength = this.out.writeUInt32BE(bytes, this.outLength);
  }

  // -- receiving -------------------------------------------------------------------------------------------------------

  /** `chunk` is valid only during the call. */
  onChunk(chunk) {
    this.inChunk = true;
    let at = this.onDataBytes(chunk, 0);
    const buf = this.rest === undefined ? chunk : Buffer.concat([this.rest, chunk]);
    this.rest = undefined;
    while (buf.length - at >= FRAME_HEAD) {
      const length = (buf[at] << 16) | (buf[at + 1] << 8) | buf[at + 2];
      const type = buf[at + 3];
      const flags = buf[at + 4];
      const id = buf.readUInt32BE(at + 5) & WINDOW_MAX;
      const start = at + FRAME_HEAD;
      if (type === DATA) {
        this.data = { id, flags, left: length };
        if (length === 0) this.onData(buf, flags, id, start, start);
        at = this.onDataBytes(buf, start);
        continue;
      }
      const end = start + length;
      if (end > buf.length) break;
      this.onFrame(buf, type, flags, id, start, end);
      at = end;
    }
    if (at < buf.length) this.rest = Buffer.from(buf.subarray(at));
    this.inChunk = false;
    this.flush();
  }

  /** Takes what there is of the DATA frame being received; returns where it ends. */
  onDataBytes(buf, start) {
    const { data } = this;
    if (data.left === 0) return start;
    const end = Math.min(buf.length, start + data.left);
    data.left -= end - start;
    if (end > start) this.onData(buf, data.left === 0 ? data.flags : 0, data.id, start, end);
    return end;
  }

  onFrame(buf, type, flags, id, start, end) {
    if (type === HEADERS) {
      if ((flags & END_STREAM) !== 0) this.streams.get(id)?.onTrailers(buf.subarray(start, end));
    } else if (type === SETTINGS && (flags & ACK) === 0) this.onSettings(buf, start, end);
    else if (type === WINDOW_UPDATE) this.onWindowUpdate(id, buf.readUInt32BE(start));
    else if (type === PING && (flags & ACK) === 0) {
      this.frame(PING, ACK, 0, 8);
      this.outLength += buf.copy(this.out, this.outLength, start, end);
    } else if (type === RST_STREAM) {
      this.streams.get(id)?.finish(new Error(`stream reset with code ${buf.readUInt32BE(start)}`));
    } else if (type === GOAWAY) {
      const text = buf.toString("latin1", start + 8, end);
      this.onClosed(new Error(`${this.authority}: GOAWAY ${buf.readUInt32BE(start + 4)} ${text}`));
    }
  }

  onData(buf, flags, id, start, end) {
    const size = end - start;
    this.unacknowledged += size;
    if (this.unacknowledged > this.windowBytes / 2) {
      this.windowUpdate(0, this.unacknowledged);
      this.unacknowledged = 0;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    stream.onBytes(buf, start, end);
    if ((flags & END_STREAM) !== 0) return stream.finish(new Error("the stream ended without trailers"));
    stream.unacknowledged += size;
    if (stream.unacknowledged > this.windowBytes / 2) {
      this.windowUpdate(id, stream.unacknowledged);
      stream.unacknowledged = 0;
    }
  }

  onSettings(buf, start, end) {
    for (let at = start; at < end; at += 6) {
      if (buf.readUInt16BE(at) !== 4) continue;
      const value = buf.readUInt32BE(at + 2);
      for (const stream of this.streams.values()) stream.sendWindow += value - this.initialSendWindow;
      this.initialSendWindow = value;
    }
    this.frame(SETTINGS, ACK, 0, 0);
    this.resumeSending();
  }

  onWindowUpdate(id, bytes) {
    if (id === 0) this.sendWindow += bytes;
    else {
      const stream = this.streams.get(id);
      if (stream !== undefined) stream.sendWindow += bytes;
    }
    if (this.waiting.length > 0) this.resumeSending();
  }

  resumeSending() {
    const waiting = this.waiting;
    this.waiting = [];
    for (const stream of waiting) stream.pushOut();
  }

  onClosed(error) {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.socket.destroy();
    for (const stream of [...this.streams.values()]) stream.finish(error);
  }
}

export class Stream {
  constructor(client, id, path, observer) {
    this.client = client;
    this.id = id;
    this.path = path;
    this.observer = observer;
    this.sendWindow = client.initialSendWindow;
    this.unacknowledged = 0;
    this.messages = 0;
    /** Request bytes, heads included, that are not sent yet. @type {Buffer | undefined} */
    this.queued = undefined;
    this.lastQueued = false;
    /** The message being put together: memory that is used again for the next one, its length when that is known, its
     *  bytes so far, and its head when that is cut. */
    this.partial = EMPTY;
    this.messageLength = -1;
    this.partialLength = 0;
    this.head = Buffer.alloc(5);
    this.headLength = 0;
    this.over = false;
  }

  /** Sends a message; `last` half-closes. */
  send(message, last = false) {
    const framed = Buffer.allocUnsafe(5 + message.length);
    framed[0] = 0;
    framed.writeUInt32BE(message.length, 1);
    framed.set(message, 5);
    const waits = this.queued !== undefined;
    this.queued = waits ? Buffer.concat([this.queued, framed]) : framed;
    this.lastQueued = last;
    if (!waits) this.pushOut();
  }

  /** Writes what the windows allow, and waits in line with the rest. */
  pushOut() {
    const { client } = this;
    while (this.queued !== undefined && !this.over) {
      const room = Math.min(client.sendWindow, this.sendWindow, FRAME_MAX);
      if (room <= 0) {
        client.waiting.push(this);
        return;
      }
      const size = Math.min(room, this.queued.length);
      const isLast = size === this.queued.length;
      client.frame(DATA, isLast && this.lastQueued ? END_STREAM : 0, this.id, size);
      client.outLength += this.queued.copy(client.out, client.outLength, 0, size);
      client.sendWindow -= size;
      this.sendWindow -= size;
      this.queued = isLast ? undefined : this.queued.subarray(size);
    }
  }

  onBytes(buf, start, end) {
    let at = start;
    while (at < end) {
      if (this.messageLength < 0) {
        if (this.headLength === 0 && end - at >= 5) {
          const length = buf.readUInt32BE(at + 1);
          if (end - at - 5 >= length) {
            this.deliver(buf, at + 5, at + 5 + length);
            at += 5 + length;
            continue;
          }
        }
        const taken = buf.copy(this.head, this.headLength, at, Math.min(end, at + 5 - this.headLength));
        this.headLength += taken;
        at += taken;
        if (this.headLength < 5) return;
        const length = this.head.readUInt32BE(1);
        if (length > this.partial.length) this.partial = Buffer.allocUnsafe(length);
        this.messageLength = length;
        this.partialLength = 0;
      }
      const taken = Math.min(end - at, this.messageLength - this.partialLength);
      buf.copy(this.partial, this.partialLength, at, at + taken);
      this.partialLength += taken;
      at += taken;
      if (this.partialLength < this.messageLength) return;
      const length = this.messageLength;
      this.messageLength = -1;
      this.headLength = 0;
      this.deliver(this.partial, 0, length);
    }
  }

  deliver(buf, start, end) {
    this.messages++;
    this.observer.onMessage(buf, start, end);
  }

  onTrailers(block) {
    if (this.messages > 0) return this.finish(undefined);
    const copy = Buffer.from(block);
    failureText(copy).then((text) => this.finish(new Error(`${this.path}: ${text}`)));
  }

  /** Ends the stream on this side's account too. */
  cancel() {
    if (this.over || this.client.failure !== undefined) return;
    this.client.frame(RST_STREAM, 0, this.id, 4);
    this.client.outLength = this.client.out.writeUInt32BE(8, this.client.outLength);
    this.finish(new Error("cancelled"));
  }

  finish(error) {
    if (this.over) return;
    this.over = true;
    this.client.streams.delete(this.id);
    this.observer.onEnd(error);
  }
}

function writeFrameHead(buf, at, length, type, flags, id) {
  buf[at] = length >>> 16;
  buf[at + 1] = (length >>> 8) & 0xff;
  buf[at + 2] = length & 0xff;
  buf[at + 3] = type;
  buf[at + 4] = flags;
  buf.writeUInt32BE(id, at + 5);
  return at + FRAME_HEAD;
}

/** :method POST and :scheme http from the static table, the rest as literals without indexing (RFC 7541 §6.2.2). */
function encodeHeaders(path, authority) {
  const bytes = [0x83, 0x86];
  const string = (text) => {
    if (text.length > 126) throw new Error(`a header of ${text.length} bytes`);
    bytes.push(text.length, ...Buffer.from(text, "latin1"));
  };
  bytes.push(0x04);
  string(path);
  bytes.push(0x01);
  string(authority);
  bytes.push(0x0f, 0x10);
  string("application/grpc");
  bytes.push(0x00);
  string("te");
  string("trailers");
  return Buffer.from(bytes);
}

/** What the trailers of a failed call say. */
async function failureText(block) {
  const { HpackDecoder } = await import("../../dist/rpc/hpack-decoder.js");
  const fields = new HpackDecoder().decode(block, 0, block.length)?.fields ?? [];
  const textOf = (name) => fields.find((field) => field.name === name)?.value;
  return `grpc-status ${textOf("grpc-status")}: ${textOf("grpc-message")}`;
}
