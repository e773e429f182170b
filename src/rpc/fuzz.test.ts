// Whatever bytes come in, neither role throws, hangs on to memory or leaves a connection behind. Sessions are made of
// good frames that are then damaged (bytes changed, cut out, doubled; frames swapped, lengthened, of another type) and
// cut into random chunks; some are random bytes altogether. The sockets are stand-ins, so a session costs microseconds.
//
// RPC_FUZZ_SESSIONS and RPC_FUZZ_SEED choose how many and which; a failure prints its seed.

import { createServer } from "node:http";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { type Random, SeededRandom, SILENT } from "#base";
import { ManualClock } from "#testing";
import {
  block,
  CONTINUATION,
  call,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GOAWAY,
  HEADERS,
  headers,
  literal,
  message,
  PREFACE,
  ping,
  priority,
  requestFields,
  rstStream,
  settings,
  settingsAck,
  uint32,
  windowUpdate,
} from "../../test/h2/raw-client.js";
import { ClientConnection } from "./client-connection.js";
import { ConnectionGroup } from "./connection-group.js";
import { RpcServer } from "./server.js";

const SESSIONS = Number(process.env["RPC_FUZZ_SESSIONS"] ?? 3_000);
const SEED = Number(process.env["RPC_FUZZ_SEED"] ?? 1);

/** A socket that takes everything and gives what it is told to. */
class StandIn extends Duplex {
  readonly remoteAddress = "fuzz";
  readonly remotePort = 0;
  override _read(): void {}
  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done();
  }
  setNoDelay(): this {
    return this;
  }
  destroySoon(): void {
    this.destroy();
  }
}

function standIn(): Socket {
  const socket: unknown = new StandIn();
  return socket as Socket;
}

type Maker = (random: Random, stream: number) => Buffer;

/** Frames that a client may send, good or nearly so. */
const CLIENT_FRAMES: Maker[] = [
  (_r, s) => call(s, "hello"),
  (r, s) => call(s, Buffer.alloc(r.below(40_000)).subarray(0, 16_000)),
  (_r, s) => call(s, "x", "/test.Service/Hang"),
  (_r, s) => headers(s, requestFields("/test.Service/Chat")),
  (r, s) => data(s, message(Buffer.alloc(r.below(300))), r.below(4) === 0 ? END_STREAM : 0),
  (r, s) => data(s, message(Buffer.alloc(200)).subarray(0, r.below(200))),
  (r, s) => rstStream(s, r.below(15)),
  (r, s) => windowUpdate(r.below(2) * s, r.below(0x7fff_ffff)),
  (r) => settings([4, r.below(100_000)], [1, r.below(10_000)], [r.below(10), r.below(100)]),
  () => settingsAck,
  () => ping(),
  (r, s) => priority(s, r.below(10)),
  (r) => frame(GOAWAY, 0, 0, uint32(r.below(100), r.below(15))),
  (_r, s) =>
    Buffer.concat([frame(HEADERS, 0, s, block(requestFields())), frame(CONTINUATION, END_HEADERS, s)]),
  (r, s) =>
    headers(s, [
      ...requestFields(),
      ["grpc-timeout", `${r.below(100)}m`],
      ["content-length", String(r.below(20))],
    ]),
  (_r, s) => headers(s, [["x-trailer", "1"]], END_HEADERS | END_STREAM),
  (_r, s) =>
    frame(
      HEADERS,
      END_HEADERS,
      s,
      Buffer.concat([block(requestFields()), Buffer.from([0x40, 1, 0x61, 1, 0x62, 0xbe])]),
    ),
  (r) => frame(r.below(256), r.below(256), r.below(20), Buffer.alloc(r.below(30))),
];

/** Frames that a server may send, good or nearly so. */
const SERVER_FRAMES: Maker[] = [
  (_r, s) =>
    frame(
      HEADERS,
      END_HEADERS,
      s,
      Buffer.concat([Buffer.from([0x88]), literal("content-type", "application/grpc")]),
    ),
  (r, s) => data(s, message(Buffer.alloc(r.below(2_000)))),
  (r, s) => data(s, message(Buffer.alloc(200)).subarray(0, r.below(200)), r.below(2)),
  (r, s) => frame(HEADERS, END_HEADERS | END_STREAM, s, literal("grpc-status", String(r.below(20)))),
  (_r, s) =>
    frame(
      HEADERS,
      END_HEADERS | END_STREAM,
      s,
      Buffer.concat([
        Buffer.from([0x88]),
        literal("content-type", "application/grpc"),
        literal("grpc-status", "5"),
      ]),
    ),
  (r, s) => rstStream(s, r.below(15)),
  (r, s) => windowUpdate(r.below(2) * s, r.below(0x7fff_ffff)),
  (r) => settings([3, r.below(100)], [4, r.below(100_000)], [1, r.below(10_000)]),
  () => settingsAck,
  () => ping(),
  (r) => frame(GOAWAY, 0, 0, uint32(r.below(30), r.below(15))),
  (r) => frame(r.below(256), r.below(256), r.below(20), Buffer.alloc(r.below(30))),
];

function session(random: Random, start: Buffer, makers: Maker[]): Buffer {
  if (random.below(20) === 0) return randomBytes(random, random.below(2_000));
  const parts = [start];
  let stream = 1;
  for (let n = random.below(40); n > 0; n--) {
    if (random.below(3) > 0) stream += 2;
    const make = makers[random.below(makers.length)];
    let bytes = make(random, Math.max(1, stream - 2 * random.below(3)));
    if (random.below(8) === 0) bytes = damage(random, bytes);
    parts.push(bytes);
  }
  const whole = Buffer.concat(parts);
  return random.below(2) === 0 ? damage(random, whole) : whole;
}

function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = random.below(256);
  return bytes;
}

function damage(random: Random, input: Buffer): Buffer {
  let bytes = Buffer.from(input);
  for (let n = 1 + random.below(4); n > 0 && bytes.length > 0; n--) {
    const at = random.below(bytes.length);
    const length = random.below(Math.min(40, bytes.length - at) + 1);
    switch (random.below(5)) {
      case 0:
        bytes[at] = random.below(256);
        break;
      case 1:
        bytes[at] ^= 1 << random.below(8);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), randomBytes(random, length), bytes.subarray(at)]);
    }
  }
  return bytes;
}

/** Delivers bytes to a connection in random chunks. */
function deliver(random: Random, bytes: Buffer, onData: (chunk: Buffer) => void): void {
  for (let at = 0; at < bytes.length; ) {
    const size = random.below(3) === 0 ? 1 + random.below(12) : 1 + random.below(4_000);
    // A copy of its own, as a socket delivers it: what keeps a view of it too long will read rubbish.
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    onData(chunk);
    chunk.fill(0xee);
    at += size;
  }
}

test(`the server survives ${SESSIONS} damaged sessions`, () => {
  const clock = new ManualClock();
  const server = new RpcServer({ clock, maxReceiveBytes: 100_000 });
  server.register("test.Service", "Echo", "unary", (rpc, bytes) => rpc.reply(bytes));
  server.register("test.Service", "Hang", "unary", () => {});
  server.register("test.Service", "Chat", "bidi", (rpc) => ({
    onMessage: (bytes) => void rpc.send(bytes),
    onHalfClose: () => rpc.end(),
    onCancel: () => {},
    onDrain: () => {},
  }));
  const start = Buffer.concat([PREFACE, settings([4, 20_000])]);
  for (let n = 0; n < SESSIONS; n++) {
    const seed = SEED + n;
    const random = new SeededRandom(seed);
    const socket = standIn();
    const connection = server.accept(socket);
    try {
      deliver(random, session(random, start, CLIENT_FRAMES), (chunk) => connection.onData(chunk));
      server.flush();
      clock.advance(random.below(3) * 1_000);
      connection.destroy("the session is over");
    } catch (error) {
      throw new Error(`RPC_FUZZ_SEED=${seed} RPC_FUZZ_SESSIONS=1`, { cause: error });
    }
  }
  expect(server.group.members.size).toBe(0);
  expect(server.group.queuedBytes).toBe(0);
  expect(server.group.assemblyBytes).toBe(0);
  expect(server.group.deadlines.armed).toBe(0);
  expect(server.group.counters.streamsOpened).toBeGreaterThan(SESSIONS / 2);
});

test("... and those that go on to an HTTP server", async () => {
  const clock = new ManualClock();
  const server = new RpcServer({ clock });
  const web = createServer((request, response) => request.pipe(response));
  web.on("clientError", (_error, socket) => socket.destroy());
  const start = Buffer.concat([PREFACE, settings()]);
  const webFrames: Maker[] = [
    ...CLIENT_FRAMES,
    (r, s) =>
      headers(
        s,
        [
          [":method", ["GET", "POST", "PUT", "B AD", "HEAD", "CONNECT"][r.below(6)]],
          [":scheme", "https"],
          [":path", ["/", "/a?b=c", "*", "/a b", "/\xff"][r.below(5)]],
          ["x-\xff".slice(0, 2), "a"],
          ["content-length", String(r.below(30))],
        ].slice(0, 3 + r.below(3)) as [string, string][],
        END_HEADERS | r.below(2),
      ),
  ];
  for (let n = 0; n < SESSIONS / 10; n++) {
    const seed = SEED + n;
    const random = new SeededRandom(seed);
    const connection = server.accept(standIn(), undefined, web);
    try {
      deliver(random, session(random, start, webFrames), (chunk) => connection.onData(chunk));
      await new Promise((resolve) => setImmediate(resolve));
      connection.destroy("the session is over");
    } catch (error) {
      throw new Error(`RPC_FUZZ_SEED=${seed} RPC_FUZZ_SESSIONS=1`, { cause: error });
    }
  }
  await expect.poll(() => server.group.queuedBytes).toBe(0);
  expect(server.group.members.size).toBe(0);
  web.closeAllConnections();
});

test(`the client survives ${SESSIONS} damaged sessions, and every call ends once`, () => {
  const clock = new ManualClock();
  const group = new ConnectionGroup(clock, SILENT);
  const options = {
    authority: "a",
    scheme: "http",
    userAgent: "fuzz",
    maxReceiveBytes: 100_000,
    maxSendBytes: 100_000,
    keepaliveTimeMs: 1_000,
    keepaliveTimeoutMs: 1_000,
    keepaliveWithoutStream: true,
  } as const;
  for (let n = 0; n < SESSIONS; n++) {
    const seed = SEED + n;
    const random = new SeededRandom(seed);
    const connection = new ClientConnection(standIn(), group, options, {
      onReady: () => {},
      onUnusable: () => {},
    });
    let opened = 0;
    let ended = 0;
    try {
      for (let i = 0; i < 8; i++) {
        const observer = { onMessage: () => {}, onEnd: () => void ended++ };
        const rpc = connection.open(
          "/t/M",
          observer,
          [["x", "y"]],
          i % 2 === 0 ? 500 : Number.POSITIVE_INFINITY,
        );
        opened++;
        rpc.send(Buffer.alloc(random.below(90_000)));
        if (i % 3 === 0) rpc.end();
      }
      deliver(random, session(random, settings(), SERVER_FRAMES), (chunk) => connection.onData(chunk));
      group.flush();
      clock.advance(random.below(3) * 1_000);
      connection.destroy("the session is over");
    } catch (error) {
      throw new Error(`RPC_FUZZ_SEED=${seed} RPC_FUZZ_SESSIONS=1`, { cause: error });
    }
    expect(ended, `RPC_FUZZ_SEED=${seed}`).toBe(opened);
  }
  expect(group.members.size).toBe(0);
  expect(group.queuedBytes).toBe(0);
  expect(group.assemblyBytes).toBe(0);
  expect(group.deadlines.armed).toBe(0);
});
