// What a client needs to know from a header block of the server's: the head of the response, or its trailers. Kept
// with the block, like the head of a request.

import { StatusCode } from "#proto";
import { CallStatus } from "./call-status.js";
import { codeOfHttpStatus, decodeStatusMessage } from "./grpc-status.js";
import { FieldKind, type HeaderField } from "./header-field.js";
import type { HeaderBlock } from "./hpack-decoder.js";
import { Metadata } from "./metadata.js";

export class ResponseHead {
  readonly metadata: Metadata;
  /** :status, or 0 in trailers. */
  httpStatus = 0;
  contentType = "";
  encoding = "";
  contentLength = -1;
  /** grpc-status, or -1 when there is none. */
  grpcStatus = -1;
  grpcMessage = "";
  malformed: string | undefined = undefined;

  constructor(block: HeaderBlock) {
    this.metadata = new Metadata(block.fields);
    let fieldsBegun = false;
    for (const field of block.fields) {
      const pseudo = field.name.startsWith(":");
      if (!field.valid || (pseudo && fieldsBegun)) this.malformed = `field ${JSON.stringify(field.name)}`;
      else this.take(field);
      fieldsBegun ||= !pseudo;
    }
    if (block.oversize) this.malformed = "the header list is too large";
  }

  /** The status in the trailers; without grpc-status the HTTP status has to say it. */
  status(): CallStatus {
    if (this.grpcStatus >= 0) {
      return new CallStatus(
        this.grpcStatus as StatusCode,
        decodeStatusMessage(this.grpcMessage),
        this.metadata,
      );
    }
    return (
      this.httpFailure() ??
      new CallStatus(StatusCode.Internal, "no grpc-status in the trailers", this.metadata)
    );
  }

  /** What is wrong when the response does not come from a gRPC server. */
  httpFailure(): CallStatus | undefined {
    if (this.httpStatus === 200 && this.contentType.startsWith("application/grpc")) return undefined;
    if (this.httpStatus === 0) return undefined;
    const code = this.httpStatus === 200 ? StatusCode.Unknown : codeOfHttpStatus(this.httpStatus);
    const text = `unexpected HTTP status code received from server: ${this.httpStatus}`;
    return new CallStatus(
      code,
      `${text}; transport: received unexpected content-type ${JSON.stringify(this.contentType)}`,
      this.metadata,
    );
  }

  private take(field: HeaderField): void {
    switch (field.kind) {
      case FieldKind.Status:
        if (!/^[1-9][0-9]{2}$/.test(field.value) || this.httpStatus !== 0) this.malformed = ":status";
        this.httpStatus = Number(field.value);
        break;
      case FieldKind.Method:
      case FieldKind.Scheme:
      case FieldKind.Authority:
      case FieldKind.Path:
      case FieldKind.UnknownPseudo:
        this.malformed = `pseudo-header field ${field.name}`;
        break;
      case FieldKind.ConnectionSpecific:
        this.malformed = `connection-specific field ${field.name}`;
        break;
      case FieldKind.ContentType:
        this.contentType = field.value;
        break;
      case FieldKind.ContentLength:
        this.contentLength = /^[0-9]{1,15}$/.test(field.value) ? Number(field.value) : -1;
        break;
      case FieldKind.GrpcEncoding:
        this.encoding = field.value;
        break;
      case FieldKind.GrpcStatus:
        this.grpcStatus = statusNumber(field.value);
        break;
      case FieldKind.GrpcMessage:
        this.grpcMessage = field.value;
        break;
      default:
    }
  }
}

/** A code that we do not know means Unknown. */
function statusNumber(value: string): number {
  const code = /^[0-9]{1,2}$/.test(value) ? Number(value) : StatusCode.Unknown;
  return code <= StatusCode.Unauthenticated ? code : StatusCode.Unknown;
}
