// What every server must take: ordinary frames in all their forms. Sections are numbered as in the list of generic
// cases that the conformance tools for HTTP/2 have in common.

import { type Case, endOf, response } from "./case.js";
import {
  block,
  CONTINUATION,
  call,
  data,
  END_HEADERS,
  END_STREAM,
  type Fields,
  frame,
  GOAWAY,
  HEADERS,
  headers,
  hpackInteger,
  hpackString,
  message,
  PADDED,
  PRIORITY_FLAG,
  ping,
  priority,
  priorityPayload,
  requestFields,
  rstStream,
  settings,
  uint32,
  windowUpdate,
} from "./raw-client.js";

const hello = message("hello");
const finish = data(1, hello, END_STREAM);

function padded(payload: Buffer, padding: number): Buffer {
  return Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)]);
}

/** Request headers with one more field, in a form under test. */
function withField(field: Buffer): Buffer {
  return Buffer.concat([
    frame(HEADERS, END_HEADERS, 1, Buffer.concat([block(requestFields()), field])),
    finish,
  ]);
}

function request(fields: Partial<Record<string, string>>, flags: number): Buffer {
  const all: Fields = requestFields().map(([name, value]) => [name, fields[name] ?? value]);
  return headers(1, all, flags);
}

/** "user-agent" is static index 58; the Huffman strings are from RFC 7541 C.4 and C.6 ("custom-key", "custom-value"). */
const HUFFMAN_NAME = Buffer.from("8825a849e95ba97d7f", "hex");
const HUFFMAN_VALUE = Buffer.from("8925a849e95bb8e8b4bf", "hex");

function hpackForm(pattern: number, prefixBits: number, indexed: boolean, huffman: boolean): Buffer {
  const value = huffman ? HUFFMAN_VALUE : hpackString("custom-value");
  if (indexed) return Buffer.concat([hpackInteger(prefixBits, pattern, 58), value]);
  return Buffer.concat([Buffer.from([pattern]), huffman ? HUFFMAN_NAME : hpackString("custom-key"), value]);
}

const HPACK_FORMS: Case[] = (
  [
    ["literal with incremental indexing", 0x40, 6],
    ["literal without indexing", 0x00, 4],
    ["literal never indexed", 0x10, 4],
  ] as const
).flatMap(([name, pattern, bits]) =>
  [true, false].flatMap((indexed) =>
    [false, true].map((huffman) => ({
      section: "generic 5",
      title: `${name}, ${indexed ? "indexed" : "new"} name${huffman ? ", Huffman" : ""}`,
      steps: [withField(hpackForm(pattern, bits, indexed, huffman))],
      expect: response(1),
    })),
  ),
);

export const GENERIC_CASES: Case[] = [
  { section: "generic 1", title: "client preface", steps: [], expect: { kind: "ignored" } },

  {
    section: "generic 2",
    title: "PRIORITY on an idle stream",
    steps: [priority(1, 0), call(1)],
    expect: response(1),
  },
  {
    section: "generic 2",
    title: "WINDOW_UPDATE on a half-closed (remote) stream",
    steps: [call(1), windowUpdate(1, 100)],
    expect: response(1),
  },
  {
    section: "generic 2",
    title: "PRIORITY on a half-closed (remote) stream",
    steps: [call(1), priority(1, 0)],
    expect: response(1),
  },
  {
    section: "generic 2",
    title: "RST_STREAM on a half-closed (remote) stream",
    steps: [call(1, "x", "/test.Service/Hang"), rstStream(1, 8)],
    expect: { kind: "ignored" },
  },
  {
    section: "generic 2",
    title: "PRIORITY on a closed stream",
    steps: [call(1), endOf(1), priority(1, 0)],
    expect: { kind: "ignored" },
  },

  { section: "generic 3.1", title: "DATA", steps: [headers(1), finish], expect: response(1) },
  {
    section: "generic 3.1",
    title: "several DATA frames",
    steps: [
      headers(1),
      data(1, hello.subarray(0, 3)),
      data(1, hello.subarray(3)),
      data(1, Buffer.alloc(0), END_STREAM),
    ],
    expect: response(1),
  },
  {
    section: "generic 3.1",
    title: "DATA with padding",
    steps: [headers(1), data(1, padded(hello, 20), END_STREAM | PADDED)],
    expect: response(1),
  },
  { section: "generic 3.2", title: "HEADERS", steps: [headers(1), finish], expect: response(1) },
  {
    section: "generic 3.2",
    title: "HEADERS with padding",
    steps: [frame(HEADERS, END_HEADERS | PADDED, 1, padded(block(requestFields()), 30)), finish],
    expect: response(1),
  },
  {
    section: "generic 3.2",
    title: "HEADERS with priority",
    steps: [
      frame(
        HEADERS,
        END_HEADERS | PRIORITY_FLAG,
        1,
        Buffer.concat([priorityPayload(0), block(requestFields())]),
      ),
      finish,
    ],
    expect: response(1),
  },
  {
    section: "generic 3.3",
    title: "PRIORITY, weight 1",
    steps: [priority(1, 0, 1), call(1)],
    expect: response(1),
  },
  {
    section: "generic 3.3",
    title: "PRIORITY, weight 256",
    steps: [priority(1, 0, 256), call(1)],
    expect: response(1),
  },
  {
    section: "generic 3.3",
    title: "PRIORITY with a dependency",
    steps: [priority(1, 0), priority(3, 1), call(3)],
    expect: response(3),
  },
  {
    section: "generic 3.3",
    title: "PRIORITY, exclusive",
    steps: [priority(3, 0, 16, true), call(3)],
    expect: response(3),
  },
  {
    section: "generic 3.3",
    title: "PRIORITY on an idle stream, then HEADERS on a lower one",
    steps: [priority(5, 0), call(3)],
    expect: response(3),
  },
  {
    section: "generic 3.4",
    title: "RST_STREAM",
    steps: [headers(1), rstStream(1, 8), call(3)],
    expect: response(3),
  },
  {
    section: "generic 3.5",
    title: "SETTINGS",
    steps: [settings([3, 100])],
    expect: { kind: "settings-ack" },
  },
  {
    section: "generic 3.7",
    title: "PING",
    steps: [ping("pingpong")],
    expect: { kind: "ping-ack", payload: "pingpong" },
  },
  {
    section: "generic 3.8",
    title: "GOAWAY while a call is open",
    steps: [headers(1), frame(GOAWAY, 0, 0, uint32(0, 0)), finish],
    // The connection ends with its last stream; the response comes first.
    expect: { kind: "data", stream: 1, bytes: hello.length },
  },
  {
    section: "generic 3.9",
    title: "WINDOW_UPDATE on stream 0",
    steps: [windowUpdate(0, 1), call(1)],
    expect: response(1),
  },
  {
    section: "generic 3.9",
    title: "WINDOW_UPDATE on a stream",
    steps: [headers(1), windowUpdate(1, 1), finish],
    expect: response(1),
  },
  {
    section: "generic 3.10",
    title: "CONTINUATION",
    steps: [
      frame(HEADERS, 0, 1, block(requestFields().slice(0, 3))),
      frame(CONTINUATION, END_HEADERS, 1, block(requestFields().slice(3))),
      finish,
    ],
    expect: response(1),
  },
  {
    section: "generic 3.10",
    title: "several CONTINUATION frames",
    steps: [
      frame(HEADERS, 0, 1, block(requestFields().slice(0, 2))),
      frame(CONTINUATION, 0, 1, block(requestFields().slice(2, 4))),
      frame(CONTINUATION, END_HEADERS, 1, block(requestFields().slice(4))),
      finish,
    ],
    expect: response(1),
  },

  // A gRPC server refuses GET and HEAD, with a response.
  {
    section: "generic 4",
    title: "GET",
    steps: [request({ ":method": "GET" }, END_HEADERS | END_STREAM)],
    expect: response(1),
  },
  {
    section: "generic 4",
    title: "HEAD",
    steps: [request({ ":method": "HEAD" }, END_HEADERS | END_STREAM)],
    expect: response(1),
  },
  { section: "generic 4", title: "POST", steps: [call(1)], expect: response(1) },
  {
    section: "generic 4",
    title: "POST with trailers",
    steps: [headers(1), data(1, hello), headers(1, [["x-test", "ok"]], END_HEADERS | END_STREAM)],
    expect: response(1),
  },

  {
    section: "generic 5",
    title: "indexed field",
    // Static 3 is ":method: POST", 6 is ":scheme: http".
    steps: [
      frame(
        HEADERS,
        END_HEADERS,
        1,
        Buffer.concat([Buffer.from([0x83, 0x86]), block(requestFields().slice(2))]),
      ),
      finish,
    ],
    expect: response(1),
  },
  ...HPACK_FORMS,
  {
    section: "generic 5",
    title: "dynamic table size update",
    steps: [
      frame(HEADERS, END_HEADERS, 1, Buffer.concat([hpackInteger(5, 0x20, 128), block(requestFields())])),
      finish,
    ],
    expect: response(1),
  },
  {
    section: "generic 5",
    title: "several indexed fields, from the dynamic table",
    steps: [
      frame(
        HEADERS,
        END_HEADERS,
        1,
        Buffer.concat([
          block(requestFields()),
          hpackForm(0x40, 6, false, false),
          Buffer.concat([Buffer.from([0x40]), hpackString("x-second"), hpackString("2")]),
          // The newest is 62, the one before it 63.
          Buffer.from([0x80 | 62, 0x80 | 63, 0x80 | 62]),
        ]),
      ),
      finish,
    ],
    expect: response(1),
  },
];
