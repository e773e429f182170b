// The server against a client that is not ours: @grpc/grpc-js, all four kinds of call.

import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StatusCode } from "#proto";
import { RpcListener } from "./listener.js";
import { RpcServer } from "./server.js";

const asIs = (bytes: Buffer): Buffer => bytes;

function define(
  path: string,
  requestStream: boolean,
  responseStream: boolean,
): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

const Client = grpc.makeGenericClientConstructor(
  {
    Echo: define("/test.Service/Echo", false, false),
    Fail: define("/test.Service/Fail", false, false),
    Hang: define("/test.Service/Hang", false, false),
    Missing: define("/test.Service/Missing", false, false),
    Count: define("/test.Service/Count", false, true),
    Join: define("/test.Service/Join", true, false),
    Chat: define("/test.Service/Chat", true, true),
  },
  "test.Service",
);

let listener: RpcListener;
let server: RpcServer;
let client: grpc.Client & Record<string, (...args: never[]) => unknown>;

function unary(name: string, message: Buffer, options: grpc.CallOptions = {}): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/test.Service/${name}`,
      asIs,
      asIs,
      message,
      new grpc.Metadata(),
      options,
      (error, value) => (error === null ? resolve(value as Buffer) : reject(error)),
    );
  });
}

beforeAll(async () => {
  server = new RpcServer({ maxReceiveBytes: 2 * 1024 * 1024 });
  server.register("test.Service", "Echo", "unary", (call, message) => call.reply(message));
  server.register("test.Service", "Fail", "unary", (call) =>
    call.fail(StatusCode.NotFound, "no 100% ünïcode\n"),
  );
  server.register("test.Service", "Hang", "unary", () => {});
  server.register("test.Service", "Count", "serverStream", (call, message) => {
    for (let i = 0; i < message[0]; i++) call.send(Buffer.from([i]));
    call.end();
    return undefined;
  });
  server.register("test.Service", "Join", "clientStream", (call) => {
    let text = "";
    return {
      onMessage: (message) => {
        text += Buffer.from(message).toString();
      },
      onHalfClose: () => call.reply(Buffer.from(text)),
      onCancel: () => {},
      onDrain: () => {},
    };
  });
  server.register("test.Service", "Chat", "bidi", (call) => ({
    onMessage: (message) => void call.send(message),
    onHalfClose: () => call.end(),
    onCancel: () => {},
    onDrain: () => {},
  }));
  listener = new RpcListener({ rpc: server });
  await listener.listen({ host: "127.0.0.1", port: 0 });
  client = new Client(`127.0.0.1:${listener.port}`, grpc.credentials.createInsecure()) as typeof client;
});

afterAll(async () => {
  client.close();
  await listener.close();
  server.close();
});

test("unary: small, empty and larger than a window", async () => {
  for (const size of [0, 5, 70_000, 1_500_000]) {
    const message = Buffer.alloc(size, 7);
    expect((await unary("Echo", message)).equals(message)).toBe(true);
  }
});

test("an error's code and text survive", async () => {
  await expect(unary("Fail", Buffer.alloc(0))).rejects.toMatchObject({
    code: 5,
    details: "no 100% ünïcode\n",
  });
});

test("unknown methods and services in the words of Go's gRPC", async () => {
  await expect(unary("Missing", Buffer.alloc(0))).rejects.toMatchObject({
    code: 12,
    details: "unknown method Missing for service test.Service",
  });
});

test("a message over the limit is refused with both sizes", async () => {
  await expect(unary("Echo", Buffer.alloc(2 * 1024 * 1024 + 1))).rejects.toMatchObject({
    code: 8,
    details: "grpc: received message larger than max (2097153 vs. 2097152)",
  });
});

test("a deadline ends a call that nobody answers", async () => {
  const started = Date.now();
  await expect(unary("Hang", Buffer.alloc(0), { deadline: started + 150 })).rejects.toMatchObject({
    code: 4,
  });
});

test("server streaming", async () => {
  const stream = client.makeServerStreamRequest("/test.Service/Count", asIs, asIs, Buffer.from([200]));
  let count = 0;
  for await (const message of stream) expect((message as Buffer)[0]).toBe(count++);
  expect(count).toBe(200);
});

test("client streaming", async () => {
  const text = await new Promise<string>((resolve, reject) => {
    const call = client.makeClientStreamRequest("/test.Service/Join", asIs, asIs, (error, value) =>
      error === null ? resolve((value as Buffer).toString()) : reject(error),
    );
    for (const word of ["a", "b", "c"]) call.write(Buffer.from(word));
    call.end();
  });
  expect(text).toBe("abc");
});

test("bidirectional streaming", async () => {
  const call = client.makeBidiStreamRequest("/test.Service/Chat", asIs, asIs);
  for (let i = 0; i < 50; i++) call.write(Buffer.alloc(i * 1000, i));
  call.end();
  let count = 0;
  for await (const message of call) {
    expect((message as Buffer).length).toBe(count * 1000);
    count++;
  }
  expect(count).toBe(50);
});
