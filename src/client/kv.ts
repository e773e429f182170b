// Keys and values.

import { create } from "@bufbuild/protobuf";
import { EMPTY_BYTES, WireReader } from "#base";
import {
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type ResponseHeader,
  rpcpb,
  type TxnRequest,
} from "#proto";
import type { Caller } from "./caller.js";
import type { CallOptions } from "./config.js";
import {
  type DeleteResponse,
  decodeDeleteResponse,
  decodeGetResponse,
  decodePutResponse,
  decodeTxnResponse,
  encodeDelete,
  encodePut,
  encodeRange,
  encodeTxn,
  type GetResponse,
  type PutResponse,
  type TxnResponse,
} from "./kv-messages.js";
import { headerOf } from "./messages.js";
import {
  type BytesLike,
  type DeleteOptions,
  deleteRequest,
  type GetOptions,
  type PutOptions,
  putRequest,
  rangeRequest,
} from "./range.js";
import { type Txn, txnRequest } from "./txn.js";

/** Operations of a transaction, with the arguments of the calls of the same names. */
export const op = {
  get: (key: BytesLike, options?: GetOptions): RangeRequest => rangeRequest(key, options),
  put: (key: BytesLike, value: BytesLike, options?: PutOptions): PutRequest =>
    putRequest(key, value, options),
  delete: (key: BytesLike, options?: DeleteOptions): DeleteRangeRequest => deleteRequest(key, options),
  txn: (txn: Txn): TxnRequest => txnRequest(txn),
} as const;

/** Part of a range that is streamed. */
export interface GetChunk {
  kvs: GetResponse["kvs"];
  /** With the last chunk only: header, `more` and `count` of the whole. */
  last: Pick<GetResponse, "header" | "more" | "count"> | undefined;
}

export class KvClient {
  private readonly caller: Caller;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  /**
   * Reads one key or a range. Linearizable unless `serializable` is set.
   * @throws EtcdError with row ErrCompacted or ErrFutureRev for a revision that cannot be read
   */
  async get(key: BytesLike, options: GetOptions & CallOptions = {}): Promise<GetResponse> {
    const request = encodeRange(rangeRequest(key, options));
    return decodeGetResponse(await this.caller.unary("/etcdserverpb.KV/Range", request, options));
  }

  /**
   * Reads a range of any size in chunks, all of one revision. Needs a server of 3.7 or later; knows no order but that of
   * the keys and no revision filters.
   */
  async *rangeStream(key: BytesLike, options: GetOptions & CallOptions = {}): AsyncGenerator<GetChunk, void> {
    const request = encodeRange(rangeRequest(key, options));
    for await (const bytes of this.caller.serverStream("/etcdserverpb.KV/RangeStream", request, options)) {
      // RangeStreamResponse has one field: the RangeResponse.
      const { kvs, header, more, count } = decodeGetResponse(unwrap(bytes));
      yield { kvs, last: header.clusterId === 0n ? undefined : { header, more, count } };
    }
  }

  /** Writes one key. Not repeated when its fate is unknown: an Unavailable error may hide a put that was done. */
  async put(key: BytesLike, value: BytesLike, options: PutOptions & CallOptions = {}): Promise<PutResponse> {
    const request = encodePut(putRequest(key, value, options));
    return decodePutResponse(await this.caller.unary("/etcdserverpb.KV/Put", request, options));
  }

  /** Deletes one key or a range. That nothing was there is no error. */
  async delete(key: BytesLike, options: DeleteOptions & CallOptions = {}): Promise<DeleteResponse> {
    const request = encodeDelete(deleteRequest(key, options));
    return decodeDeleteResponse(await this.caller.unary("/etcdserverpb.KV/DeleteRange", request, options));
  }

  /** Runs a transaction: one revision for everything in it, or no change at all. */
  async txn(txn: Txn, options: CallOptions = {}): Promise<TxnResponse> {
    const request = encodeTxn(txnRequest(txn));
    return decodeTxnResponse(await this.caller.unary("/etcdserverpb.KV/Txn", request, options));
  }

  /**
   * Gives up the history before `revision`.
   * @param options `physical`: wait until it is gone from the backend
   */
  async compact(
    revision: number,
    options: { physical?: boolean } & CallOptions = {},
  ): Promise<{ header: ResponseHeader }> {
    const request = create(rpcpb.CompactionRequestSchema, {
      revision: BigInt(revision),
      physical: options.physical ?? false,
    });
    const response = await this.caller.call(rpcpb.KV.method.compact, request, options);
    return { header: headerOf(response.header) };
  }
}

function unwrap(bytes: Uint8Array): Uint8Array {
  const r = new WireReader(bytes);
  let inner: Uint8Array = EMPTY_BYTES;
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) inner = r.bytes();
    else r.skip(tag);
  }
  return inner;
}
