// The end of a gRPC call on the wire: grpc-status and grpc-message (gRPC over HTTP/2, "Responses"). A message travels
// percent-encoded, so that any text survives a header. What a server sends for success is a constant.

import { StatusCode } from "#proto";
import { BUDGETS } from "./budgets.js";
import { encodedFieldMax, encodeLiteral, type HeaderPair, literalBlock } from "./hpack-encoder.js";

export const GRPC_CONTENT_TYPE = "application/grpc";

/** Response headers before the first message: `:status: 200`, `content-type: application/grpc`. */
export const RESPONSE_HEADERS: Buffer = responseHeaders("");

/** The same with a subtype of the content type. */
export function responseHeaders(subtype: string): Buffer {
  return literalBlock([
    [":status", "200"],
    ["content-type", subtype === "" ? GRPC_CONTENT_TYPE : `${GRPC_CONTENT_TYPE}+${subtype}`],
  ]);
}

/** Trailers of a call that succeeded. */
export const OK_TRAILERS: Buffer = literalBlock([["grpc-status", "0"]]);

const HEX = "0123456789ABCDEF";

/** Percent-encodes all but printable ASCII without "%"; also spaces at either end, which some peers would refuse in a
 *  header. The input is cut to the budget, at a character. */
export function encodeStatusMessage(text: string): string {
  const bytes = Buffer.from(text, "utf8");
  let out = "";
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    const startsCharacter = (byte & 0xc0) !== 0x80;
    if (startsCharacter && i + 4 > BUDGETS.statusMessageBytes) break;
    const edge = byte === 0x20 && (i === 0 || i === bytes.length - 1);
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && !edge) out += String.fromCharCode(byte);
    else out += `%${HEX[byte >>> 4]}${HEX[byte & 15]}`;
  }
  return out;
}

/** The inverse. What is not a valid escape is taken as it stands, as the protocol asks. */
export function decodeStatusMessage(text: string): string {
  if (!text.includes("%")) return text;
  const bytes = Buffer.from(text, "latin1");
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const digits = bytes[i] === 0x25 ? text.slice(i + 1, i + 3) : "";
    if (/^[0-9a-fA-F]{2}$/.test(digits)) {
      bytes[length++] = Number.parseInt(digits, 16);
      i += 2;
    } else bytes[length++] = bytes[i];
  }
  return bytes.toString("utf8", 0, length);
}

/** A block of grpc-status and grpc-message: trailers, or with `headers` before it, a trailers-only response. */
export function statusBlock(code: StatusCode, message: string, headers?: Uint8Array): Buffer {
  const text = encodeStatusMessage(message);
  const before = headers === undefined ? 0 : headers.length;
  const out = Buffer.allocUnsafeSlow(
    before + encodedFieldMax("grpc-status", "00") + encodedFieldMax("grpc-message", text),
  );
  if (headers !== undefined) out.set(headers, 0);
  let at = encodeLiteral(out, before, "grpc-status", String(code));
  if (text !== "") at = encodeLiteral(out, at, "grpc-message", text);
  return out.subarray(0, at);
}

/** A response by HTTP status for requests that are not gRPC's, with the gRPC status beside it, as Go's gRPC sends. */
export function httpErrorBlock(httpStatus: number, code: StatusCode, message: string): Buffer {
  const fields: HeaderPair[] = [
    [":status", String(httpStatus)],
    ["content-type", GRPC_CONTENT_TYPE],
    ["grpc-status", String(code)],
    ["grpc-message", encodeStatusMessage(message)],
  ];
  return literalBlock(fields);
}

/** What a response without grpc-status means, by its HTTP status (grpc/doc/http-grpc-status-mapping.md). */
export function codeOfHttpStatus(status: number): StatusCode {
  switch (status) {
    case 400:
      return StatusCode.Internal;
    case 401:
      return StatusCode.Unauthenticated;
    case 403:
      return StatusCode.PermissionDenied;
    case 404:
      return StatusCode.Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return StatusCode.Unavailable;
    default:
      return StatusCode.Unknown;
  }
}
