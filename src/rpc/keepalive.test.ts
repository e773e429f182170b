// Keepalive on both sides, and graceful stop frame by frame, on a clock that the test moves.

import { afterEach, beforeEach, expect, test } from "vitest";
import { ManualClock } from "#testing";
import {
  ACK,
  call,
  frame,
  GOAWAY,
  HEADERS,
  PING,
  ping,
  RawClient,
  SETTINGS,
  settings,
} from "../../test/h2/raw-client.js";
import { RpcChannel } from "./channel.js";
import { RpcListener } from "./listener.js";
import { RpcServer, type RpcServerOptions } from "./server.js";
import type { ServerCall } from "./server-call.js";

let clock: ManualClock;
let server: RpcServer;
let listener: RpcListener;
const held: ServerCall[] = [];

async function start(options: Partial<RpcServerOptions> = {}): Promise<void> {
  clock = new ManualClock();
  held.length = 0;
  server = new RpcServer({ clock, ...options });
  server.register("test.Service", "Echo", "unary", (rpc, message) => rpc.reply(message));
  server.register("test.Service", "Hang", "unary", (rpc) => void held.push(rpc));
  listener = new RpcListener({ rpc: server, clock });
  await listener.listen({ host: "127.0.0.1", port: 0 });
}

function open(): Promise<RawClient> {
  return RawClient.open({ host: "127.0.0.1", port: listener.port });
}

async function pass(seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

beforeEach(() => start());

afterEach(async () => {
  server.close();
  await listener.close();
});

async function pingOnce(client: RawClient, text: string): Promise<void> {
  client.send(ping(text));
  await client.until((f) => f.type === PING && f.payload.toString() === text.padEnd(8), 500);
}

test("pings as often as allowed, with a stream open, are answered for ever", async () => {
  const client = await open();
  client.send(call(1, "x", "/test.Service/Hang"));
  for (let i = 0; i < 20; i++) {
    await pass(5);
    await pingOnce(client, `n${i}`);
  }
  expect(client.frames.some((f) => f.type === GOAWAY)).toBe(false);
  client.destroy();
});

test("pings too often: the third strike is one too many", async () => {
  const client = await open();
  client.send(call(1, "x", "/test.Service/Hang"));
  // The first ping is never too soon.
  for (let i = 0; i < 4; i++) {
    await pass(1);
    await pingOnce(client, `n${i}`);
  }
  const goaway = await client.until((f) => f.type === GOAWAY);
  expect(goaway?.payload.readUInt32BE(4)).toBe(11);
  expect(goaway?.payload.subarray(8).toString()).toBe("too_many_pings");
  expect(server.group.counters.pingsReceived).toBe(4);
});

test("pings without a stream are strikes even when they are rare", async () => {
  const client = await open();
  for (let i = 0; i < 4; i++) {
    await pass(60);
    await pingOnce(client, `n${i}`);
  }
  expect(await client.until((f) => f.type === GOAWAY)).toBeDefined();
});

test("... unless the server permits them", async () => {
  server.close();
  await listener.close();
  await start({ keepalivePermitWithoutStream: true });
  const client = await open();
  for (let i = 0; i < 10; i++) {
    await pass(6);
    await pingOnce(client, `n${i}`);
  }
  expect(client.frames.some((f) => f.type === GOAWAY)).toBe(false);
  client.destroy();
});

test("an answer in between wipes the strikes out", async () => {
  const client = await open();
  for (let i = 0; i < 20; i++) {
    client.send(call(1 + 2 * i));
    await pingOnce(client, `n${i}`);
  }
  expect(client.frames.some((f) => f.type === GOAWAY)).toBe(false);
  client.destroy();
});

test("the server's own pings: an answer keeps the connection, silence ends it", async () => {
  server.close();
  await listener.close();
  await start({ keepaliveIntervalMs: 10_000, keepaliveTimeoutMs: 3_000 });
  const client = await open();
  await pass(11);
  const first = await client.until((f) => f.type === PING && (f.flags & ACK) === 0);
  expect(first).toBeDefined();
  client.send(frame(PING, ACK, 0, first!.payload));
  await pass(8);
  expect(client.closed).toBe(false);
  await pass(10);
  expect(await client.untilClosed()).toBe(true);
  expect(server.group.counters.cuts.get("keepalive-timeout")).toBe(1);
});

test("the client's pings: a server that does not answer is given up", async () => {
  const { createServer } = await import("node:net");
  const mute = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(Buffer.concat([settings(), frame(SETTINGS, ACK, 0)]));
    socket.resume();
  });
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const { port } = mute.address() as { port: number };
  const channel = new RpcChannel({
    address: { host: "127.0.0.1", port },
    clock,
    keepaliveTimeMs: 2_000,
    keepaliveTimeoutMs: 3_000,
  });
  await channel.connect();
  const lost = expect(channel.unary("/test.Service/Hang", Buffer.alloc(0))).rejects.toMatchObject({
    code: 14,
  });
  await pass(8);
  await lost;
  expect(channel.connected).toBe(false);
  channel.close();
  await new Promise((resolve) => mute.close(resolve));
});

test("graceful stop: GOAWAY without a line, PING, GOAWAY with the line, and the end with the last call", async () => {
  const client = await open();
  client.send(call(1, "x", "/test.Service/Hang"));
  await expect.poll(() => held.length).toBe(1);
  const stopped = server.stop(60_000);
  const first = await client.until((f) => f.type === GOAWAY);
  expect(first?.payload.readUInt32BE(0)).toBe(0x7fff_ffff);
  const probe = await client.until((f) => f.type === PING && (f.flags & ACK) === 0);
  // A call that was on its way before the client knew is still served.
  client.send(call(3), frame(PING, ACK, 0, probe!.payload));
  expect(await client.until((f) => f.type === HEADERS && f.streamId === 3)).toBeDefined();
  const second = await client.until((f) => f.type === GOAWAY && f !== first);
  expect(second?.payload.readUInt32BE(0)).toBe(3);
  // One that comes later is not.
  client.send(call(5));
  held[0].reply(Buffer.from("done"));
  server.flush();
  expect(await client.until((f) => f.type === HEADERS && f.streamId === 1)).toBeDefined();
  expect(await client.untilClosed()).toBe(true);
  expect(client.frames.some((f) => f.streamId === 5)).toBe(false);
  await stopped;
});

test("graceful stop: a client that does not answer the PING is waited for only shortly, and none for ever", async () => {
  const client = await open();
  client.send(call(1, "x", "/test.Service/Hang"));
  await expect.poll(() => held.length).toBe(1);
  const stopped = server.stop(10_000);
  await pass(4);
  expect(client.frames.filter((f) => f.type === GOAWAY)).toHaveLength(2);
  expect(client.closed).toBe(false);
  await pass(8);
  await stopped;
  expect(await client.untilClosed()).toBe(true);
  expect(held[0].cancelled).toBe(true);
});
