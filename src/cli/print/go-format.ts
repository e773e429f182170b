// Texts in the forms that Go's fmt, strconv and encoding/json give them: quoted strings, JSON strings, ids, sizes.

import { utf8Text } from "#base";

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** Go's %q of a byte string: printable characters as they are, bytes that are no UTF-8 as \xNN. */
export function quoteBytes(bytes: Uint8Array): string {
  let out = '"';
  for (let at = 0; at < bytes.length; ) {
    const size = sequenceLength(bytes, at);
    if (size === 0) {
      out += `\\x${hex(bytes[at], 2)}`;
      at++;
      continue;
    }
    out += quoteCharacter(utf8Text(bytes.subarray(at, at + size)));
    at += size;
  }
  return `${out}"`;
}

export function quoteText(text: string): string {
  return quoteBytes(new TextEncoder().encode(text));
}

function quoteCharacter(character: string): string {
  const short = SHORT_ESCAPES[character];
  if (short !== undefined) return short;
  if (PRINTABLE.test(character)) return character;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x80) return `\\x${hex(code, 2)}`;
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

/** Bytes of the UTF-8 sequence at `at`; 0 when there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  const size =
    first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (size === 0 || at + size > bytes.length) return 0;
  for (let i = 1; i < size; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return 0;
  const second = bytes[at + 1];
  const overlong = (first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90);
  const outside = (first === 0xed && second > 0x9f) || (first === 0xf4 && second > 0x8f);
  return overlong || outside ? 0 : size;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

/** A string as encoding/json writes it: JSON's own escapes, and those that keep it safe inside HTML. */
export function jsonString(text: string): string {
  return JSON.stringify(text)
    .replace(/[<>&\u2028\u2029]/g, (c) => `\\u${hex(c.charCodeAt(0), 4)}`)
    .replaceAll("\\ufffd", "\ufffd");
}

/** An unsigned 64-bit id in lower-case hex. */
export function hexId(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}

/** Go's %016x of a signed 64-bit id: a minus sign counts among the sixteen. */
export function leaseHex(id: bigint): string {
  return id < 0n ? `-${(-id).toString(16).padStart(15, "0")}` : id.toString(16).padStart(16, "0");
}

/** Every byte as \xNN. */
export function hexBytes(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) out += `\\x${hex(byte, 2)}`;
  return out;
}

const SIZES = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** A size for people, in thousands: `20 kB`, `2.1 GB`. */
export function humanSize(size: bigint): string {
  if (size < 10n) return `${size} B`;
  const value = Number(size);
  const power = Math.min(Math.floor(Math.log(value) / Math.log(1000)), SIZES.length - 1);
  const scaled = Math.floor((value / 1000 ** power) * 10 + 0.5) / 10;
  return `${scaled < 10 ? scaled.toFixed(1) : scaled.toFixed(0)} ${SIZES[power]}`;
}
