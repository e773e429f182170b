// Call metadata: the header fields of a request or response as the application sees them. Lookup walks the list:
// there are a dozen fields, and a map keyed by a peer's strings would let the peer choose its collisions.

import { FieldKind, type HeaderField } from "./header-field.js";

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

/** True when the value of a -bin field is base64, padded or not; several may be joined by commas. */
export function isBinaryValue(value: string): boolean {
  return (
    /^[A-Za-z0-9+/]*={0,2}$/.test(value) ||
    value.split(",").every((part) => /^[A-Za-z0-9+/]*={0,2}$/.test(part))
  );
}

/** True for fields that belong to the application rather than to the transport. */
export function isApplicationField(field: HeaderField): boolean {
  return field.kind === FieldKind.Other || field.kind === FieldKind.Binary;
}
