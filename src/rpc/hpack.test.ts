// HPACK against the examples of RFC 7541 Appendix C, against node's own HTTP/2 (nghttp2), and against itself.

import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BUDGETS } from "./budgets.js";
import { HpackDecoder } from "./hpack-decoder.js";
import { encodedFieldMax, type HeaderPair, HpackEncoder, literalBlock } from "./hpack-encoder.js";
import { huffmanDecode, huffmanDecodedMax, huffmanEncode, huffmanSize } from "./huffman.js";

function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ""), "hex");
}

function decode(decoder: HpackDecoder, block: Buffer): string[] | undefined {
  return decoder.decode(block, 0, block.length)?.fields.map((field) => `${field.name}: ${field.value}`);
}

function encode(encoder: HpackEncoder, fields: readonly HeaderPair[]): Buffer {
  let size = 16;
  for (const [name, value] of fields) size += encodedFieldMax(name, value);
  const out = Buffer.alloc(size);
  let at = encoder.begin(out, 0);
  for (const [name, value] of fields) at = encoder.encode(out, at, name, value);
  return out.subarray(0, at);
}

describe("RFC 7541 Appendix C", () => {
  test("C.2: one field in each form", () => {
    const decoder = new HpackDecoder();
    expect(
      decode(decoder, bytes("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572")),
    ).toEqual(["custom-key: custom-header"]);
    expect(decoder.table.bytes).toBe(55);
    expect(decode(decoder, bytes("040c 2f73 616d 706c 652f 7061 7468"))).toEqual([":path: /sample/path"]);
    expect(decode(decoder, bytes("1008 7061 7373 776f 7264 0673 6563 7265 74"))).toEqual([
      "password: secret",
    ]);
    expect(decode(decoder, bytes("82"))).toEqual([":method: GET"]);
  });

  for (const [section, blocks] of [
    [
      "C.3: requests without Huffman",
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
    ],
    [
      "C.4: requests with Huffman",
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ],
  ] as const) {
    test(section, () => {
      const decoder = new HpackDecoder();
      expect(decode(decoder, bytes(blocks[0]))).toEqual([
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
      ]);
      expect(decoder.table.bytes).toBe(57);
      expect(decode(decoder, bytes(blocks[1]))).toEqual([
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
        "cache-control: no-cache",
      ]);
      expect(decoder.table.bytes).toBe(110);
      expect(decode(decoder, bytes(blocks[2]))).toEqual([
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
      ]);
      expect(decoder.table.bytes).toBe(164);
    });
  }

  test("C.6: responses with Huffman and eviction, in a table of 256 bytes", () => {
    const decoder = new HpackDecoder();
    decoder.table.resize(256);
    const first = decode(
      decoder,
      bytes(
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
         919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      ),
    );
    expect(first).toEqual([
      ":status: 302",
      "cache-control: private",
      "date: Mon, 21 Oct 2013 20:13:21 GMT",
      "location: https://www.example.com",
    ]);
    expect(decoder.table.bytes).toBe(222);
    expect(decode(decoder, bytes("4883 640e ffc1 c0bf"))).toEqual([":status: 307", ...first!.slice(1)]);
    expect(decoder.table.bytes).toBe(222);
  });
});

test("Huffman: all bytes there and back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (input) => {
      const text = Buffer.from(input).toString("latin1");
      const coded = Buffer.alloc(huffmanSize(text));
      expect(huffmanEncode(text, coded, 0)).toBe(coded.length);
      const out = Buffer.alloc(huffmanDecodedMax(coded.length));
      expect(out.subarray(0, huffmanDecode(coded, 0, coded.length, out)).toString("latin1")).toBe(text);
    }),
  );
});

test("Huffman: any bytes decode to something that encodes to the same, or to nothing", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (input) => {
      const out = Buffer.alloc(huffmanDecodedMax(input.length) + 8);
      const length = huffmanDecode(input, 0, input.length, out);
      if (length < 0) return;
      const text = out.toString("latin1", 0, length);
      const again = Buffer.alloc(huffmanSize(text));
      huffmanEncode(text, again, 0);
      expect(Buffer.compare(again, input)).toBe(0);
    }),
    { numRuns: 2_000 },
  );
});

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/);
const value = fc.string({ maxLength: 200 }).map((text) => text.replaceAll(/[^\x20-\x7e]/g, "x"));

test("what the encoder writes the decoder reads, block after block, across table sizes", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ fields: fc.array(fc.tuple(name, value), { maxLength: 20 }), resize: fc.nat(6_000) }),
        {
          maxLength: 30,
        },
      ),
      (blocks) => {
        const encoder = new HpackEncoder();
        const decoder = new HpackDecoder();
        for (const { fields, resize } of blocks) {
          if (resize < 5_000) encoder.setTableBytes(resize);
          // Twice: the second block refers to what the first has inserted.
          for (let i = 0; i < 2; i++) {
            expect(decode(decoder, encode(encoder, fields))).toEqual(fields.map(([n, v]) => `${n}: ${v}`));
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("a table made smaller and larger between two blocks announces both", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  const fields: HeaderPair[] = [["x-a", "1"]];
  decode(decoder, encode(encoder, fields));
  encoder.setTableBytes(0);
  encoder.setTableBytes(4_096);
  expect(decode(decoder, encode(encoder, fields))).toEqual(["x-a: 1"]);
  expect(decoder.table.count).toBe(1);
});

test("a block is recognised by its bytes only while the table stands still", () => {
  const decoder = new HpackDecoder();
  const inserts = Buffer.concat([bytes("40 01 61 01 31")]);
  const refers = bytes("be");
  expect(decode(decoder, inserts)).toEqual(["a: 1"]);
  const first = decoder.decode(refers, 0, 1);
  expect(decoder.decode(refers, 0, 1)).toBe(first);
  expect(decode(decoder, bytes("40 01 61 01 32"))).toEqual(["a: 2"]);
  // The same byte means another field now.
  expect(decode(decoder, refers)).toEqual(["a: 2"]);
});

test("literal blocks leave the table alone", () => {
  const decoder = new HpackDecoder();
  const block = literalBlock([
    [":status", "200"],
    ["content-type", "application/grpc"],
    ["x-new", "ä\u00ff"],
  ]);
  expect(decode(decoder, block)).toEqual([
    ":status: 200",
    "content-type: application/grpc",
    "x-new: ä\u00ff",
  ]);
  expect(decoder.table.count).toBe(0);
});

test("any bytes are decoded or refused, and nothing else", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (blocks) => {
      const decoder = new HpackDecoder();
      for (const input of blocks) {
        const block = decoder.decode(Buffer.from(input), 0, input.length);
        expect(decoder.table.bytes).toBeLessThanOrEqual(BUDGETS.headerTableBytes);
        if (block === undefined) return;
        expect(block.oversize || block.listBytes <= BUDGETS.headerListBytes).toBe(true);
      }
    }),
    { numRuns: 3_000 },
  );
});

test("nghttp2 and we read each other's blocks", async () => {
  // Node's HTTP/2 as the other side: a request of its client is echoed by its server, and what comes back was
  // encoded by nghttp2 with all of its liberties. The frames are read from the wire by our decoder.
  const { RpcServer } = await import("./server.js");
  const { RpcListener } = await import("./listener.js");
  const server = new RpcServer();
  const seen: string[] = [];
  server.register("t.S", "M", "unary", (call, message) => {
    for (const field of call.metadata.fields)
      if (field.name.startsWith("x-")) seen.push(`${field.name}=${field.value}`);
    call.reply(message);
  });
  const listener = new RpcListener({ rpc: server });
  await listener.listen({ host: "127.0.0.1", port: 0 });
  const session = http2.connect(`http://127.0.0.1:${listener.port}`);
  const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))
    .join("")
    .trim();
  const expected: string[] = [];
  for (let i = 0; i < 40; i++) {
    const headers: http2.OutgoingHttpHeaders = {
      ":method": "POST",
      ":path": "/t.S/M",
      "content-type": "application/grpc",
      te: "trailers",
      [`x-${i % 7}`]: printable.slice(i),
      "x-large": "y".repeat(i * 40),
    };
    expected.push(`x-${i % 7}=${printable.slice(i)}`, `x-large=${"y".repeat(i * 40)}`);
    const stream = session.request(headers);
    stream.end(Buffer.alloc(5));
    const trailers = await new Promise<http2.IncomingHttpHeaders>((resolve) => {
      stream.on("trailers", resolve);
      stream.resume();
    });
    expect(trailers["grpc-status"]).toBe("0");
  }
  expect(seen).toEqual(expected);
  session.close();
  server.close();
  await listener.close();
});

test("our client's blocks are read by nghttp2", async () => {
  const { RpcChannel } = await import("./channel.js");
  const peer = http2.createServer();
  const seen: (string | undefined)[] = [];
  peer.on("stream", (stream, headers) => {
    seen.push(headers["x-token"] as string);
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.alloc(5));
  });
  await new Promise<void>((resolve) => peer.listen(0, "127.0.0.1", resolve));
  const channel = new RpcChannel({
    address: { host: "127.0.0.1", port: (peer.address() as AddressInfo).port },
  });
  const tokens = Array.from({ length: 150 }, (_, i) => `token ${i % 60} z${"z".repeat(i)}`);
  for (const token of tokens)
    await channel.unary("/t.S/M", Buffer.alloc(0), { metadata: [["x-token", token]] });
  expect(seen).toEqual(tokens);
  channel.close();
  await new Promise((resolve) => peer.close(resolve));
});
