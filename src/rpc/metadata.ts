// Call metadata: the header fields of a request or response as the application sees them. Lookup walks the list:
// there are a dozen fields, and a map keyed by a peer's strings would let the peer choose its collisions.

import type { HeaderField } from "./header-field.js";

export class Metadata {
  readonly fields: readonly HeaderField[];
  /** A free slot for what the application works out from the metadata; requests with equal headers may share it. */
  derived: unknown = undefined;

  constructor(fields: readonly HeaderField[]) {
    this.fields = fields;
  }

  /** The first value of a field; names are lower case. Pseudo-header fields (":authority") are found too. */
  get(name: string): string | undefined {
    const fields = this.fields;
    for (let i = 0; i < fields.length; i++) if (fields[i].name === name) return fields[i].value;
    return undefined;
  }

  /** All values of a field, in order. */
  getAll(name: string): string[] {
    return this.fields.filter((field) => field.name === name).map((field) => field.value);
  }

  /** The first value of a -bin field, decoded. */
  getBinary(name: string): Uint8Array | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : Buffer.from(value, "base64");
  }
}

/** The index of the first character that keeps the value of a -bin field from being base64, or -1. Padding is wanted
 *  exactly when the length is a multiple of four, as Go's gRPC has it. */
export function illegalBase64At(value: string): number {
  const length = value.length;
  let end = length;
  if (length % 4 === 0) {
    if (value.endsWith("==")) end = length - 2;
    else if (value.endsWith("=")) end = length - 1;
  }
  for (let i = 0; i < end; i++) if (BASE64[value.charCodeAt(i)] !== 1) return i;
  return length % 4 === 1 ? length - 1 : -1;
}

const BASE64 = new Uint8Array(256);
for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
  BASE64[char.charCodeAt(0)] = 1;
}
