import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareBytes } from "#base";
import { parseEndpoint } from "./endpoint.js";
import { OPEN_END, prefixEnd, rangeOf, rangeRequest } from "./range.js";

describe("ranges", () => {
  it("of a prefix hold exactly the keys that start with it", () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 4 }).map((a) => a.map((b) => (b > 128 ? 255 : b)));
    fc.assert(
      fc.property(bytes, bytes, (prefix, key) => {
        const end = prefixEnd(prefix);
        const inside = compareBytes(key, prefix) >= 0 && (end === OPEN_END || compareBytes(key, end) < 0);
        const starts = key.length >= prefix.length && prefix.every((byte, i) => key[i] === byte);
        expect(inside).toBe(starts);
      }),
    );
  });

  it("of an empty key mean everything", () => {
    expect(rangeOf("", { prefix: true })).toEqual({ key: OPEN_END, end: OPEN_END });
    expect(rangeOf("", { fromKey: true })).toEqual({ key: OPEN_END, end: OPEN_END });
  });

  it("do not ask for the order that there is anyway", () => {
    expect(rangeRequest("a", { sort: { order: "ascend" } }).sortOrder).toBe(0);
    expect(rangeRequest("a", { sort: { order: "ascend", by: "mod" } })).toMatchObject({
      sortOrder: 1,
      sortTarget: 3,
    });
  });
});

describe("endpoints", () => {
  it.each([
    ["127.0.0.1:2379", { kind: "tcp", host: "127.0.0.1", port: 2379, tls: false }],
    ["http://localhost:1", { kind: "tcp", host: "localhost", port: 1, tls: false }],
    ["https://[::1]:2379", { kind: "tcp", host: "::1", port: 2379, tls: true }],
    ["unix:///tmp/s", { kind: "unix", path: "/tmp/s", tls: false }],
    ["unix://localhost:m1", { kind: "unix", path: "localhost:m1", tls: false }],
  ])("%s", (text, target) => {
    expect(parseEndpoint(text)).toEqual(target);
  });

  it("need a port", () => {
    expect(() => parseEndpoint("localhost")).toThrow("missing port in address");
  });
});
