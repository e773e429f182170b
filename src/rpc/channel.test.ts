// The client role against our own server: unary, streams, deadlines, cancellation, limits, loss of the connection.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StatusCode } from "#proto";
import { RpcChannel } from "./channel.js";
import { RpcListener } from "./listener.js";
import { RpcServer } from "./server.js";
import type { ServerCall } from "./server-call.js";

const server = new RpcServer({ maxReceiveBytes: 4 * 1024 * 1024 });
const listener = new RpcListener({ rpc: server });
const hanging: ServerCall[] = [];
let channel: RpcChannel;

beforeAll(async () => {
  server.register("t.S", "Echo", "unary", (call, message) => call.reply(message));
  server.register("t.S", "Late", "unary", (call, message) => {
    const copy = message.slice();
    setTimeout(() => call.reply(copy), 10);
  });
  server.register("t.S", "Hang", "unary", (call) => void hanging.push(call));
  server.register("t.S", "Meta", "unary", (call) =>
    call.reply(Buffer.from(call.metadata.get("token") ?? "none")),
  );
  server.register("t.S", "Throw", "unary", () => {
    throw new TypeError("a bug");
  });
  server.register("t.S", "Flood", "serverStream", (call, message) => {
    const chunk = Buffer.alloc(10_000, 1);
    let left = message[0] * 10;
    const fill = (): void => {
      while (left > 0) {
        left--;
        if (!call.send(chunk)) return;
      }
      call.end();
    };
    fill();
    return { onMessage: () => {}, onHalfClose: () => {}, onCancel: () => {}, onDrain: fill };
  });
  server.register("t.S", "Chat", "bidi", (call) => ({
    onMessage: (message) => void call.send(message),
    onHalfClose: () => call.end(),
    onCancel: () => {},
    onDrain: () => {},
  }));
  await listener.listen({ host: "127.0.0.1", port: 0 });
  channel = new RpcChannel({ address: { host: "127.0.0.1", port: listener.port } });
});

afterAll(async () => {
  channel.close();
  server.close();
  await listener.close();
});

test("unary calls, at once and many in flight", async () => {
  const calls = Array.from({ length: 500 }, (_, i) =>
    channel.unary(i % 2 === 0 ? "/t.S/Echo" : "/t.S/Late", Buffer.from(`message ${i}`)),
  );
  const replies = await Promise.all(calls);
  for (let i = 0; i < 500; i++) expect(Buffer.from(replies[i]).toString()).toBe(`message ${i}`);
});

test("large messages cross the windows both ways", async () => {
  const message = Buffer.alloc(3_000_000);
  for (let i = 0; i < message.length; i++) message[i] = i * 31;
  const reply = await channel.unary("/t.S/Echo", message);
  expect(Buffer.compare(reply, message)).toBe(0);
});

test("metadata reaches the handler", async () => {
  const reply = await channel.unary("/t.S/Meta", Buffer.alloc(0), { metadata: [["token", "abc.1"]] });
  expect(Buffer.from(reply).toString()).toBe("abc.1");
});

test("a deadline ends the call on both sides", async () => {
  hanging.length = 0;
  const call = channel.unary("/t.S/Hang", Buffer.alloc(0), { timeoutMs: 50 });
  await expect(call).rejects.toMatchObject({
    code: StatusCode.DeadlineExceeded,
    message: "context deadline exceeded",
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(hanging[0].cancelled).toBe(true);
});

test("an aborted call is cancelled at the server", async () => {
  hanging.length = 0;
  const abort = new AbortController();
  const call = channel.unary("/t.S/Hang", Buffer.alloc(0), { signal: abort.signal });
  await new Promise((resolve) => setTimeout(resolve, 30));
  abort.abort();
  await expect(call).rejects.toMatchObject({ code: StatusCode.Canceled });
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(hanging[0].cancelled).toBe(true);
  hanging[0].reply(Buffer.from("too late"));
});

test("a bug in a handler fails the call and nothing else", async () => {
  await expect(channel.unary("/t.S/Throw", Buffer.alloc(0))).rejects.toMatchObject({
    code: StatusCode.Internal,
  });
  expect((await channel.unary("/t.S/Echo", Buffer.from("x"))).length).toBe(1);
});

test("a slow reader holds the server back", async () => {
  let bytes = 0;
  for await (const message of floodOf(200)) {
    bytes += message.length;
    if (bytes % 1_000_000 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(bytes).toBe(200 * 10 * 10_000);
});

function floodOf(count: number): AsyncIterable<Uint8Array> {
  const stream = channel.stream("/t.S/Flood");
  void stream.send(Buffer.from([count]));
  stream.end();
  return stream;
}

test("bidirectional stream, and leaving it early", async () => {
  const stream = channel.stream("/t.S/Chat");
  let sent = 0;
  await stream.send(Buffer.from([sent++]));
  for await (const message of stream) {
    expect(message[0]).toBe(sent - 1);
    if (sent === 20) break;
    await stream.send(Buffer.from([sent++]));
  }
  expect(stream.status?.code).toBe(StatusCode.Canceled);
});

test("a refused connection is Unavailable", async () => {
  const nobody = new RpcChannel({ address: { host: "127.0.0.1", port: 1 } });
  await expect(nobody.unary("/t.S/Echo", Buffer.alloc(0))).rejects.toMatchObject({
    code: StatusCode.Unavailable,
  });
});

test("graceful stop lets open calls finish, and the channel comes back to a new server", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "rpc-")), "socket");
  const first = new RpcServer();
  let open: ServerCall | undefined;
  first.register("t.S", "Slow", "unary", (call) => {
    open = call;
  });
  const firstListener = new RpcListener({ rpc: first });
  await firstListener.listen({ path });
  const client = new RpcChannel({ address: { path } });
  const slow = client.unary("/t.S/Slow", Buffer.alloc(0));
  await expect.poll(() => open !== undefined).toBe(true);
  const stopped = first.stop(5_000);
  await expect.poll(() => client.connected).toBe(false);
  open!.reply(Buffer.from("done"));
  expect(Buffer.from(await slow).toString()).toBe("done");
  await stopped;
  await firstListener.close();
  await expect(client.unary("/t.S/Slow", Buffer.alloc(0))).rejects.toMatchObject({
    code: StatusCode.Unavailable,
  });

  const second = new RpcServer();
  second.register("t.S", "Slow", "unary", (call, message) => call.reply(message));
  const secondListener = new RpcListener({ rpc: second });
  await secondListener.listen({ path });
  expect((await client.unary("/t.S/Slow", Buffer.from("again"))).length).toBe(5);
  client.close();
  second.close();
  await secondListener.close();
});
