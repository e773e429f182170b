// Decodes the cold messages with the generated codecs; bytes that are no such message become a WireError, which ends the
// call as Go's gRPC ends it.

import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { WireError } from "#base";
import { withoutMisreadFields } from "#proto";

export function decodeMessage<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  const own = withoutMisreadFields(schema, bytes);
  try {
    return fromBinary(schema, own);
  } catch (error) {
    throw new WireError(error instanceof Error ? error.message : String(error));
  }
}
