import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { internalpb } from "#proto";
import { Operation, ParsedRequest, parseRequest, RequestIds, wrapRequest } from "./request.js";

describe("InternalRaftRequest", () => {
  it("wraps a client's bytes so that the generated codec reads them, and reads itself back", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0x7fff }),
        fc.integer({ min: 0, max: 2 ** 40 }),
        fc.uint8Array({ maxLength: 300 }),
        (seed, wallTime, value) => {
          const body = new Uint8Array([0x0a, 1, 0x6b, 0x12, ...varint(value.length), ...value]);
          const ids = new RequestIds(seed, wallTime);
          const counter = ids.next();
          const data = wrapRequest(ids.prefix, counter, Operation.Put, body, 0, body.length);
          const theirs = fromBinary(internalpb.InternalRaftRequestSchema, data);
          expect(theirs.header?.ID).toBe((BigInt(ids.prefix) << 48n) | BigInt(counter));
          expect(Array.from(theirs.put?.value ?? [])).toEqual(Array.from(value));
          const parsed = new ParsedRequest();
          parseRequest(data, parsed);
          expect(parsed).toMatchObject({
            prefix: ids.prefix,
            counter,
            field: Operation.Put,
            end: data.length,
          });
          expect(Array.from(data.subarray(parsed.start, parsed.end))).toEqual(Array.from(body));
        },
      ),
    );
  });

  it("wraps operations with large field numbers and empty bodies", () => {
    const data = wrapRequest(0x4001, 7, Operation.ClusterVersionSet, new Uint8Array(0), 0, 0);
    expect(fromBinary(internalpb.InternalRaftRequestSchema, data).clusterVersionSet).toBeDefined();
  });
});

function varint(n: number): number[] {
  return n < 0x80 ? [n] : [(n & 0x7f) | 0x80, n >>> 7];
}
