// Probes below and beside gRPC: plain HTTP/1.1 requests, HTTP/2 requests with headers of one's own, and bytes on a bare
// TCP connection. Each returns one line for a scenario's output.

import { request as requestHttp } from "node:http";
import { connect as connectHttp2, constants, type IncomingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";
import { quote, textEntries, type Value } from "../support/notation.js";

const LIMIT_MS = 3000;

/** `METHOD /path [body]`, optionally ` | Header: value` at the end.
 *  @param names texts that the run determines, replaced in the body */
export function httpRequest(
  endpoint: string,
  line: string,
  names: ReadonlyMap<string, string>,
): Promise<string> {
  const [head, header] = line.split(" | ");
  const [method, path, ...body] = head.split(" ");
  const [headerName, headerValue] = header?.split(": ") ?? [];
  return new Promise((resolve, reject) => {
    const request = requestHttp(`http://${endpoint}${path}`, {
      method,
      timeout: LIMIT_MS,
      headers: headerName === undefined ? {} : { [headerName]: headerValue },
    });
    request.on("error", reject);
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => {
        for (const [known, name] of names) text = text.replaceAll(known, name);
        const type = (response.headers["content-type"] ?? "no type").replace("; escaping=underscores", "");
        const allow = response.headers.allow === undefined ? "" : ` allow ${response.headers.allow}`;
        resolve(`${response.statusCode} ${type}${allow} ${shorten(text)}`);
      });
    });
    request.end(body.join(" "));
  });
}

/** Texts of many lines, as /metrics gives, are cut to what can be the same everywhere: that they are there. */
function shorten(text: string): string {
  return text.length > 4000 ? "(long)" : quote(text);
}

/** `{":path": ..., header: ..., body: hex}`: one request; the headers given replace the usual ones, "-" removes one. */
export function http2Request(endpoint: string, given: Value): Promise<string> {
  const headers: Record<string, string> = {
    ":method": "POST",
    ":path": "/etcdserverpb.KV/Range",
    "content-type": "application/grpc",
    te: "trailers",
  };
  let body = Buffer.from("00000000030a0161", "hex"); // Range of the key "a"
  for (const [name, value] of textEntries(given)) {
    if (name === "body") body = Buffer.from(value, "hex");
    else if (value === "-") delete headers[HEADER_NAMES[name] ?? name];
    else headers[HEADER_NAMES[name] ?? name] = value;
  }
  return new Promise((resolve) => {
    const session = connectHttp2(`http://${endpoint}`);
    const finish = (line: string) => {
      clearTimeout(timer);
      session.destroy();
      resolve(line);
    };
    const timer = setTimeout(() => finish("no answer"), LIMIT_MS);
    session.on("error", () => finish("connection error"));
    const stream = session.request(headers, { endStream: body.length === 0 });
    let first: IncomingHttpHeaders = {};
    let last: IncomingHttpHeaders = {};
    let bytes = 0;
    stream.on("response", (received) => {
      first = received;
    });
    stream.on("trailers", (received) => {
      last = received;
    });
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on("error", () => {});
    stream.on("close", () => finish(describeHttp2(first, last, bytes, stream.rstCode)));
    if (body.length > 0) stream.end(body);
  });
}

/** Names of headers that the notation cannot write. */
const HEADER_NAMES: Readonly<Record<string, string>> = {
  path: ":path",
  method: ":method",
  scheme: ":scheme",
  content_type: "content-type",
  grpc_timeout: "grpc-timeout",
  grpc_encoding: "grpc-encoding",
};

function describeHttp2(
  first: IncomingHttpHeaders,
  last: IncomingHttpHeaders,
  bytes: number,
  reset?: number,
): string {
  const status = first["grpc-status"] ?? last["grpc-status"] ?? "none";
  const message = first["grpc-message"] ?? last["grpc-message"];
  const parts = [
    `http ${first[":status"] ?? "none"}`,
    `type ${(first["content-type"] ?? "none").replace(/\+.*/, "")}`, // a subtype may be echoed or not
    `grpc-status ${status}`,
    ...(message ? [quote(String(message))] : []), // an empty text may be sent or left out
    bytes > 0 ? "with a body" : "no body",
  ];
  if (reset !== undefined && reset !== constants.NGHTTP2_NO_ERROR) parts.push(`reset ${reset}`);
  return parts.join(", ");
}

/** Sends bytes on a new connection; tells what comes back first and whether the server closes. */
export function tcpExchange(endpoint: string, bytes: string): Promise<string> {
  const [host, port] = endpoint.split(":");
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const socket = connectTcp(Number(port), host, () => socket.write(Buffer.from(bytes, "latin1")));
    const finish = (how: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(`${firstLine(received)}, ${how}`);
    };
    const timer = setTimeout(() => finish("left open"), 700);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
    });
    socket.on("error", () => {});
    socket.on("close", () => finish("closed"));
  });
}

/** Nothing and an error of HTTP/1.1 are the same: a refusal. */
function firstLine(bytes: Buffer): string {
  const text = bytes.toString("latin1");
  if (text === "" || /^HTTP\/1\.1 4\d\d/.test(text)) return "refused";
  return text.startsWith("HTTP/1") ? quote(text.split("\r\n")[0]) : `bytes of HTTP/2 frame type ${bytes[3]}`;
}
