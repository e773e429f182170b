// Messages that end in bytes shared with other streams, and messages that their sender writes over at once: whatever their
// size, and however narrow the windows, they arrive whole and in order, and the shared bytes stay what they are.

import { afterAll, beforeAll, expect, test } from "vitest";
import { BUDGETS } from "./budgets.js";
import { RpcChannel } from "./channel.js";
import { RpcListener } from "./listener.js";
import { RpcServer } from "./server.js";
import type { ServerCall } from "./server-call.js";

const SIZES = [
  0, 1, 47, 48, 49, 300, 8191, 8192, 16_378, 16_379, 16_380, 20_000, 65_530, 200_000, 1_000_000, 3_000_000,
];
const ROUNDS = 3;

const server = new RpcServer({});
const listener = new RpcListener({ rpc: server });
const bodies = SIZES.map((size, i) => Uint8Array.from({ length: size }, (_, at) => (at * 31 + i) & 0xff));
let channel: RpcChannel;

const lent = Buffer.alloc(Math.max(...SIZES) + 200);

/** Sends each body with a head of its own, as often as asked. */
class Giver {
  private readonly call: ServerCall;
  private readonly shares: boolean;
  private sent = 0;

  /** @param shares leaves the bodies to the transport; otherwise all messages lie in the same memory, one after the other */
  constructor(call: ServerCall, shares: boolean) {
    this.call = call;
    this.shares = shares;
    this.give();
  }

  onMessage(): void {}
  onHalfClose(): void {}
  onCancel(): void {}
  onDrain(): void {
    this.give();
  }

  private give(): void {
    while (this.sent < bodies.length * ROUNDS) {
      const at = this.sent++;
      const head = headOf(at);
      const body = bodies[at % bodies.length];
      const hasRoom = this.shares
        ? this.call.sendWithBody(head, 1, head.length - 1, body)
        : this.sendLent(head.subarray(1, -1), body);
      head.fill(0xee);
      if (!hasRoom) return;
    }
    this.call.end();
  }

  private sendLent(head: Buffer, body: Uint8Array): boolean {
    head.copy(lent, 7);
    lent.set(body, 7 + head.length);
    const hasRoom = this.call.send(lent, 7, 7 + head.length + body.length);
    lent.fill(0xee);
    return hasRoom;
  }
}

function headOf(at: number): Buffer {
  return Buffer.from(`<message ${at} ${"h".repeat((at * 7) % 90)}>`);
}

beforeAll(async () => {
  server.register("t.S", "Give", "serverStream", (call) => new Giver(call, true));
  server.register("t.S", "Lend", "serverStream", (call) => new Giver(call, false));
  await listener.listen({ host: "127.0.0.1", port: 0 });
  channel = new RpcChannel({ address: { host: "127.0.0.1", port: listener.port } });
});

afterAll(async () => {
  channel.close();
  server.close();
  await listener.close();
});

async function take(method = "Give"): Promise<void> {
  const stream = channel.stream(`/t.S/${method}`);
  await stream.send(Buffer.alloc(0));
  stream.end();
  let at = 0;
  for await (const message of stream) {
    const head = headOf(at).subarray(1, -1);
    const expected = Buffer.concat([head, bodies[at % bodies.length]]);
    expect(Buffer.compare(message, expected), `message ${at}`).toBe(0);
    at++;
  }
  expect(at).toBe(SIZES.length * ROUNDS);
}

test("one stream", () => take());

test("messages that are written over at once", () => take("Lend"));

test("many streams whose messages are written over at once", async () => {
  await Promise.all(Array.from({ length: 6 }, () => take("Lend")));
});

test("many streams of one connection share the same bytes", async () => {
  await Promise.all(Array.from({ length: 12 }, () => take()));
  for (const [i, body] of bodies.entries()) {
    for (let at = 0; at < body.length; at += 997) expect(body[at]).toBe((at * 31 + i) & 0xff);
  }
});

test("the sizes lie around the bounds", () => {
  const largestInOneFrame = BUDGETS.frameBytes - 5;
  expect(SIZES).toContain(largestInOneFrame);
  expect(Math.max(...SIZES)).toBeGreaterThan(BUDGETS.turnBytes);
});
