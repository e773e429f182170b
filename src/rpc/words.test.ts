// The small words of gRPC: timeouts, status messages, binary metadata, metadata lookup.

import fc from "fast-check";
import { expect, test } from "vitest";
import { BUDGETS } from "./budgets.js";
import { decodeStatusMessage, encodeStatusMessage } from "./grpc-status.js";
import { formatTimeout, parseTimeout } from "./grpc-timeout.js";
import { HeaderField, isFieldName, isFieldValue } from "./header-field.js";
import { illegalBase64At, Metadata } from "./metadata.js";

test.each([
  ["5S", 5_000],
  ["100m", 100],
  ["1500u", 1.5],
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["0m", 0],
  ["99999999H", 9_223_372_036_854.775],
])("timeout %s", (text, ms) => {
  expect(parseTimeout(text)).toBeCloseTo(ms, 6);
});

test.each(["", "m", "5", "5x", "-5m", "5.5S", "123456789m", " 5m", "5 m"])(
  "timeout %j is refused",
  (text) => {
    expect(typeof parseTimeout(text)).toBe("string");
  },
);

test("a timeout survives its header, rounded up and by less than a thousandth", () => {
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 1e12, noNaN: true }), (ms) => {
      const text = formatTimeout(ms);
      expect(text).toMatch(/^[0-9]{1,8}[umSMH]$/);
      const back = parseTimeout(text) as number;
      expect(back).toBeGreaterThanOrEqual(ms * (1 - 1e-9));
      expect(back).toBeLessThanOrEqual(Math.max(ms * 1.04, ms + 0.002));
    }),
  );
});

test("a status message survives its header, whatever is in it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 500 }), (text) => {
      const coded = encodeStatusMessage(text);
      expect(coded).toMatch(/^[\x20-\x7e]*$/);
      expect(decodeStatusMessage(coded)).toBe(text);
    }),
  );
  expect(encodeStatusMessage("100 % ü\n")).toBe("100 %25 %C3%BC%0A");
  expect(encodeStatusMessage(" a ")).toBe("%20a%20");
  expect(decodeStatusMessage("bad %zz %4")).toBe("bad %zz %4");
});

test("an overlong status message is cut at a character", () => {
  const coded = encodeStatusMessage("ü".repeat(BUDGETS.statusMessageBytes));
  expect(coded.length).toBeLessThanOrEqual(BUDGETS.statusMessageBytes * 3);
  expect(decodeStatusMessage(coded)).toMatch(/^ü+$/);
});

test.each([
  ["YQ==", -1],
  ["YQ", -1],
  ["", -1],
  ["YWJj", -1],
  ["***", 0],
  ["YQ==,Yg==", 2],
  ["YWJ?", 3],
  ["YQ=", 2],
])("base64 %j", (text, at) => {
  expect(illegalBase64At(text)).toBe(at);
});

test("names and values", () => {
  for (const name of ["a", ":path", "x-y_z.1", "grpc-status"]) expect(isFieldName(name)).toBe(true);
  for (const name of ["", ":", "A", "x y", "ü", "a:b", "a\0"]) expect(isFieldName(name)).toBe(false);
  for (const value of ["", "a b", "\xff", "tab\there"]) expect(isFieldValue(value)).toBe(true);
  for (const value of ["\0", "a\nb", "\r", "\x7f"]) expect(isFieldValue(value)).toBe(false);
});

test("metadata lookup", () => {
  const metadata = new Metadata([
    new HeaderField("token", "a"),
    new HeaderField("x-bin", "AQI"),
    new HeaderField("token", "b"),
  ]);
  expect(metadata.get("token")).toBe("a");
  expect(metadata.getAll("token")).toEqual(["a", "b"]);
  expect(metadata.getBinary("x-bin")).toEqual(Buffer.from([1, 2]));
  expect(metadata.get("none")).toBeUndefined();
});
