// RFC 9113, section by section: what is an error, of which kind and with which code, and what must be ignored.

import {
  type Case,
  COMPRESSION_ERROR,
  connectionError,
  eitherError,
  endOf,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  response,
  STREAM_CLOSED,
  streamError,
} from "./case.js";
import {
  ACK,
  block,
  CONTINUATION,
  call,
  DATA,
  data,
  END_HEADERS,
  END_STREAM,
  type Fields,
  frame,
  GOAWAY,
  HEADERS,
  headers,
  literal,
  message,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PRIORITY_FLAG,
  PUSH_PROMISE,
  ping,
  priority,
  priorityPayload,
  RST_STREAM,
  requestFields,
  rstStream,
  SETTINGS,
  settings,
  settingsAck,
  uint32,
  WINDOW_UPDATE,
  windowUpdate,
} from "./raw-client.js";

/** SETTINGS_MAX_CONCURRENT_STREAMS of the server under test. */
export const MAX_STREAMS = 100;

const hello = message("hello");
const finish = data(1, hello, END_STREAM);
/** A call that is never answered: its stream stays half-closed (remote). */
const hanging = call(1, "x", "/test.Service/Hang");
const wholeBlock = block(requestFields());
const extra = block([["x-extra", "1"]]);

const connection: Case[] = [
  { section: "3.4", title: "a valid preface", steps: [], expect: { kind: "ignored" } },
  {
    section: "3.4",
    title: "an invalid preface",
    preface: Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\nXX"),
    steps: [],
    // §3.4: GOAWAY may be left out, since the peer may not speak HTTP/2 at all.
    expect: { kind: "closed" },
  },
  {
    section: "4.1",
    title: "a frame of unknown type",
    steps: [frame(0x16, 0, 0, Buffer.alloc(8))],
    expect: { kind: "ignored" },
  },
  {
    section: "4.1",
    title: "undefined flags",
    steps: [frame(PING, 0xfe, 0, Buffer.from("undef'd."))],
    expect: { kind: "ping-ack", payload: "undef'd." },
  },
  {
    section: "4.1",
    title: "the reserved bit is set",
    steps: [frame(PING, 0, 0x8000_0000, Buffer.from("reserved"))],
    expect: { kind: "ping-ack", payload: "reserved" },
  },
  {
    section: "4.2",
    title: "DATA of 2^14 bytes",
    steps: [headers(1), data(1, message(Buffer.alloc(16_379)), END_STREAM)],
    expect: response(1),
  },
  {
    section: "4.2",
    title: "DATA beyond SETTINGS_MAX_FRAME_SIZE",
    steps: [headers(1), data(1, Buffer.alloc(16_385), END_STREAM)],
    expect: eitherError(1, FRAME_SIZE_ERROR),
  },
  {
    section: "4.2",
    title: "HEADERS beyond SETTINGS_MAX_FRAME_SIZE",
    steps: [headers(1, [...requestFields(), ["x-large", "x".repeat(16_500)]])],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    section: "4.3",
    title: "an invalid header block",
    // A literal whose name is cut off.
    steps: [frame(HEADERS, END_HEADERS, 1, Buffer.from([0x40, 0x85, 0xff]))],
    expect: connectionError(COMPRESSION_ERROR),
  },
  {
    section: "4.3",
    title: "PRIORITY inside a header block",
    steps: [frame(HEADERS, 0, 1, wholeBlock), priority(1, 0), frame(CONTINUATION, END_HEADERS, 1, extra)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "4.3",
    title: "HEADERS of another stream inside a header block",
    steps: [frame(HEADERS, 0, 1, wholeBlock), headers(3)],
    expect: connectionError(PROTOCOL_ERROR),
  },
];

const streams: Case[] = [
  {
    section: "5.1",
    title: "idle: DATA",
    steps: [data(1, hello, END_STREAM)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "5.1",
    title: "idle: RST_STREAM",
    steps: [rstStream(1, 8)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "5.1",
    title: "idle: WINDOW_UPDATE",
    steps: [windowUpdate(1, 100)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "5.1",
    title: "idle: CONTINUATION",
    steps: [frame(CONTINUATION, END_HEADERS, 1, wholeBlock)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "5.1",
    title: "half-closed (remote): DATA",
    steps: [hanging, data(1, hello, END_STREAM)],
    expect: streamError(1, STREAM_CLOSED),
  },
  {
    section: "5.1",
    title: "half-closed (remote): HEADERS",
    steps: [hanging, headers(1, requestFields(), END_HEADERS | END_STREAM)],
    expect: streamError(1, STREAM_CLOSED),
  },
  {
    section: "5.1",
    title: "half-closed (remote): CONTINUATION",
    steps: [hanging, frame(CONTINUATION, END_HEADERS, 1, extra)],
    expect: connectionError(PROTOCOL_ERROR, STREAM_CLOSED),
  },
  {
    section: "5.1",
    title: "closed by RST_STREAM: DATA",
    steps: [headers(1), rstStream(1, 8), data(1, hello, END_STREAM)],
    expect: streamError(1, STREAM_CLOSED),
  },
  {
    section: "5.1",
    title: "closed by RST_STREAM: HEADERS",
    steps: [headers(1), rstStream(1, 8), headers(1)],
    expect: streamError(1, STREAM_CLOSED),
  },
  {
    section: "5.1",
    title: "closed by RST_STREAM: CONTINUATION",
    steps: [headers(1), rstStream(1, 8), frame(CONTINUATION, END_HEADERS, 1, extra)],
    expect: connectionError(PROTOCOL_ERROR, STREAM_CLOSED),
  },
  {
    section: "5.1",
    title: "closed: DATA",
    steps: [call(1), endOf(1), data(1, hello, END_STREAM)],
    expect: eitherError(1, STREAM_CLOSED),
  },
  {
    section: "5.1",
    title: "closed: HEADERS",
    steps: [call(1), endOf(1), headers(1)],
    expect: connectionError(STREAM_CLOSED),
  },
  {
    section: "5.1",
    title: "closed: CONTINUATION",
    steps: [call(1), endOf(1), frame(CONTINUATION, END_HEADERS, 1, extra)],
    expect: connectionError(PROTOCOL_ERROR, STREAM_CLOSED),
  },
  {
    section: "5.1.1",
    title: "an even stream id",
    steps: [headers(2)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "5.1.1",
    title: "a stream id lower than the last",
    steps: [call(5), headers(3)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "5.1.2",
    title: "more streams than SETTINGS_MAX_CONCURRENT_STREAMS",
    steps: [Buffer.concat(Array.from({ length: MAX_STREAMS + 1 }, (_, i) => headers(1 + 2 * i)))],
    expect: streamError(1 + 2 * MAX_STREAMS, REFUSED_STREAM, PROTOCOL_ERROR),
  },
  {
    section: "5.3.1",
    title: "HEADERS on a stream that depends on itself",
    steps: [frame(HEADERS, END_HEADERS | PRIORITY_FLAG, 1, Buffer.concat([priorityPayload(1), wholeBlock]))],
    expect: eitherError(1, PROTOCOL_ERROR),
  },
  {
    section: "5.3.1",
    title: "PRIORITY on a stream that depends on itself",
    steps: [priority(1, 1)],
    expect: eitherError(1, PROTOCOL_ERROR),
  },
  {
    section: "5.4.1",
    title: "after a connection error the connection is closed",
    steps: [frame(PING, 0, 3, Buffer.alloc(8))],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "5.4.1",
    title: "GOAWAY comes before the connection is closed",
    steps: [call(1), frame(PING, 0, 0, Buffer.alloc(6))],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    section: "5.5",
    title: "an unknown extension frame",
    steps: [frame(0xff, 0, 1, Buffer.alloc(20))],
    expect: { kind: "ignored" },
  },
  {
    section: "5.5",
    title: "an unknown extension frame inside a header block",
    steps: [
      frame(HEADERS, 0, 1, wholeBlock),
      frame(0xff, 0, 0, Buffer.alloc(8)),
      frame(CONTINUATION, END_HEADERS, 1, extra),
    ],
    expect: connectionError(PROTOCOL_ERROR),
  },
];

const frames: Case[] = [
  {
    section: "6.1",
    title: "DATA on stream 0",
    steps: [data(0, hello)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.1",
    title: "DATA on a stream that is not open",
    steps: [hanging, data(1, hello)],
    expect: streamError(1, STREAM_CLOSED),
  },
  {
    section: "6.1",
    title: "DATA with more padding than payload",
    steps: [headers(1), frame(DATA, END_STREAM | PADDED, 1, Buffer.from([6, 0, 0, 0, 0, 0]))],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.2",
    title: "HEADERS without END_HEADERS, then PRIORITY",
    steps: [frame(HEADERS, 0, 1, wholeBlock), priority(1, 0)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.2",
    title: "HEADERS without END_HEADERS, then HEADERS of another stream",
    steps: [frame(HEADERS, 0, 1, wholeBlock), headers(3)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.2",
    title: "HEADERS on stream 0",
    steps: [headers(0)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.2",
    title: "HEADERS with more padding than payload",
    steps: [
      frame(
        HEADERS,
        END_HEADERS | PADDED,
        1,
        Buffer.concat([Buffer.from([255]), wholeBlock.subarray(0, 200)]),
      ),
    ],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.3",
    title: "PRIORITY on stream 0",
    steps: [priority(0, 1)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.3",
    title: "PRIORITY of wrong size",
    steps: [headers(1), frame(PRIORITY, 0, 1, Buffer.alloc(4))],
    expect: streamError(1, FRAME_SIZE_ERROR),
  },
  {
    section: "6.4",
    title: "RST_STREAM on stream 0",
    steps: [rstStream(0, 8)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.4",
    title: "RST_STREAM on an idle stream",
    steps: [rstStream(7, 8)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.4",
    title: "RST_STREAM of wrong size",
    steps: [headers(1), frame(RST_STREAM, 0, 1, Buffer.alloc(3))],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    section: "6.5",
    title: "SETTINGS ACK with a payload",
    steps: [frame(SETTINGS, ACK, 0, Buffer.alloc(6))],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    section: "6.5",
    title: "SETTINGS on a stream",
    steps: [frame(SETTINGS, 0, 1, Buffer.from([0, 3, 0, 0, 0, 100]))],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.5",
    title: "SETTINGS of wrong size",
    steps: [frame(SETTINGS, 0, 0, Buffer.alloc(3))],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    section: "6.5.2",
    title: "ENABLE_PUSH 2",
    steps: [settings([2, 2])],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.5.2",
    title: "INITIAL_WINDOW_SIZE above the maximum",
    steps: [settings([4, 0x8000_0000])],
    expect: connectionError(FLOW_CONTROL_ERROR),
  },
  {
    section: "6.5.2",
    title: "MAX_FRAME_SIZE below the minimum",
    steps: [settings([5, 16_383])],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.5.2",
    title: "MAX_FRAME_SIZE above the maximum",
    steps: [settings([5, 0x100_0000])],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.5.2",
    title: "an unknown setting",
    steps: [settings([0xff, 1])],
    expect: { kind: "settings-ack" },
  },
  {
    section: "6.5.3",
    title: "the last of several values counts",
    steps: [settings([4, 100], [4, 1]), call(1)],
    expect: { kind: "data", stream: 1, bytes: 1 },
  },
  {
    section: "6.5.3",
    title: "SETTINGS are acknowledged",
    steps: [settings([3, 10])],
    expect: { kind: "settings-ack" },
  },
  {
    section: "6.7",
    title: "PING is answered",
    steps: [ping("12345678")],
    expect: { kind: "ping-ack", payload: "12345678" },
  },
  {
    section: "6.7",
    title: "an answer to a PING is not answered",
    steps: [frame(PING, ACK, 0, Buffer.from("invalid.")), ping("8 bytes.")],
    expect: { kind: "ping-ack", payload: "8 bytes." },
  },
  {
    section: "6.7",
    title: "PING on a stream",
    steps: [frame(PING, 0, 1, Buffer.alloc(8))],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.7",
    title: "PING of wrong size",
    steps: [frame(PING, 0, 0, Buffer.alloc(6))],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    section: "6.8",
    title: "GOAWAY on a stream",
    steps: [frame(GOAWAY, 0, 1, uint32(0, 0))],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.9",
    title: "WINDOW_UPDATE by 0",
    steps: [windowUpdate(0, 0)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.9",
    title: "WINDOW_UPDATE by 0 on a stream",
    steps: [headers(1), windowUpdate(1, 0)],
    expect: streamError(1, PROTOCOL_ERROR),
  },
  {
    section: "6.9",
    title: "WINDOW_UPDATE of wrong size",
    steps: [frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(3))],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    section: "6.9.1",
    title: "no more DATA than the window",
    settings: [[4, 1]],
    steps: [call(1)],
    expect: { kind: "data", stream: 1, bytes: 1 },
  },
  {
    section: "6.9.1",
    title: "the connection's window overflows",
    steps: [windowUpdate(0, 0x7fff_ffff), windowUpdate(0, 0x7fff_ffff)],
    expect: connectionError(FLOW_CONTROL_ERROR),
  },
  {
    section: "6.9.1",
    title: "a stream's window overflows",
    steps: [headers(1), windowUpdate(1, 0x7fff_ffff), windowUpdate(1, 0x7fff_ffff)],
    expect: streamError(1, FLOW_CONTROL_ERROR),
  },
  {
    section: "6.9.2",
    title: "INITIAL_WINDOW_SIZE changes while a stream waits",
    settings: [[4, 0]],
    steps: [call(1), settings([4, 1])],
    expect: { kind: "data", stream: 1, bytes: 1 },
  },
  {
    section: "6.9.2",
    title: "a window may become negative",
    settings: [[4, 3]],
    // 3 bytes go out; then the window is 2 - 3 = -1, and 2 more bytes make it 1.
    steps: [
      call(1),
      { waitFor: (f) => f.type === DATA && f.payload.length === 3 },
      settings([4, 2]),
      { waitFor: (f) => f.type === SETTINGS && (f.flags & ACK) !== 0 },
      windowUpdate(1, 2),
      { waitFor: (f) => f.type === DATA && f.payload.length === 1 },
    ],
    expect: { kind: "ignored" },
  },
  {
    section: "6.9.2",
    title: "INITIAL_WINDOW_SIZE above the maximum",
    steps: [settings([4, 0xffff_ffff])],
    expect: connectionError(FLOW_CONTROL_ERROR),
  },
  {
    section: "6.10",
    title: "several CONTINUATION frames",
    steps: [
      frame(HEADERS, 0, 1, wholeBlock),
      frame(CONTINUATION, 0, 1, extra),
      frame(CONTINUATION, END_HEADERS, 1, extra),
      finish,
    ],
    expect: response(1),
  },
  {
    section: "6.10",
    title: "CONTINUATION followed by another frame",
    steps: [frame(HEADERS, 0, 1, wholeBlock), frame(CONTINUATION, 0, 1, extra), finish],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.10",
    title: "CONTINUATION on stream 0",
    steps: [frame(HEADERS, 0, 1, wholeBlock), frame(CONTINUATION, END_HEADERS, 0, extra)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.10",
    title: "CONTINUATION after HEADERS with END_HEADERS",
    steps: [headers(1), frame(CONTINUATION, END_HEADERS, 1, extra)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.10",
    title: "CONTINUATION after CONTINUATION with END_HEADERS",
    steps: [
      frame(HEADERS, 0, 1, wholeBlock),
      frame(CONTINUATION, END_HEADERS, 1, extra),
      frame(CONTINUATION, END_HEADERS, 1, extra),
    ],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "6.10",
    title: "CONTINUATION after DATA",
    steps: [headers(1), data(1, hello), frame(CONTINUATION, END_HEADERS, 1, extra)],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "7",
    title: "GOAWAY with an unknown code",
    steps: [hanging, frame(GOAWAY, 0, 0, uint32(0, 0xff))],
    expect: { kind: "ignored" },
  },
  {
    section: "7",
    title: "RST_STREAM with an unknown code",
    steps: [headers(1), rstStream(1, 0xff)],
    expect: { kind: "ignored" },
  },
];

/** Request headers that differ from good ones, and end the stream's head only. */
function malformed(section: string, title: string, fields: Fields): Case {
  return { section, title, steps: [headers(1, fields)], expect: streamError(1, PROTOCOL_ERROR) };
}

function changed(name: string, value: string | undefined): Fields {
  const fields = requestFields();
  return fields.flatMap(
    ([n, v]): Fields => (n !== name ? [[n, v]] : value === undefined ? [] : [[n, value]]),
  );
}

function doubled(name: string): Fields {
  return requestFields().flatMap(
    ([n, v]): Fields =>
      n === name
        ? [
            [n, v],
            [n, v],
          ]
        : [[n, v]],
  );
}

function withLength(length: number): Buffer {
  return headers(1, [...requestFields(), ["content-length", String(length)]]);
}

const messages: Case[] = [
  {
    section: "8.1",
    title: "a second HEADERS frame without END_STREAM",
    steps: [headers(1), headers(1, [["x-test", "1"]])],
    expect: streamError(1, PROTOCOL_ERROR),
  },
  malformed("8.2.1", "an upper-case field name", [...requestFields(), ["X-Test", "1"]]),
  malformed("8.3", "an unknown pseudo-header field", [[":test", "1"], ...requestFields()]),
  malformed("8.3", "a response's pseudo-header field", [[":status", "200"], ...requestFields()]),
  {
    section: "8.3",
    title: "a pseudo-header field in trailers",
    steps: [headers(1), headers(1, [[":method", "POST"]], END_HEADERS | END_STREAM)],
    expect: streamError(1, PROTOCOL_ERROR),
  },
  malformed("8.3", "a pseudo-header field after the fields", [
    ...requestFields().slice(0, 3),
    ["content-type", "application/grpc"],
    [":authority", "localhost"],
  ]),
  malformed("8.2.2", "a connection-specific field", [...requestFields(), ["connection", "keep-alive"]]),
  malformed("8.2.2", "te other than trailers", changed("te", "trailers, deflate;q=0.5")),
  malformed("8.3.1", "an empty :path", changed(":path", "")),
  malformed("8.3.1", "no :method", changed(":method", undefined)),
  malformed("8.3.1", "no :scheme", changed(":scheme", undefined)),
  malformed("8.3.1", "no :path", changed(":path", undefined)),
  malformed("8.3.1", ":method twice", doubled(":method")),
  malformed("8.3.1", ":scheme twice", doubled(":scheme")),
  malformed("8.3.1", ":path twice", doubled(":path")),
  {
    section: "8.1.1",
    title: "content-length differs from the DATA",
    steps: [withLength(1), data(1, hello, END_STREAM)],
    expect: streamError(1, PROTOCOL_ERROR),
  },
  {
    section: "8.1.1",
    title: "content-length differs from the sum of several DATA frames",
    steps: [withLength(20), data(1, hello), data(1, Buffer.alloc(1), END_STREAM)],
    expect: streamError(1, PROTOCOL_ERROR),
  },
  {
    section: "8.4",
    title: "PUSH_PROMISE from a client",
    steps: [
      headers(1),
      frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([uint32(2), literal(":method", "GET")])),
    ],
    expect: connectionError(PROTOCOL_ERROR),
  },
];

export const HTTP2_CASES: Case[] = [...connection, ...streams, ...frames, ...messages];

/** Cases of our own, beyond the common list. */
export const EXTRA_CASES: Case[] = [
  {
    section: "3.4",
    title: "the first frame is not SETTINGS",
    preface: Buffer.concat([PREFACE, ping()]),
    steps: [],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "3.4",
    title: "the first frame is a SETTINGS ACK",
    preface: Buffer.concat([PREFACE, settingsAck]),
    steps: [],
    expect: connectionError(PROTOCOL_ERROR),
  },
  {
    section: "3.4",
    title: "preface and first call in one write",
    preface: Buffer.concat([PREFACE, settings(), call(1)]),
    steps: [],
    expect: response(1),
  },
  {
    section: "6.2",
    title: "HEADERS with the priority flag and too short for it",
    steps: [frame(HEADERS, END_HEADERS | PRIORITY_FLAG, 1, Buffer.alloc(4))],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    section: "6.1",
    title: "DATA padded with an empty payload",
    steps: [headers(1), frame(DATA, PADDED, 1)],
    expect: connectionError(PROTOCOL_ERROR, FRAME_SIZE_ERROR),
  },
  {
    section: "6.1",
    title: "DATA that is all padding",
    steps: [headers(1), frame(DATA, PADDED, 1, Buffer.from([4, 0, 0, 0, 0])), finish],
    expect: response(1),
  },
  {
    section: "6.8",
    title: "GOAWAY cut short",
    steps: [frame(GOAWAY, 0, 0, Buffer.alloc(4))],
    expect: connectionError(FRAME_SIZE_ERROR),
  },
  {
    section: "6.9.1",
    title: "a stream's window is granted again as its messages are taken",
    steps: [
      headers(1, requestFields("/test.Service/Stuck")),
      Buffer.concat(Array.from({ length: 40 }, () => data(1, message(Buffer.alloc(16_379))))),
    ],
    expect: { kind: "ignored" },
  },
  {
    section: "6.9.2",
    title: "INITIAL_WINDOW_SIZE overflows a stream's window",
    steps: [hanging, windowUpdate(1, 0x7fff_0000), settings([4, 0x7fff_ffff])],
    expect: connectionError(FLOW_CONTROL_ERROR),
  },
  malformed("8.2.1", "a field name with a space", [...requestFields(), ["x test", "1"]]),
  malformed("8.2.1", "an empty field name", [...requestFields(), ["", "1"]]),
  malformed("8.2.1", "a field value with a line break", [...requestFields(), ["x-test", "a\r\nb"]]),
  malformed("8.2.1", "a field value with a NUL", [...requestFields(), ["x-test", "a\0b"]]),
  malformed("8.2.2", "transfer-encoding", [...requestFields(), ["transfer-encoding", "chunked"]]),
  malformed("8.1.1", "content-length twice, differently", [
    ...requestFields(),
    ["content-length", "1"],
    ["content-length", "2"],
  ]),
  malformed("8.1.1", "a content-length that is no number", [...requestFields(), ["content-length", "-1"]]),
  {
    section: "8.1.1",
    title: "content-length without a body",
    steps: [headers(1, [...requestFields(), ["content-length", "5"]], END_HEADERS | END_STREAM)],
    expect: streamError(1, PROTOCOL_ERROR),
  },
  {
    section: "8.1.1",
    title: "content-length and trailers that come too early",
    steps: [withLength(20), data(1, hello), headers(1, [["x-test", "1"]], END_HEADERS | END_STREAM)],
    expect: streamError(1, PROTOCOL_ERROR),
  },
];
