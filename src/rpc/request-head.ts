// The head of a request: what a server needs to know from the header block, worked out once and kept with the block,
// so that a client that repeats its headers costs one lookup per call.
//
// Two kinds of wrong: a malformed request (RFC 9113 §8.1.1: the stream is reset), and a well-formed one that is not
// gRPC's (answered with the HTTP and gRPC status that Go's gRPC gives).

import { StatusCode } from "#proto";
import {
  GRPC_CONTENT_TYPE,
  httpErrorBlock,
  RESPONSE_HEADERS,
  responseHeaders,
  statusBlock,
} from "./grpc-status.js";
import { parseTimeout } from "./grpc-timeout.js";
import { isKnownEncoding, unknownEncodingText } from "./gunzip.js";
import { FieldKind, type HeaderField } from "./header-field.js";
import type { HeaderBlock } from "./hpack-decoder.js";
import { illegalBase64At, Metadata } from "./metadata.js";

/** Why a head is malformed, as a debug text. */
const TOO_LATE = "a pseudo-header field after the fields";
const TWICE = "a pseudo-header field occurs twice";

export class RequestHead {
  readonly metadata: Metadata;
  method = "";
  scheme = "";
  path = "";
  authority = "";
  contentType = "";
  /** Milliseconds, or -1 without grpc-timeout. */
  timeoutMs = -1;
  /** Bytes, or -1 without content-length. */
  contentLength = -1;
  /** grpc-encoding, "" when absent. */
  encoding = "";
  /** Set when the request is malformed. */
  malformed: string | undefined = undefined;
  /** Set when the request is answered without looking at its path: a whole trailers-only header block. */
  refusal: Buffer | undefined = undefined;
  /** Set when the messages may be packed in a way that we do not know: a trailers-only header block. */
  packedRefusal: Buffer | undefined = undefined;
  /** What a response begins with: it repeats the subtype of the request's content-type. */
  responseHeaders: Buffer = RESPONSE_HEADERS;
  /** The method that the path means; filled in by the server. */
  route: unknown = undefined;
  private hosts = 0;
  private pseudoSeen = 0;
  private pseudoOver = false;

  constructor(block: HeaderBlock) {
    this.metadata = new Metadata(block.fields);
    for (const field of block.fields) {
      this.malformed = field.valid ? this.take(field) : `field ${JSON.stringify(field.name)}`;
      if (this.malformed !== undefined) return;
    }
    this.check();
  }

  get isGrpc(): boolean {
    return isGrpcContentType(this.contentType);
  }

  /** Takes one field; returns what is malformed about it. */
  private take(field: HeaderField): string | undefined {
    const value = field.value;
    switch (field.kind) {
      case FieldKind.Other:
        break;
      case FieldKind.Method:
        this.method = value;
        return this.notePseudo(1);
      case FieldKind.Scheme:
        this.scheme = value;
        return this.notePseudo(2);
      case FieldKind.Path:
        this.path = value;
        return this.notePseudo(4);
      case FieldKind.Authority:
        this.authority = value;
        return this.notePseudo(8);
      case FieldKind.Status:
      case FieldKind.UnknownPseudo:
        return `pseudo-header field ${field.name}`;
      case FieldKind.ConnectionSpecific:
        return `connection-specific field ${field.name}`;
      case FieldKind.Te:
        if (value !== "trailers") return "te is not trailers";
        break;
      case FieldKind.ContentLength:
        if (!/^[0-9]{1,15}$/.test(value)) return "content-length";
        if (this.contentLength >= 0 && this.contentLength !== Number(value)) return "content-length twice";
        this.contentLength = Number(value);
        break;
      case FieldKind.ContentType:
        this.contentType = value;
        break;
      case FieldKind.Host:
        this.hosts++;
        break;
      default:
        this.takeGrpcField(field);
    }
    this.pseudoOver = true;
    return undefined;
  }

  private takeGrpcField(field: HeaderField): void {
    if (field.kind === FieldKind.GrpcEncoding) this.encoding = field.value;
    else if (field.kind === FieldKind.GrpcTimeout) {
      const timeout = parseTimeout(field.value);
      if (typeof timeout === "number") this.timeoutMs = timeout;
      else this.refuse(400, StatusCode.Internal, `malformed grpc-timeout: ${timeout}`);
    } else if (field.kind === FieldKind.Binary) this.checkBinary(field);
  }

  private checkBinary(field: HeaderField): void {
    const bad = illegalBase64At(field.value);
    if (bad < 0) return;
    const where = `${JSON.stringify(field.value)} in header ${JSON.stringify(field.name)}`;
    const text = `malformed binary metadata ${where}: illegal base64 data at input byte ${bad}`;
    this.refuse(400, StatusCode.Internal, text);
  }

  private notePseudo(bit: number): string | undefined {
    if (this.pseudoOver) return TOO_LATE;
    if ((this.pseudoSeen & bit) !== 0) return TWICE;
    this.pseudoSeen |= bit;
    return undefined;
  }

  private check(): void {
    if ((this.pseudoSeen & 7) !== 7 || this.path === "") {
      this.malformed = "a pseudo-header field is missing";
      return;
    }
    if (!this.isGrpc) {
      const text = `invalid gRPC request content-type ${JSON.stringify(this.contentType)}`;
      this.refusal = httpErrorBlock(415, StatusCode.InvalidArgument, text);
    } else if (this.hosts > 1) {
      const counts = `num values of :authority: ${(this.pseudoSeen & 8) >> 3}, num values of host: ${this.hosts}`;
      this.refuse(400, StatusCode.Internal, `${counts}, both must only have 1 value as per HTTP/2 spec`);
    } else if (this.method !== "POST") {
      const method = JSON.stringify(this.method);
      const text = `Received a HEADERS frame with :method ${method} which should be POST`;
      this.refusal ??= httpErrorBlock(405, StatusCode.Internal, text);
    }
    if (this.contentType.length > GRPC_CONTENT_TYPE.length) {
      const subtype = this.contentType.slice(GRPC_CONTENT_TYPE.length + 1);
      this.responseHeaders = responseHeaders(subtype);
    }
    if (!isKnownEncoding(this.encoding)) {
      const text = unknownEncodingText(this.encoding);
      this.packedRefusal = statusBlock(StatusCode.Unimplemented, text, this.responseHeaders);
    }
  }

  private refuse(httpStatus: number, code: StatusCode, text: string): void {
    this.refusal ??= httpErrorBlock(httpStatus, code, text);
  }
}

/** application/grpc, alone or followed by "+" or ";" and a subtype; with regard to case, as in Go. */
function isGrpcContentType(value: string): boolean {
  if (!value.startsWith(GRPC_CONTENT_TYPE)) return false;
  const next = value.charCodeAt(GRPC_CONTENT_TYPE.length);
  return value.length === GRPC_CONTENT_TYPE.length || next === 0x2b || next === 0x3b;
}
