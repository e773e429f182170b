// Errors as callers see them. The server's text decides: a message that stands in etcd's error table makes the error that
// row, whatever the status code says (a few rows travel with a code that is not theirs). Everything else keeps gRPC's own
// form, `rpc error: code = X desc = Y`, except that a deadline or a cancellation of the caller's own is named as such.

import { type ResponseHeader, RPC_ERRORS, type RpcError, STATUS_NAMES, StatusCode } from "#proto";
import type { CallFailure } from "./transport.js";

const ROWS: ReadonlyMap<string, RpcError> = new Map(RPC_ERRORS.map((row) => [row.message, row]));

/** A call or a watch that did not succeed. */
export class EtcdError extends Error {
  override readonly name: string = "EtcdError";
  /** gRPC status code: the row's if there is a row, otherwise as received. */
  readonly code: StatusCode;
  /** The row of etcd's error table, if the server's text stands there. Compare by identity: `error.row === ErrCompacted`. */
  readonly row: RpcError | undefined;
  /** The status as it came over the wire: `rpc error: code = X desc = Y`. */
  readonly status: string;

  constructor(code: StatusCode, message: string, row?: RpcError, status = statusText(code, message)) {
    super(message);
    this.code = code;
    this.row = row;
    this.status = status;
  }
}

/** A watch that the server ended. */
export class WatchCanceledError extends EtcdError {
  override readonly name = "WatchCanceledError";
  /** Oldest revision a new watch can start from, when compaction was the reason; otherwise 0. */
  readonly compactRevision: number;
  /** Header of the server's last response; undefined when the watch was refused at its creation. */
  readonly header: ResponseHeader | undefined;

  constructor(
    code: StatusCode,
    message: string,
    compactRevision: number,
    row?: RpcError,
    header?: ResponseHeader,
  ) {
    super(code, message, row);
    this.compactRevision = compactRevision;
    this.header = header;
  }
}

/** gRPC's usual rendering of a status. */
export function statusText(code: StatusCode, detail: string): string {
  return `rpc error: code = ${STATUS_NAMES[code]} desc = ${detail}`;
}

/** The row whose text is `message`. */
export function rowOf(message: string): RpcError | undefined {
  return ROWS.get(message);
}

export function errorOf(failure: CallFailure): EtcdError {
  const row = rowOf(failure.detail);
  const status = statusText(failure.code, failure.detail);
  if (row !== undefined) return new EtcdError(row.code, row.message, row, status);
  return new EtcdError(failure.code, status, undefined, status);
}

/** The caller's own deadline passed. */
export function deadlineExceeded(): EtcdError {
  return new EtcdError(StatusCode.DeadlineExceeded, "context deadline exceeded");
}

/** The caller's own signal was aborted, or the client was closed. */
export function canceled(): EtcdError {
  return new EtcdError(StatusCode.Canceled, "context canceled");
}
