// Byte strings: ordering, equality and text forms. Keys and values are opaque bytes, ordered as unsigned.

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: false });

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Decodes UTF-8; invalid sequences become U+FFFD. */
export function utf8Text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Negative, zero or positive as `a` sorts before, with or after `b` (unsigned bytes, shorter first). */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = a[i] - b[i];
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** An owned copy: never pins the larger buffer that `bytes` may be a view of. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes); // not slice(): on a Buffer that is a view
}

/** Below this a copy is quicker in a loop than through a call into the engine. */
const LOOP_COPY_BYTES = 48;

/** Copies `from[start, end)` to `to`, at `at`. */
export function copyInto(to: Uint8Array, at: number, from: Uint8Array, start: number, end: number): void {
  const size = end - start;
  if (size <= LOOP_COPY_BYTES) for (let i = 0; i < size; i++) to[at + i] = from[start + i];
  else if (size === from.length) to.set(from, at);
  // `subarray` would make a Buffer of a Buffer, which takes several times as long.
  else to.set(new Uint8Array(from.buffer, from.byteOffset + start, size), at);
}

/** One buffer holding all parts in order. Not for hot paths: those write into a `ByteWriter`. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += part.length;
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const HEX = Array.from({ length: 256 }, (_, n) => n.toString(16).padStart(2, "0"));

export function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Printable form for logs and `describe()`: ASCII as is, everything else as \xNN. */
export function printable(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    text += byte >= 0x20 && byte < 0x7f && byte !== 0x5c ? String.fromCharCode(byte) : `\\x${HEX[byte]}`;
  }
  return text;
}
