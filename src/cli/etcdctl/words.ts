// Words of a line as a shell would cut them, and Go's quoted strings. Arguments are text, but quoted strings can hold any
// bytes: a byte that is no UTF-8 travels as the lone surrogate U+DC00 + byte, and `argBytes` turns it back.

import { utf8 } from "#base";

const WORD = /"(?:\\.|[^"\\])*"|'[^']*'|[^\s'"]\S*/g;
const SIMPLE: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

/**
 * Cuts a line into words; 'raw' and "escaped" quotes keep spaces.
 * @throws Error when an escape is wrong
 */
export function splitWords(line: string): string[] {
  return (line.match(WORD) ?? []).map((word) => {
    if (word[0] === "'") return word.slice(1, -1);
    return word[0] === '"' ? unquote(word) : word;
  });
}

/** The content of a double-quoted Go string. */
export function unquote(quoted: string): string {
  const bytes: number[] = [];
  const body = quoted.slice(1, -1);
  for (let at = 0; at < body.length; ) {
    if (body[at] !== "\\") {
      const character = String.fromCodePoint(body.codePointAt(at) ?? 0);
      bytes.push(...argBytes(character));
      at += character.length;
      continue;
    }
    const found =
      /^\\(?:x([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\"]))/.exec(
        body.slice(at),
      );
    if (found === null) throw new Error("invalid syntax");
    const [all, hex, octal, short, long, simple] = found;
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else if (simple !== undefined) bytes.push(...utf8(SIMPLE[simple]));
    else bytes.push(...utf8(codePoint(Number.parseInt(short ?? long, 16))));
    at += all.length;
  }
  return textOf(Uint8Array.from(bytes));
}

function codePoint(code: number): string {
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) throw new Error("invalid syntax");
  return String.fromCodePoint(code);
}

function textOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return text;
  return Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join("");
}

/** The bytes that an argument stands for. */
export function argBytes(text: string): Uint8Array {
  if (!/[\udc80-\udcff]/.test(text)) return utf8(text);
  return Uint8Array.from(
    [...text].flatMap((character) => {
      const code = character.charCodeAt(0);
      return character.length === 1 && code >= 0xdc80 && code <= 0xdcff
        ? [code - 0xdc00]
        : [...utf8(character)];
    }),
  );
}
