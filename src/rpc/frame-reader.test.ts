// Frames come out the same however the bytes are cut into chunks, and a payload stays what it is until its chunk is
// through: handlers of unary calls hold views that long.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  data,
  frame,
  headers,
  message,
  PREFACE,
  ping,
  RawClient,
  settings,
} from "../../test/h2/raw-client.js";
import { FrameReader } from "./frame-reader.js";
import { RpcListener } from "./listener.js";
import { RpcServer } from "./server.js";

class Collector {
  readonly seen: string[] = [];
  readonly held: { view: Buffer; copy: Buffer }[] = [];
  unreadable = "";
  stopped = false;

  onFrame(type: number, flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    const view = buf.subarray(start, end);
    this.seen.push(`${type} ${flags} ${streamId} ${view.toString("hex")}`);
    this.held.push({ view, copy: Buffer.from(view) });
  }

  onUnreadable(reason: string): void {
    this.unreadable = reason;
    this.stopped = true;
  }

  /** The chunk is through: everything held must still be what it was. */
  chunkEnd(): void {
    for (const { view, copy } of this.held.splice(0)) expect(view.equals(copy)).toBe(true);
  }
}

const anyFrame = fc
  .record({
    type: fc.nat(255),
    flags: fc.nat(255),
    streamId: fc.nat(0x7fff_ffff),
    payload: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 3_000 })),
  })
  .map((f) => frame(f.type, f.flags, f.streamId, Buffer.from(f.payload)));

test("any chunking yields the same frames", () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 700 })),
      (frames, sizes) => {
        const bytes = Buffer.concat([PREFACE, ...frames]);
        const whole = new Collector();
        new FrameReader(whole, true).feed(Buffer.from(bytes));
        const cut = new Collector();
        const reader = new FrameReader(cut, true);
        let at = 0;
        for (let i = 0; at < bytes.length; i++) {
          const size = sizes.length === 0 ? 1 : sizes[i % sizes.length];
          reader.feed(Buffer.from(bytes.subarray(at, at + size)));
          cut.chunkEnd();
          at += size;
        }
        expect(whole.seen).toHaveLength(frames.length);
        expect(cut.seen).toEqual(whole.seen);
        expect(reader.partial).toBe(false);
      },
    ),
    { numRuns: 300 },
  );
});

test("a wrong preface and a frame too large are told", () => {
  const wrong = new Collector();
  new FrameReader(wrong, true).feed(Buffer.from("GET / HTTP/1.1\r\n"));
  expect(wrong.unreadable).toBe("preface");
  for (const cut of [3, 9, 100]) {
    const large = new Collector();
    const reader = new FrameReader(large, false);
    const bytes = frame(0, 0, 1, Buffer.alloc(16_385));
    reader.feed(bytes.subarray(0, cut));
    reader.feed(bytes.subarray(cut));
    expect(large.unreadable).toBe("frame-size");
    expect(large.seen).toEqual([]);
  }
});

test("a request divided between chunks, without END_STREAM, next to the beginning of another frame", async () => {
  const server = new RpcServer();
  server.register("test.Service", "Echo", "unary", (call, bytes) => call.reply(bytes));
  const listener = new RpcListener({ rpc: server });
  await listener.listen({ host: "127.0.0.1", port: 0 });
  const client = await RawClient.connect({ host: "127.0.0.1", port: listener.port });
  client.send(PREFACE, settings(), headers(1));
  const whole = Buffer.concat([data(1, message("the message")), ping("next one")]);
  for (const part of [
    whole.subarray(0, 12),
    whole.subarray(12, whole.length - 3),
    whole.subarray(whole.length - 3),
  ]) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    client.send(part);
  }
  const reply = await client.until((f) => f.type === 0);
  expect(reply?.payload.subarray(5).toString()).toBe("the message");
  client.destroy();
  server.close();
  await listener.close();
});
