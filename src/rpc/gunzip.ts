// Compressed request messages. gzip is the one encoding; the size of the output is capped by the receive limit while
// it is being produced, so that a small message cannot unfold into a large one.

import { gunzipSync } from "node:zlib";
import { type RpcError, StatusCode } from "#proto";

export function isKnownEncoding(encoding: string): boolean {
  return encoding === "" || encoding === "identity" || encoding === "gzip";
}

export function unknownEncodingText(encoding: string): string {
  return `grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(encoding)}`;
}

function fault(code: StatusCode, message: string): RpcError {
  return { name: "Transport", code, message };
}

/** The message behind a prefix with a flag other than 0, or what is wrong with it. */
export function gunzipMessage(
  flag: number,
  message: Uint8Array,
  encoding: string,
  maxBytes: number,
): Uint8Array | RpcError {
  if (flag !== 1) return fault(StatusCode.Internal, `grpc: received unexpected payload format ${flag}`);
  if (encoding === "" || encoding === "identity") {
    return fault(StatusCode.Internal, "grpc: compressed flag set with identity or empty encoding");
  }
  if (encoding !== "gzip") return fault(StatusCode.Unimplemented, unknownEncodingText(encoding));
  try {
    return gunzipSync(message, { maxOutputLength: Math.max(1, maxBytes) });
  } catch (error) {
    if (error instanceof RangeError) {
      return fault(
        StatusCode.ResourceExhausted,
        `grpc: received message after decompression larger than max ${maxBytes}`,
      );
    }
    const text = error instanceof Error ? error.message : String(error);
    return fault(StatusCode.Internal, `grpc: failed to decompress the message: ${text}`);
  }
}
