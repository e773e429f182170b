// One test per class of attack on HTTP/2 and gRPC. Each shows three things: the offender is cut (or its stream is),
// with one log line and a counter; what it made the server hold or do stayed bounded; and a bystander on another
// connection is served all the while.

import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Logger } from "#base";
import { ManualClock } from "#testing";
import { ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR } from "../../test/h2/case.js";
import {
  block,
  CONTINUATION,
  call,
  DATA,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GOAWAY,
  HEADERS,
  headers,
  hpackInteger,
  message,
  ping,
  priority,
  RawClient,
  RST_STREAM,
  requestFields,
  rstStream,
  settings,
  uint32,
  windowUpdate,
} from "../../test/h2/raw-client.js";
import type { CutReason } from "./abuse.js";
import { BUDGETS } from "./budgets.js";
import { RpcListener } from "./listener.js";
import { RpcServer } from "./server.js";
import type { ServerCall } from "./server-call.js";

const KIB = 1024;
const MIB = 1024 * KIB;

let clock: ManualClock;
let server: RpcServer;
let listener: RpcListener;
let bystander: RawClient;
let nextBystanderStream = 1;
let logLines: unknown[];
let dispatched: ServerCall[];
const clients: RawClient[] = [];

beforeEach(async () => {
  clock = new ManualClock();
  logLines = [];
  dispatched = [];
  const logger: Logger = {
    isEnabled: () => true,
    debug: () => {},
    info: () => {},
    warn: (text, fields) => void logLines.push([text, fields]),
    error: (text, fields) => void logLines.push([text, fields]),
  };
  server = new RpcServer({ clock, logger, maxReceiveBytes: 2 * MIB });
  server.register("test.Service", "Echo", "unary", (rpc, bytes) => rpc.reply(bytes));
  server.register("test.Service", "Hang", "unary", (rpc) => void dispatched.push(rpc));
  server.register("test.Service", "Large", "unary", (rpc) => rpc.reply(Buffer.alloc(MIB)));
  server.register("test.Service", "Feed", "bidi", (rpc) => {
    dispatched.push(rpc);
    return { onMessage: () => {}, onHalfClose: () => rpc.end(), onCancel: () => {}, onDrain: () => {} };
  });
  listener = new RpcListener({ rpc: server, clock, logger });
  await listener.listen({ host: "127.0.0.1", port: 0 });
  bystander = await open();
  nextBystanderStream = 1;
});

afterEach(async () => {
  await serveBystander();
  for (const client of clients) client.destroy();
  clients.length = 0;
  server.close();
  await listener.close();
});

async function open(...pairs: [number, number][]): Promise<RawClient> {
  const client = await RawClient.open({ host: "127.0.0.1", port: listener.port }, ...pairs);
  clients.push(client);
  return client;
}

async function serveBystander(): Promise<void> {
  const stream = nextBystanderStream;
  nextBystanderStream += 2;
  bystander.send(call(stream));
  expect(await bystander.until((f) => f.type === DATA && f.streamId === stream)).toBeDefined();
}

/** The offender was told, cut, counted once and logged once. */
async function expectCut(client: RawClient, reason: CutReason, code = ENHANCE_YOUR_CALM): Promise<void> {
  const goaway = await client.until((f) => f.type === GOAWAY);
  expect(goaway?.payload.readUInt32BE(4)).toBe(code);
  expect(await client.untilClosed(3_000)).toBe(true);
  expect(server.group.counters.cuts.get(reason)).toBe(1);
  expect(logLines).toHaveLength(1);
  expect(logLines[0]).toMatchObject([expect.any(String), { reason }]);
}

/** Sends `make(i)` for i from 0 in large writes, until all are sent or the server has had enough. */
async function flood(client: RawClient, count: number, make: (i: number) => Buffer): Promise<void> {
  for (let i = 0; i < count && !client.closed; ) {
    const parts: Buffer[] = [];
    for (let n = 0; n < 500 && i < count; n++) parts.push(make(i++));
    client.send(...parts);
    await client.drained();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Lets seconds pass on the server's clock, with room for the sockets in between. */
async function pass(seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test("rapid reset (CVE-2023-44487)", async () => {
  const client = await open();
  await flood(client, 20_000, (i) =>
    Buffer.concat([call(1 + 2 * i, "x", "/test.Service/Hang"), rstStream(1 + 2 * i, 8)]),
  );
  await expectCut(client, "stream-resets");
  expect(dispatched.length).toBeLessThanOrEqual(BUDGETS.resetBurst + 1);
  expect(dispatched.every((rpc) => rpc.cancelled)).toBe(true);
});

test("clients that cancel now and then are not cut", async () => {
  const client = await open();
  for (let second = 0; second < 20; second++) {
    await flood(client, 90, (i) => {
      const stream = 1 + 2 * (i + second * 90);
      return Buffer.concat([call(stream, "x", "/test.Service/Hang"), rstStream(stream, 8)]);
    });
    await pass(1);
  }
  client.send(ping());
  expect(await client.until((f) => f.type === 6)).toBeDefined();
  expect(client.closed).toBe(false);
});

test("answered calls may be reset without limit", async () => {
  const client = await open();
  for (let i = 0; i < 3_000; i++) {
    const stream = 1 + 2 * i;
    client.send(headers(stream, requestFields("/test.Service/Feed")));
    if (i % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 2));
    for (const rpc of dispatched.splice(0)) rpc.send(Buffer.from("answer"));
    server.flush();
    if (i > 200) client.send(rstStream(stream - 400, 8));
  }
  expect(client.closed).toBe(false);
  expect(logLines).toEqual([]);
});

for (const [how, provoke] of [
  ["WINDOW_UPDATE by 0", (stream: number) => windowUpdate(stream, 0)],
  ["a window overflow", (stream: number) => windowUpdate(stream, 0x7fff_ffff)],
  ["DATA after the end", (stream: number) => data(stream, Buffer.alloc(1))],
  ["HEADERS after the end", (stream: number) => headers(stream)],
  ["a stream that depends on itself", (stream: number) => priority(stream, stream)],
  ["PRIORITY of wrong size", (stream: number) => frame(2, 0, stream, Buffer.alloc(4))],
] as const) {
  test(`MadeYouReset (CVE-2025-8671) by ${how}`, async () => {
    const client = await open();
    await flood(client, 5_000, (i) => {
      const stream = 1 + 2 * i;
      return Buffer.concat([call(stream, "x", "/test.Service/Hang"), provoke(stream)]);
    });
    await expectCut(client, "stream-resets");
    expect(dispatched.length).toBeLessThanOrEqual(BUDGETS.resetBurst + 1);
    expect(dispatched.every((rpc) => rpc.cancelled)).toBe(true);
  });
}

test("CONTINUATION flood: bytes", async () => {
  const client = await open();
  client.send(frame(HEADERS, 0, 1, block(requestFields())));
  await flood(client, 100, () => frame(CONTINUATION, 0, 1, Buffer.alloc(16 * KIB)));
  await expectCut(client, "header-block");
});

test("CONTINUATION flood: empty frames", async () => {
  const client = await open();
  client.send(frame(HEADERS, 0, 1, block(requestFields())));
  await flood(client, 1_000, () => frame(CONTINUATION, 0, 1));
  await expectCut(client, "header-block");
});

test("a header block that is never finished", async () => {
  const client = await open();
  client.send(frame(HEADERS, 0, 1, block(requestFields())));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await pass(BUDGETS.partialFrameMs / 1_000 + 1);
  await expectCut(client, "partial-frame");
});

test("a connection lost inside a header block leaves nothing behind", async () => {
  for (let i = 0; i < 100; i++) {
    const client = await open();
    client.send(frame(HEADERS, 0, 1, block(requestFields())));
    client.destroy();
  }
  await expect.poll(() => server.group.members.size).toBe(1);
});

test("a frame that is never finished", async () => {
  const client = await open();
  client.send(data(1, Buffer.alloc(100)).subarray(0, 50));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await pass(BUDGETS.partialFrameMs / 1_000 + 3);
  await expectCut(client, "partial-frame");
});

test("SETTINGS flood (CVE-2019-9515)", async () => {
  const client = await open();
  await flood(client, 5_000, () => settings([4, 65_535]));
  await expectCut(client, "idle-frames");
});

test("large SETTINGS (CVE-2020-11080)", async () => {
  const client = await open();
  const pairs = Array.from({ length: 2_000 }, (_, i): [number, number] => [100 + i, 1]);
  client.send(settings(...pairs));
  await expectCut(client, "idle-frames");
});

test("PING flood (CVE-2019-9512): an idle client is cut by the keepalive policy", async () => {
  const client = await open();
  await flood(client, 1_000, () => ping());
  await expectCut(client, "too-many-pings");
});

test("PING flood between calls: the answers wipe out strikes, the budget does not", async () => {
  const client = await open();
  await flood(client, 2_000, (i) =>
    Buffer.concat([call(1 + 2 * i), ...Array.from({ length: 40 }, () => ping())]),
  );
  await client.until((f) => f.type === GOAWAY);
  expect(await client.untilClosed()).toBe(true);
});

test("PING flood with unread answers: output stays bounded", async () => {
  const client = await open();
  client.stopReading();
  await flood(client, 20_000, () => ping());
  await pass(3);
  await expect.poll(() => server.group.members.size).toBe(1);
});

for (const [what, make] of [
  ["RST_STREAM on a closed stream", () => rstStream(1, 8)],
  ["PRIORITY", () => priority(1, 0)],
  ["WINDOW_UPDATE", () => windowUpdate(0, 1)],
  ["WINDOW_UPDATE on a closed stream", () => windowUpdate(1, 1)],
  ["unknown frames", () => frame(0x77, 0, 0, Buffer.alloc(3))],
  ["SETTINGS ACK", () => frame(4, 1, 0)],
  ["PING ACK", () => frame(6, 1, 0, Buffer.alloc(8))],
  ["GOAWAY", () => frame(GOAWAY, 0, 0, uint32(0, 0))],
] as const) {
  test(`flood of ${what}`, async () => {
    const client = await open();
    // A call stays open, so that GOAWAY does not end the connection by itself.
    client.send(call(1), call(3, "x", "/test.Service/Hang"));
    await flood(client, 30_000, make);
    await expectCut(client, "idle-frames");
  });
}

for (const [what, payload] of [
  ["empty", Buffer.alloc(0)],
  ["one-byte", Buffer.alloc(1)],
] as const) {
  test(`flood of ${what} DATA frames (CVE-2019-9511, CVE-2019-9518)`, async () => {
    const client = await open();
    client.send(
      headers(1, requestFields("/test.Service/Feed")),
      data(1, message(Buffer.alloc(MIB)).subarray(0, 5)),
    );
    await flood(client, 30_000, () => data(1, payload));
    await expectCut(client, "idle-frames");
  });
}

test("empty HEADERS (CVE-2019-9516)", async () => {
  const client = await open();
  await flood(client, 3_000, (i) => frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i));
  await expectCut(client, "stream-resets");
});

test("HPACK bomb: a small block that refers to a large entry many times", async () => {
  const client = await open();
  const entry = Buffer.concat([
    Buffer.from([0x40, 0x01, 0x78]),
    hpackInteger(7, 0, 4_000),
    Buffer.alloc(4_000, 0x61),
  ]);
  const bomb = Buffer.concat([block(requestFields()), entry, Buffer.alloc(10_000, 0x80 | 62)]);
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 20; i++) client.send(frame(HEADERS, END_HEADERS, 1 + 2 * i, bomb));
  const reset = await client.until((f) => f.type === RST_STREAM && f.streamId === 39);
  expect(reset?.payload.readUInt32BE(0)).toBe(ENHANCE_YOUR_CALM);
  // 40 MB unfolded each, had the fields been kept.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * MIB);
  client.send(call(41));
  expect(await client.until((f) => f.type === DATA && f.streamId === 41)).toBeDefined();
});

test("HPACK bombs without end", async () => {
  const client = await open();
  const entry = Buffer.concat([
    Buffer.from([0x40, 0x01, 0x78]),
    hpackInteger(7, 0, 4_000),
    Buffer.alloc(4_000, 0x61),
  ]);
  const bomb = Buffer.concat([entry, Buffer.alloc(100, 0x80 | 62)]);
  await flood(client, 2_000, (i) => frame(HEADERS, END_HEADERS, 1 + 2 * i, bomb));
  await expectCut(client, "stream-resets");
});

test("a header list larger than announced", async () => {
  const client = await open();
  const fields = requestFields();
  for (let i = 0; i < 10; i++) fields.push([`x-${i}`, "v".repeat(7_000)]);
  const whole = block(fields);
  expect(whole.length).toBeGreaterThan(BUDGETS.headerBlockBytes);
  client.send(frame(HEADERS, 0, 1, whole.subarray(0, 16_000)));
  for (let at = 16_000; at < whole.length; at += 16_000) {
    client.send(
      frame(CONTINUATION, at + 16_000 < whole.length ? 0 : END_HEADERS, 1, whole.subarray(at, at + 16_000)),
    );
  }
  await expectCut(client, "header-block");
});

test("a huge dynamic table: the peer's offer changes nothing, its own use is an error", async () => {
  const client = await open([1, 0xffff_ffff]);
  client.send(call(1));
  expect(await client.until((f) => f.type === DATA)).toBeDefined();
  client.send(frame(HEADERS, END_HEADERS, 3, hpackInteger(5, 0x20, 0x0fff_ffff)));
  await expectCut(client, "protocol-error", 9);
});

test("never-read responses: bytes held stay bounded, and the connection is cut", async () => {
  const client = await open([4, 0x7fff_ffff]);
  client.send(windowUpdate(0, 0x7fff_0000));
  client.stopReading();
  await flood(client, 2_000, (i) => call(1 + 2 * i, "x", "/test.Service/Large"));
  await pass(5);
  // 2,000 replies of a MiB were asked for.
  expect(server.group.queuedBytes).toBeLessThan(BUDGETS.parkCallsBytes + 2 * MIB);
  await pass(BUDGETS.socketStallMs / 1_000 + 5);
  await expect.poll(() => server.group.members.size).toBe(1);
  expect(server.group.counters.cuts.get("socket-stalled")).toBe(1);
  expect(logLines).toHaveLength(1);
  expect(server.group.queuedBytes).toBe(0);
});

test("windows that stay shut (CVE-2019-9517): calls wait their turn, stalled streams are reset", async () => {
  const client = await open([4, 0]);
  await flood(client, 500, (i) => call(1 + 2 * i, "x", "/test.Service/Large"));
  await expect.poll(() => server.group.queuedBytes).toBeGreaterThan(BUDGETS.parkCallsBytes);
  expect(server.group.queuedBytes).toBeLessThan(BUDGETS.parkCallsBytes + 2 * MIB);
  await pass(BUDGETS.streamStallMs / 1_000 + 2);
  expect(server.group.counters.streamsStalled).toBeGreaterThan(0);
  expect(await client.until((f) => f.type === RST_STREAM)).toBeDefined();
});

test("parked calls are served when the reader comes back", async () => {
  const client = await open([4, 0]);
  await flood(client, 20, (i) => call(1 + 2 * i, "x", "/test.Service/Large"));
  client.send(settings([4, 2 * MIB]), windowUpdate(0, 100 * MIB));
  for (let i = 0; i < 20; i++) {
    const stream = 1 + 2 * i;
    const end = await client.until(
      (f) => f.type === HEADERS && f.streamId === stream && (f.flags & END_STREAM) !== 0,
    );
    expect(end, `stream ${stream}`).toBeDefined();
  }
  expect(server.group.queuedBytes).toBe(0);
});

test("a stream that is fed faster than it is read: send says when to wait", async () => {
  const client = await open([4, 0]);
  client.send(headers(1, requestFields("/test.Service/Feed")));
  await expect.poll(() => dispatched.length).toBe(1);
  let sends = 0;
  while (dispatched[0].send(Buffer.alloc(KIB))) sends++;
  expect(sends).toBeLessThan(100);
  expect(server.group.queuedBytes).toBeLessThan(BUDGETS.streamQueueHighBytes + 2 * KIB);
  // A stream whose output is not taken gets no new input either: its window is not granted again.
  await flood(client, 20, () => data(1, message(Buffer.alloc(16_000))));
  expect(await client.until((f) => f.type === RST_STREAM && f.streamId === 1)).toMatchObject({
    payload: uint32(FLOW_CONTROL_ERROR),
  });
  expect(dispatched[0].cancelled).toBe(true);
  expect(server.group.queuedBytes).toBe(0);
});

test("bytes queued over all connections: the largest hoarder is cut", async () => {
  const perConnection = BUDGETS.queuedBytesPerConnection;
  expect(perConnection).toBeLessThanOrEqual(BUDGETS.queuedBytesTotal);
  const client = await open([4, 0]);
  client.send(headers(1, requestFields("/test.Service/Feed")));
  await expect.poll(() => dispatched.length).toBe(1);
  const chunk = Buffer.alloc(8 * MIB);
  // A handler that does not listen to `send`.
  for (let held = 0; held <= perConnection; held += chunk.length) dispatched[0].send(chunk);
  expect(dispatched[0].cancelled).toBe(true);
  expect(server.group.queuedBytes).toBe(0);
  expect(server.group.counters.cuts.get("queued-bytes")).toBe(1);
  expect(logLines).toHaveLength(1);
});

test("window overflow on the connection, over and over (CVE-2026-21714)", async () => {
  for (let i = 0; i < 200; i++) {
    const client = await open();
    client.send(windowUpdate(0, 0x7fff_ffff));
    const goaway = await client.until((f) => f.type === GOAWAY);
    expect(goaway?.payload.readUInt32BE(4)).toBe(FLOW_CONTROL_ERROR);
    client.destroy();
  }
  await expect.poll(() => server.group.members.size).toBe(1);
  // More lines than the log takes at once are counted, not written.
  expect(server.group.counters.cuts.get("protocol-error")).toBe(200);
  expect(logLines.length).toBeLessThanOrEqual(BUDGETS.cutLogBurst);
});

test("GOAWAY and gone, over and over (CVE-2025-23085)", async () => {
  for (let i = 0; i < 200; i++) {
    const client = await open();
    client.send(call(1), frame(GOAWAY, 0, 0, uint32(0, 0)));
    expect(await client.untilClosed()).toBe(true);
  }
  await expect.poll(() => server.group.members.size).toBe(1);
});

test("a length that lies: memory follows the bytes, not the claim", async () => {
  const client = await open();
  const lie = Buffer.concat([Buffer.from([0]), uint32(2 * MIB), Buffer.alloc(80)]);
  await flood(client, 2_000, (i) => Buffer.concat([headers(1 + 2 * i), data(1 + 2 * i, lie)]));
  await expect.poll(() => server.group.counters.streamsOpened).toBeGreaterThanOrEqual(2_000);
  // 4 GiB were claimed.
  expect(server.group.assemblyBytes).toBeLessThanOrEqual(2_000 * BUDGETS.assemblyFirstBytes);
  await pass(BUDGETS.halfSentCallMs / 1_000 + 2);
  expect(server.group.assemblyBytes).toBe(0);
});

test("half-sent messages beyond the budget", async () => {
  const client = await open();
  const part = message(Buffer.alloc(2 * MIB)).subarray(0, 2 * MIB - 10);
  const streams = Math.ceil(BUDGETS.assemblyBytesPerConnection / part.length) + 2;
  for (let i = 0; i < streams; i++) {
    const stream = 1 + 2 * i;
    client.send(headers(stream));
    for (let at = 0; at < part.length; at += 16_384)
      client.send(data(stream, part.subarray(at, at + 16_384)));
    await client.drained();
  }
  const refused = await client.until((f) => f.type === HEADERS && (f.flags & END_STREAM) !== 0);
  expect(refused).toBeDefined();
  expect(server.group.assemblyBytes).toBeLessThanOrEqual(BUDGETS.assemblyBytesPerConnection + 2 * MIB);
});

test("a unary request that is never finished", async () => {
  const client = await open();
  client.send(headers(1));
  await new Promise((resolve) => setTimeout(resolve, 20));
  await pass(BUDGETS.halfSentCallMs / 1_000 + 1);
  expect(await client.until((f) => f.type === RST_STREAM && f.streamId === 1)).toBeDefined();
});

function gzipCall(stream: number, body: Buffer, path?: string): Buffer {
  const packed = gzipSync(body);
  const payload = Buffer.concat([Buffer.from([1]), uint32(packed.length), packed]);
  return Buffer.concat([
    headers(stream, [...requestFields(path), ["grpc-encoding", "gzip"]]),
    data(stream, payload, END_STREAM),
  ]);
}

test("gzip: a message within the limit is unpacked, a bomb is refused", async () => {
  const client = await open();
  client.send(gzipCall(1, Buffer.from("packed")));
  const reply = await client.until((f) => f.type === DATA && f.streamId === 1);
  expect(reply?.payload.subarray(5).toString()).toBe("packed");
  client.send(gzipCall(3, Buffer.alloc(8 * MIB)));
  expect(await client.until((f) => f.type === HEADERS && f.streamId === 3)).toMatchObject({ flags: 5 });
});

test("gzip bombs without end", async () => {
  const client = await open();
  const body = Buffer.alloc(2 * MIB - 1);
  await flood(client, 60, (i) => gzipCall(1 + 2 * i, body, "/test.Service/Hang"));
  await expectCut(client, "compression-bombs");
});

test("more streams than allowed, without end", async () => {
  const few = new RpcServer({ clock, maxConcurrentStreams: 10 });
  few.register("test.Service", "Hang", "unary", () => {});
  const door = new RpcListener({ rpc: few, clock });
  await door.listen({ host: "127.0.0.1", port: 0 });
  const client = await RawClient.open({ host: "127.0.0.1", port: door.port });
  await flood(client, 3_000, (i) => call(1 + 2 * i, "x", "/test.Service/Hang"));
  expect(await client.untilClosed()).toBe(true);
  expect(few.group.counters.cuts.get("stream-resets")).toBe(1);
  expect(few.group.counters.streamsOpened).toBe(10);
  few.close();
  await door.close();
});

test("connections that say nothing, or not enough, are dropped in time", async () => {
  const target = { host: "127.0.0.1", port: listener.port };
  const silent = await Promise.all(Array.from({ length: 200 }, () => RawClient.connect(target)));
  const teasing = await RawClient.connect(target);
  teasing.send(Buffer.from("PRI * HTT"));
  const half = await RawClient.connect(target);
  half.send(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  clients.push(...silent, teasing, half);
  const all = [...silent, teasing, half];
  await new Promise((resolve) => setTimeout(resolve, 30));
  // Some may be accepted only while time already passes, so their ten seconds end later.
  for (let i = 0; i < 100 && !all.every((client) => client.closed); i++) await pass(1);
  for (const client of all) expect(client.closed).toBe(true);
});
