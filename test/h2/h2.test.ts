// HTTP/2 conformance of the server: the list of cases that the common conformance tool (h2spec) checks, 147 of them,
// written anew from RFC 9113 and RFC 7541, and some of our own. Each case runs in the clear and over TLS.
//
// Exceptions: none. Two cases of the common list expect what RFC 7540 said and RFC 9113 leaves open (5.3.1: a stream
// that depends on itself); we keep the error.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RpcListener, RpcServer } from "#rpc";
import { type Case, runCase } from "./case.js";
import { GENERIC_CASES } from "./cases-generic.js";
import { EXTRA_HPACK_CASES, HPACK_CASES } from "./cases-hpack.js";
import { EXTRA_CASES, HTTP2_CASES, MAX_STREAMS } from "./cases-http2.js";
import type { Target } from "./raw-client.js";

const psk = Buffer.from("a key for tests");
const server = new RpcServer({ maxConcurrentStreams: MAX_STREAMS });
const plain = new RpcListener({ rpc: server });
const secure = new RpcListener({
  rpc: server,
  tls: { ciphers: "PSK", maxVersion: "TLSv1.2", pskCallback: () => psk },
});
const targets: Record<"plain" | "TLS", Target> = {
  plain: { host: "127.0.0.1", port: 0 },
  TLS: { host: "127.0.0.1", port: 0, psk },
};

beforeAll(async () => {
  server.register("test.Service", "Echo", "unary", (call, message) => call.reply(message));
  server.register("test.Service", "Hang", "unary", () => {});
  server.register("test.Service", "Stuck", "bidi", () => ({
    onMessage: () => {},
    onHalfClose: () => {},
    onCancel: () => {},
    onDrain: () => {},
  }));
  await plain.listen({ host: "127.0.0.1", port: 0 });
  await secure.listen({ host: "127.0.0.1", port: 0 });
  targets.plain = { host: "127.0.0.1", port: plain.port };
  targets.TLS = { host: "127.0.0.1", port: secure.port, psk };
});

afterAll(async () => {
  server.close();
  await plain.close();
  await secure.close();
});

test("the list is complete", () => {
  expect([GENERIC_CASES.length, HTTP2_CASES.length, HPACK_CASES.length]).toEqual([44, 95, 8]);
});

const lists: [name: string, cases: Case[]][] = [
  ["generic", GENERIC_CASES],
  ["RFC 9113", HTTP2_CASES],
  ["RFC 7541", HPACK_CASES],
  ["our own", [...EXTRA_CASES, ...EXTRA_HPACK_CASES]],
];

for (const name of ["plain", "TLS"] as const) {
  for (const [list, cases] of lists) {
    describe.concurrent(`${name}: ${list}`, () => {
      test.each(cases)("$section $title", async (row) => {
        expect(await runCase(targets[name], row)).toBeUndefined();
      });
    });
  }
}
