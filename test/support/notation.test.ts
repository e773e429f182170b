import { create, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  PutRequestSchema,
  RangeResponseSchema,
  TxnRequestSchema,
} from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import { buildMessage, Names, printMessage } from "./messages.js";
import { parsePrefix, parseValue, quote } from "./notation.js";

test("bytes, repeated text and numbers", () => {
  const message = buildMessage(
    PutRequestSchema,
    parseValue('{key: "\\x00\\xff", value: "x" * 3, lease: -7}'),
    new Names(),
  );
  expect(toJson(PutRequestSchema, message as never)).toEqual({ key: "AP8=", value: "eHh4", lease: "-7" });
});

test("repeated elements are numbered", () => {
  const message = buildMessage(
    TxnRequestSchema,
    parseValue('{success: [{request_put: {key: "k%i"}} * 2]}'),
    new Names(),
  );
  expect(printMessage(TxnRequestSchema, message, new Names())).toBe(
    '{success: [{request_put: {key: "k0"}}, {request_put: {key: "k1"}}]}',
  );
});

test("revisions are relative to where the case began", () => {
  const names = new Names();
  names.base = 100n;
  expect(names.number("r+3")).toBe(103n);
  expect(names.number("r")).toBe(100n);
  expect([98n, 100n, 101n, 0n, -1n].map((value) => names.revision(value))).toEqual([
    "r-2",
    "r",
    "r+1",
    "0",
    "-1",
  ]);
});

test("a header is full, bare or spelled out", () => {
  const names = new Names();
  Object.assign(names, { base: 5n, clusterId: 1n, memberId: 2n, raftTerm: 3n });
  const header = { clusterId: 1n, memberId: 2n, raftTerm: 3n, revision: 6n };
  const print = (init: object) =>
    printMessage(RangeResponseSchema, create(RangeResponseSchema, { header: init }), names);
  expect(print(header)).toBe("{header: full r+1}");
  expect(print({ revision: 6n })).toBe("{header: bare r+1}");
  expect(print({ ...header, memberId: 9n })).toBe(
    "{header: {cluster_id: 1, member_id: 9, raft_term: 3} r+1}",
  );
});

test("what follows a value is left over", () => {
  expect(parsePrefix("{a: b} with {c: d}").rest).toBe("with {c: d}");
});

test("what is not in the notation is refused with the place", () => {
  expect(() => parseValue("{a: }")).toThrow("expected a value at 4");
  expect(() => parseValue("{a: b} c")).toThrow("expected end of text");
});

test("long runs are written as a repetition", () => {
  expect(quote("v".repeat(1000))).toBe('"v" * 1000');
  expect(quote("tab\t\n")).toBe('"tab\\x09\\n"');
});
