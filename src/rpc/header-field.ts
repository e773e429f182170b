// One header field, decoded. Fields are immutable and shared: an entry of the dynamic table is handed out again by
// every block that refers to it, so what is learned about a field once (is it valid, which name is it) stays known.
//
// Names and values are latin1 strings: a byte each, nothing lost. Validity is RFC 9113 §8.2.1: names are lower-case
// tokens, values hold no control character. One rule of that section is left out, that values neither begin nor end
// with white space: Go's gRPC sends status messages as they are, and some end with a space.

/** Names that the transport itself cares for. */
export const FieldKind = {
  Other: 0,
  Method: 1,
  Scheme: 2,
  Authority: 3,
  Path: 4,
  Status: 5,
  UnknownPseudo: 6,
  ContentType: 7,
  ContentLength: 8,
  Te: 9,
  /** Connection-specific fields, which HTTP/2 forbids (RFC 9113 §8.2.2). */
  ConnectionSpecific: 10,
  Host: 11,
  GrpcTimeout: 12,
  GrpcEncoding: 13,
  GrpcStatus: 14,
  GrpcMessage: 15,
  /** A -bin field: base64 on the wire. */
  Binary: 16,
} as const;

const KINDS = new Map<string, number>([
  [":method", FieldKind.Method],
  [":scheme", FieldKind.Scheme],
  [":authority", FieldKind.Authority],
  [":path", FieldKind.Path],
  [":status", FieldKind.Status],
  ["content-type", FieldKind.ContentType],
  ["content-length", FieldKind.ContentLength],
  ["te", FieldKind.Te],
  ["connection", FieldKind.ConnectionSpecific],
  ["proxy-connection", FieldKind.ConnectionSpecific],
  ["keep-alive", FieldKind.ConnectionSpecific],
  ["transfer-encoding", FieldKind.ConnectionSpecific],
  ["upgrade", FieldKind.ConnectionSpecific],
  ["host", FieldKind.Host],
  ["grpc-timeout", FieldKind.GrpcTimeout],
  ["grpc-encoding", FieldKind.GrpcEncoding],
  ["grpc-status", FieldKind.GrpcStatus],
  ["grpc-message", FieldKind.GrpcMessage],
]);

/** RFC 7541 §4.1: what an entry costs beyond its own bytes. */
export const FIELD_OVERHEAD_BYTES = 32;

export class HeaderField {
  readonly name: string;
  readonly value: string;
  readonly kind: number;
  /** Size as HPACK and SETTINGS_MAX_HEADER_LIST_SIZE count it. */
  readonly size: number;
  /** False when name or value hold bytes that RFC 9113 forbids: the message is malformed. */
  readonly valid: boolean;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.kind = fieldKind(name);
    this.size = name.length + value.length + FIELD_OVERHEAD_BYTES;
    this.valid = isFieldName(name) && isFieldValue(value);
  }
}

function fieldKind(name: string): number {
  const kind = KINDS.get(name);
  if (kind !== undefined) return kind;
  if (name.startsWith(":")) return FieldKind.UnknownPseudo;
  return name.endsWith("-bin") ? FieldKind.Binary : FieldKind.Other;
}

/** 1 for the bytes of a lower-case token (RFC 9110 §5.6.2 without upper case). */
const TOKEN = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") TOKEN[char.charCodeAt(0)] = 1;

export function isFieldName(name: string): boolean {
  const length = name.length;
  let at = name.charCodeAt(0) === 0x3a ? 1 : 0;
  if (at === length) return false;
  for (; at < length; at++) if (TOKEN[name.charCodeAt(at)] !== 1) return false;
  return true;
}

export function isFieldValue(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return false;
  }
  return true;
}
