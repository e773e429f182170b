// How a call ended, as its client sees it.

import { STATUS_NAMES, StatusCode } from "#proto";
import type { Metadata } from "./metadata.js";
import { ErrorCode, errorName } from "./protocol.js";

export class CallStatus {
  readonly code: StatusCode;
  readonly message: string;
  /** The trailers, when the server sent any. */
  readonly trailers: Metadata | undefined;
  /** True when no handler can have seen the call: it may be repeated without harm. */
  readonly unprocessed: boolean;

  constructor(code: StatusCode, message: string, trailers?: Metadata, unprocessed = false) {
    this.code = code;
    this.message = message;
    this.trailers = trailers;
    this.unprocessed = unprocessed;
  }

  describe(): string {
    return this.message === "" ? STATUS_NAMES[this.code] : `${STATUS_NAMES[this.code]}: ${this.message}`;
  }
}

/** What a promise of a call is rejected with. `message` is the server's text alone. */
export class RpcStatusError extends Error {
  override readonly name = "RpcStatusError";
  readonly status: CallStatus;

  constructor(status: CallStatus) {
    super(status.message);
    this.status = status;
  }

  get code(): StatusCode {
    return this.status.code;
  }
}

/** The status behind an RST_STREAM (gRPC over HTTP/2, "Errors"). */
export function statusOfReset(errorCode: number): CallStatus {
  const text = `stream terminated by RST_STREAM with error code: ${errorName(errorCode)}`;
  switch (errorCode) {
    case ErrorCode.RefusedStream:
      return new CallStatus(StatusCode.Unavailable, text, undefined, true);
    case ErrorCode.Cancel:
      return new CallStatus(StatusCode.Canceled, text);
    case ErrorCode.EnhanceYourCalm:
    case ErrorCode.FlowControlError:
      return new CallStatus(StatusCode.ResourceExhausted, text);
    case ErrorCode.InadequateSecurity:
      return new CallStatus(StatusCode.PermissionDenied, text);
    default:
      return new CallStatus(StatusCode.Internal, text);
  }
}
