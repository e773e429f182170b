// One port for gRPC, HTTP/1.1 and TLS: the first bytes decide.

import * as http from "node:http";
import * as http2 from "node:http2";
import { connect } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterEach, expect, test } from "vitest";
import { data, headers, RawClient } from "../../test/h2/raw-client.js";
import { RpcChannel } from "./channel.js";
import { RpcListener } from "./listener.js";
import { RpcServer } from "./server.js";

const psk = Buffer.from("a key for tests");
const tlsServer = { ciphers: "PSK", maxVersion: "TLSv1.2", pskCallback: () => psk } as const;
const tlsClient = {
  ciphers: "PSK",
  maxVersion: "TLSv1.2",
  checkServerIdentity: () => undefined,
  pskCallback: () => ({ psk, identity: "test" }),
} as const;

const closers: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function rpcServer(): RpcServer {
  const server = new RpcServer();
  server.register("t.S", "Echo", "unary", (call, message) => call.reply(message));
  closers.push(() => server.close());
  return server;
}

function httpServer(options: http.ServerOptions = {}): http.Server {
  const server = http.createServer(options, (request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => response.end(`${request.method} ${request.url} ${body}`));
  });
  closers.push(() => server.closeAllConnections());
  return server;
}

async function listen(options: ConstructorParameters<typeof RpcListener>[0]): Promise<RpcListener> {
  const listener = new RpcListener(options);
  await listener.listen({ host: "127.0.0.1", port: 0 });
  closers.push(() => listener.close());
  return listener;
}

async function echo(port: number, tls = false): Promise<string> {
  const channel = new RpcChannel({
    address: { host: "127.0.0.1", port },
    ...(tls ? { tls: tlsClient } : {}),
  });
  try {
    return Buffer.from(await channel.unary("/t.S/Echo", Buffer.from("hello"))).toString();
  } finally {
    channel.close();
  }
}

/** Says `text` in pieces and returns everything that comes back until the server closes. */
function speak(port: number, pieces: string[], alpn?: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket =
      alpn === undefined
        ? connect(port, "127.0.0.1")
        : connectTls({
            port,
            host: "127.0.0.1",
            ...tlsClient,
            ...(alpn.length > 0 ? { ALPNProtocols: alpn } : {}),
          });
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
    socket.once(alpn === undefined ? "connect" : "secureConnect", async () => {
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((wait) => setTimeout(wait, 10));
      }
    });
  });
}

const GET = ["GET /version HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"];

test("in the clear: gRPC and HTTP/1.1 on one port", async () => {
  const { port } = await listen({ rpc: rpcServer(), http: httpServer() });
  expect(await echo(port)).toBe("hello");
  expect(await speak(port, GET)).toContain("GET /version");
  expect(
    await speak(port, [
      "P",
      "O",
      "ST /x HTTP/1.1\r\nConnection: close\r\nHost: a\r\nContent-",
      "Length: 3\r\n\r\nabc",
    ]),
  ).toContain("POST /x abc");
  expect(await speak(port, ["PRI", "NT /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"])).toContain(
    "400",
  );
});

test("the preface in pieces", async () => {
  const { port } = await listen({ rpc: rpcServer(), http: httpServer() });
  const client = await RawClient.connect({ host: "127.0.0.1", port });
  for (const piece of ["PRI *", " HTTP/2.0\r", "\n\r\nSM\r\n\r", "\n\0\0\0\x04\0\0\0\0\0"]) {
    client.send(Buffer.from(piece, "latin1"));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(await client.until((f) => f.type === 4 && f.flags === 1)).toBeDefined();
  client.destroy();
});

test("TLS: ALPN decides, and without it the first bytes", async () => {
  const { port } = await listen({ rpc: rpcServer(), http: httpServer(), tls: tlsServer });
  expect(await echo(port, true)).toBe("hello");
  expect(await speak(port, GET, ["http/1.1"])).toContain("GET /version");
  expect(await speak(port, GET, [])).toContain("GET /version");
});

test("TLS and clear text on one port", async () => {
  const { port } = await listen({ rpc: rpcServer(), http: httpServer(), tls: tlsServer, alsoPlain: true });
  expect(await echo(port, true)).toBe("hello");
  expect(await echo(port)).toBe("hello");
  expect(await speak(port, GET, ["http/1.1"])).toContain("GET /version");
  expect(await speak(port, GET)).toContain("GET /version");
});

test("an HTTP/1.1 request that drips is timed out by its server", async () => {
  const slow = httpServer({ headersTimeout: 300, requestTimeout: 400, connectionsCheckingInterval: 50 });
  const { port } = await listen({ rpc: rpcServer(), http: slow });
  expect(await speak(port, ["GET /version HTTP/1.1\r\nHost: a\r\n"])).toContain("408");
});

/** A request over HTTP/2 by nghttp2. */
async function get2(session: http2.ClientHttp2Session, path: string, body?: Buffer): Promise<string> {
  const stream = session.request({
    ":path": path,
    ":method": body === undefined ? "GET" : "POST",
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  });
  stream.end(body);
  const headers = await new Promise<http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader>(
    (resolve, reject) => {
      stream.on("response", resolve);
      stream.on("error", reject);
    },
  );
  let text = "";
  for await (const chunk of stream) text += chunk;
  return `${headers[":status"]} ${text}`;
}

test("TLS: requests of HTTP/2 that are not gRPC's reach the HTTP server", async () => {
  const web = httpServer();
  web.on("request", (request) => expect(request.socket.remoteAddress).toBe("127.0.0.1"));
  const { port } = await listen({ rpc: rpcServer(), http: web, tls: tlsServer });
  const session = http2.connect(`https://127.0.0.1:${port}`, tlsClient);
  expect(await get2(session, "/version")).toBe("200 GET /version ");
  const body = Buffer.alloc(700_000, "b");
  expect(await get2(session, "/v3/kv/put", body)).toBe(`200 POST /v3/kv/put ${body}`);
  const many = await Promise.all(Array.from({ length: 50 }, (_, i) => get2(session, `/${i}`)));
  expect(many).toEqual(Array.from({ length: 50 }, (_, i) => `200 GET /${i} `));
  session.close();
});

test("... but not what only HTTP/2 can say, and no body passes for a request", async () => {
  const web = httpServer();
  const seen: (string | undefined)[] = [];
  web.on("request", (request) => seen.push(request.url));
  const { port } = await listen({ rpc: rpcServer(), http: web, tls: tlsServer });
  const client = await RawClient.open({ host: "127.0.0.1", port, psk });
  const fields = (method: string, path: string): [string, string][] => [
    [":method", method],
    [":scheme", "https"],
    [":path", path],
  ];
  client.send(
    headers(1, fields("GE T", "/a")),
    headers(3, fields("GET", "/a b")),
    headers(5, fields("CONNECT", "/")),
  );
  for (const stream of [1, 3, 5])
    expect(await client.until((f) => f.streamId === stream)).toMatchObject({ type: 1 });
  client.send(
    headers(7, fields("GET", "/c")),
    data(7, Buffer.from("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), 1),
  );
  expect(await client.until((f) => f.streamId === 7 && f.type === 0)).toBeDefined();
  expect(seen).toEqual(["/c"]);
  client.destroy();
});

test("... and a server that hangs up is a bad gateway", async () => {
  const web = http.createServer((request) => request.socket.destroy());
  const { port } = await listen({ rpc: rpcServer(), http: web, tls: tlsServer });
  const session = http2.connect(`https://127.0.0.1:${port}`, tlsClient);
  expect(await get2(session, "/version")).toBe("502 ");
  session.close();
});

test("gRPC only, HTTP only", async () => {
  const rpcOnly = await listen({ rpc: rpcServer() });
  expect(await speak(rpcOnly.port, GET)).toBe("");
  const httpOnly = await listen({ http: httpServer() });
  await expect(echo(httpOnly.port)).rejects.toMatchObject({ code: 14 });
  expect(await speak(httpOnly.port, GET)).toContain("GET /version");
});

test("hostile TLS: garbage, strange ALPN, and hanging up in the middle hurt nobody", async () => {
  const { port } = await listen({ rpc: rpcServer(), http: httpServer(), tls: tlsServer });
  for (let i = 0; i < 50; i++) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    const garbage = Buffer.alloc(1 + ((i * 37) % 600));
    for (let at = 0; at < garbage.length; at++) garbage[at] = at * i + i;
    garbage[0] = 0x16;
    socket.write(garbage, () => (i % 2 === 0 ? socket.destroy() : socket.end()));
  }
  const refused = await new Promise<string>((resolve) => {
    const socket: TLSSocket = connectTls({
      port,
      host: "127.0.0.1",
      ...tlsClient,
      ALPNProtocols: ["spdy/3", "x".repeat(200)],
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on("secureConnect", () => resolve("accepted"));
  });
  expect(refused).not.toBe("accepted");
  expect(await echo(port, true)).toBe("hello");
});

test("a port in use is an error of listen", async () => {
  const { port } = await listen({ rpc: rpcServer() });
  const second = new RpcListener({ rpc: rpcServer() });
  await expect(second.listen({ host: "127.0.0.1", port })).rejects.toMatchObject({ code: "EADDRINUSE" });
});
