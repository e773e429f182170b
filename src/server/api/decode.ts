// Decodes the cold messages with the generated codecs; bytes that are no such message become a WireError, which ends the
// call as Go's gRPC ends it.

import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { WireError } from "#base";

export function decodeMessage<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, bytes);
  } catch (error) {
    throw new WireError(error instanceof Error ? error.message : String(error));
  }
}
