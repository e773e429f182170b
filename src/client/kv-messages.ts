// The client's half of the hand codecs: requests out, responses in. The server's half is in #proto; the messages of
// etcdserverpb/rpc.proto that only a client reads or writes are here. Bytes of decoded messages are views into the
// response, which belongs to the caller.

import { WireReader, WireWriter } from "#base";
import {
  type Compare,
  DeleteRangeRequest,
  decodeKeyValue,
  encodeDeleteRangeRequest,
  encodePutRequest,
  encodeRangeRequest,
  type KeyValue,
  PutRequest,
  RangeRequest,
  ResponseHeader,
  type TxnRequest,
} from "#proto";
import type { TxnOp } from "./txn.js";

export interface GetResponse {
  /** `revision` is the store's when the request was served, not that of the data read. */
  header: ResponseHeader;
  kvs: KeyValue[];
  /** Whether `limit` cut the result. */
  more: boolean;
  /** Keys in the range, whatever the limit and the filters. */
  count: number;
}

export interface PutResponse {
  /** `revision` is that of the put. */
  header: ResponseHeader;
  prevKv: KeyValue | undefined;
}

export interface DeleteResponse {
  header: ResponseHeader;
  /** Keys that were deleted. */
  deleted: number;
  prevKvs: KeyValue[];
}

/** The answer to one operation; `type` tells which. Headers carry only the revision. */
export type OpResponse =
  | ({ type: "get" } & GetResponse)
  | ({ type: "put" } & PutResponse)
  | ({ type: "delete" } & DeleteResponse)
  | ({ type: "txn" } & TxnResponse);

export interface TxnResponse {
  header: ResponseHeader;
  /** Whether the conditions held. */
  succeeded: boolean;
  /** One for each operation of the branch taken, in order. */
  responses: OpResponse[];
}

const writer = new WireWriter(1024);

export function encodeRange(request: RangeRequest): Uint8Array {
  writer.reset();
  encodeRangeRequest(writer, request);
  return writer.finish();
}

export function encodePut(request: PutRequest): Uint8Array {
  writer.reset();
  encodePutRequest(writer, request);
  return writer.finish();
}

export function encodeDelete(request: DeleteRangeRequest): Uint8Array {
  writer.reset();
  encodeDeleteRangeRequest(writer, request);
  return writer.finish();
}

export function encodeTxn(request: TxnRequest): Uint8Array {
  const out = new WireWriter(1024);
  for (const condition of request.compare) embed(out, 0x0a, encodeCompare(condition));
  for (const operation of request.success) if (operation) embed(out, 0x12, encodeOp(operation));
  for (const operation of request.failure) if (operation) embed(out, 0x1a, encodeOp(operation));
  return out.finish();
}

function embed(out: WireWriter, tag: number, message: Uint8Array): void {
  out.byte(tag);
  out.bytes(message);
}

function encodeOp(operation: TxnOp): Uint8Array {
  const out = new WireWriter(256);
  if (operation instanceof RangeRequest) embed(out, 0x0a, encodeRange(operation));
  else if (operation instanceof PutRequest) embed(out, 0x12, encodePut(operation));
  else if (operation instanceof DeleteRangeRequest) embed(out, 0x1a, encodeDelete(operation));
  else embed(out, 0x22, encodeTxn(operation));
  return out.finish();
}

function encodeCompare(c: Compare): Uint8Array {
  const out = new WireWriter(64);
  if (c.result !== 0) {
    out.byte(0x08);
    out.varint(c.result);
  }
  if (c.target !== 0) {
    out.byte(0x10);
    out.varint(c.target);
  }
  embed(out, 0x1a, c.key);
  if (c.unionField === 7) embed(out, 0x3a, c.value);
  else {
    out.byte(c.unionField << 3);
    if (c.unionField === 8) out.bigint(c.lease);
    else out.int64(c.unionField === 4 ? c.version : c.unionField === 5 ? c.createRevision : c.modRevision);
  }
  if (c.rangeEnd.length > 0) {
    out.varint((64 << 3) | 2);
    out.bytes(c.rangeEnd);
  }
  return out.finish();
}

export function decodeHeader(buf: Uint8Array, start: number, end: number): ResponseHeader {
  const r = new WireReader(buf, start, end);
  const header = new ResponseHeader();
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x08) header.clusterId = r.bigUint64();
    else if (tag === 0x10) header.memberId = r.bigUint64();
    else if (tag === 0x18) header.revision = r.int64();
    else if (tag === 0x20) header.raftTerm = r.uint64();
    else r.skip(tag);
  }
  return header;
}

export function decodeGetResponse(buf: Uint8Array, start = 0, end = buf.length): GetResponse {
  const r = new WireReader(buf, start, end);
  const response: GetResponse = { header: new ResponseHeader(), kvs: [], more: false, count: 0 };
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) response.header = decodeHeader(buf, ...span(r));
    else if (tag === 0x12) response.kvs.push(decodeKeyValue(buf, ...span(r)));
    else if (tag === 0x18) response.more = r.bool();
    else if (tag === 0x20) response.count = r.int64();
    else r.skip(tag);
  }
  return response;
}

export function decodePutResponse(buf: Uint8Array, start = 0, end = buf.length): PutResponse {
  const r = new WireReader(buf, start, end);
  const response: PutResponse = { header: new ResponseHeader(), prevKv: undefined };
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) response.header = decodeHeader(buf, ...span(r));
    else if (tag === 0x12) response.prevKv = decodeKeyValue(buf, ...span(r));
    else r.skip(tag);
  }
  return response;
}

export function decodeDeleteResponse(buf: Uint8Array, start = 0, end = buf.length): DeleteResponse {
  const r = new WireReader(buf, start, end);
  const response: DeleteResponse = { header: new ResponseHeader(), deleted: 0, prevKvs: [] };
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) response.header = decodeHeader(buf, ...span(r));
    else if (tag === 0x10) response.deleted = r.int64();
    else if (tag === 0x1a) response.prevKvs.push(decodeKeyValue(buf, ...span(r)));
    else r.skip(tag);
  }
  return response;
}

export function decodeTxnResponse(buf: Uint8Array, start = 0, end = buf.length): TxnResponse {
  const r = new WireReader(buf, start, end);
  const response: TxnResponse = { header: new ResponseHeader(), succeeded: false, responses: [] };
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) response.header = decodeHeader(buf, ...span(r));
    else if (tag === 0x10) response.succeeded = r.bool();
    else if (tag === 0x1a) {
      const answer = decodeOpResponse(buf, ...span(r));
      if (answer !== undefined) response.responses.push(answer);
    } else r.skip(tag);
  }
  return response;
}

function decodeOpResponse(buf: Uint8Array, start: number, end: number): OpResponse | undefined {
  const r = new WireReader(buf, start, end);
  let answer: OpResponse | undefined;
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) answer = { type: "get", ...decodeGetResponse(buf, ...span(r)) };
    else if (tag === 0x12) answer = { type: "put", ...decodePutResponse(buf, ...span(r)) };
    else if (tag === 0x1a) answer = { type: "delete", ...decodeDeleteResponse(buf, ...span(r)) };
    else if (tag === 0x22) answer = { type: "txn", ...decodeTxnResponse(buf, ...span(r)) };
    else r.skip(tag);
  }
  return answer;
}

/** Start and end of the sub-message at the reader, which moves behind it. */
function span(r: WireReader): [number, number] {
  const end = r.delimited();
  const start = r.pos;
  r.pos = end;
  return [start, end];
}
