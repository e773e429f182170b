import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { WireError } from "#base";
import { rpcpb } from "./generated.js";
import { withoutMisreadFields } from "./strict.js";

const GRANT = rpcpb.LeaseGrantRequestSchema;
const WATCH = rpcpb.WatchRequestSchema;

function hex(text: string): Uint8Array {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

describe("withoutMisreadFields", () => {
  it("hands back a sound message as it is, unknown fields included", () => {
    const message = create(WATCH, {
      requestUnion: { case: "createRequest", value: { key: hex("61"), filters: [0, 1], watchId: -1n } },
    });
    const bytes = Buffer.concat([toBinary(WATCH, message), hex("a0 06 01")]);
    expect(withoutMisreadFields(WATCH, bytes)).toBe(bytes);
  });

  it("takes numbers in a list packed or one by one", () => {
    const bytes = hex("0a 06 2a 02 00 01 28 01");
    expect(withoutMisreadFields(WATCH, bytes)).toBe(bytes);
  });

  it.each([
    ["a number sent as text", "0a 02 08 01 10 07", "10 07"],
    ["a number sent as a group", "0b 08 05 0c 10 07", "10 07"],
    ["a number sent as fixed64", "09 0102030405060708 10 07", "10 07"],
    ["nothing but that", "0d 01020304", ""],
  ])("leaves out %s", (_what, given, left) => {
    expect(Buffer.from(withoutMisreadFields(GRANT, hex(given)))).toEqual(Buffer.from(hex(left)));
  });

  it("leaves it out of nested messages, too", () => {
    // The key as a number between a range end and an id.
    const bytes = hex("0a 07 12 01 62 08 05 38 03");
    const request = fromBinary(WATCH, withoutMisreadFields(WATCH, bytes)).requestUnion;
    expect(request.case).toBe("createRequest");
    const { key, rangeEnd, watchId } = request.value as rpcpb.WatchCreateRequest;
    expect([key.length, Buffer.from(rangeEnd).toString(), watchId]).toEqual([0, "b", 3n]);
  });

  it.each([
    ["a field number of 0", "00 00"],
    ["a wire type that does not exist", "0e"],
    ["a number that is cut", "08 80"],
    ["a text longer than the message", "0a 05 61"],
    ["a group that does not end", "0b 08 05"],
  ])("refuses %s", (_what, given) => {
    expect(() => withoutMisreadFields(GRANT, hex(given))).toThrow(WireError);
  });
});
