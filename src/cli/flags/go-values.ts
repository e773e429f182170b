// The values that people write on etcd's command lines, read and printed as Go's strconv and time packages do: scripts
// depend on what is accepted, and the texts of refusals end up in bug reports and tests. Each reader throws a ValueError
// whose text is Go's.
//
// Durations are nanoseconds in a number: exact up to a hundred days, and nobody sets a timeout of a hundred days to the
// nanosecond.

/** The text was not a value of the wanted type. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

const TRUE = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE = new Set(["0", "f", "F", "false", "FALSE", "False"]);

export function parseBool(text: string): boolean {
  if (TRUE.has(text)) return true;
  if (FALSE.has(text)) return false;
  throw new ValueError(`strconv.ParseBool: parsing ${quote(text)}: invalid syntax`);
}

const INT64_MIN = -(1n << 63n);
const INT64_MAX = (1n << 63n) - 1n;

/**
 * A signed integer.
 * @param base 0: by the prefix of the text (0x, 0o, 0b, 0), as flags are read; 10 or 16: digits only
 */
export function parseInt64(text: string, base: 0 | 10 | 16 = 10): bigint {
  const value = integer(text, base, "ParseInt", true);
  if (value < INT64_MIN || value > INT64_MAX) throw rangeError("ParseInt", text);
  return value;
}

/** An unsigned integer of `bits` bits; `base` as above. */
export function parseUint(text: string, base: 0 | 10 | 16 = 10, bits: 32 | 64 = 64): bigint {
  const value = integer(text, base, "ParseUint", false);
  if (value >= 1n << BigInt(bits)) throw rangeError("ParseUint", text);
  return value;
}

function rangeError(reader: string, text: string): ValueError {
  return new ValueError(`strconv.${reader}: parsing ${quote(text)}: value out of range`);
}

function integer(text: string, base: 0 | 10 | 16, reader: string, signed: boolean): bigint {
  const sign = signed ? (/^[+-]/.exec(text)?.[0] ?? "") : "";
  const body = text.slice(sign.length);
  const digits = base === 16 ? (/^[0-9a-f]+$/i.test(body) ? `0x${body}` : "") : numeral(body, base);
  if (digits === "") throw new ValueError(`strconv.${reader}: parsing ${quote(text)}: invalid syntax`);
  const value = BigInt(digits);
  return sign === "-" ? -value : value;
}

function numeral(body: string, base: 0 | 10): string {
  if (/^[0-9]+$/.test(body)) return base === 0 && /^0[0-7]+$/.test(body) ? `0o${body.slice(1)}` : body;
  if (base === 0 && /^0(x[0-9a-f]+|o[0-7]+|b[01]+)$/i.test(body)) return body.toLowerCase();
  return "";
}

/** A 64-bit integer as a number; beyond ±(2^53 - 1) it is clamped, which keeps every comparison true. */
export function clampToNumber(value: bigint): number {
  const limit = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > limit ? limit : value < -limit ? -limit : value);
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** A duration such as `1h30m`, `1.5s`, `-100ms`, `0`; in nanoseconds. */
export function parseDuration(text: string): number {
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  let rest = text.slice(sign.length);
  if (rest === "0") return 0;
  if (rest === "") throw new ValueError(`time: invalid duration ${quote(text)}`);
  let total = 0;
  while (rest !== "") {
    const part = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (part === null) throw new ValueError(`time: invalid duration ${quote(text)}`);
    if (part[2] === "") throw new ValueError(`time: missing unit in duration ${quote(text)}`);
    const unit = UNITS[part[2]];
    if (unit === undefined) {
      throw new ValueError(`time: unknown unit ${quote(part[2])} in duration ${quote(text)}`);
    }
    total += Number(part[1]) * unit;
    rest = rest.slice(part[0].length);
  }
  if (total > Number(INT64_MAX)) throw new ValueError(`time: invalid duration ${quote(text)}`);
  return Math.round(sign === "-" ? -total : total);
}

/** Go's printing of a duration: `1.5s`, `100ms`, `2h0m0s`, `0s`. */
export function formatDuration(ns: number): string {
  if (ns < 0) return `-${formatDuration(-ns)}`;
  if (ns === 0) return "0s";
  if (ns < 1e3) return `${ns}ns`;
  if (ns < 1e6) return `${fraction(ns, 1e3)}µs`;
  if (ns < 1e9) return `${fraction(ns, 1e6)}ms`;
  const hours = Math.floor(ns / 3600e9);
  const minutes = Math.floor((ns % 3600e9) / 60e9);
  const seconds = `${fraction(ns % 60e9, 1e9)}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}

function fraction(ns: number, unit: number): string {
  const whole = Math.floor(ns / unit);
  const rest = String(ns % unit).padStart(Math.round(Math.log10(unit)), "0");
  const digits = rest.replace(/0+$/, "");
  return digits === "" ? String(whole) : `${whole}.${digits}`;
}

/** The parts of a comma-separated list; an empty text is an empty list. Quoted parts may hold commas, as in CSV. */
export function splitList(text: string): string[] {
  if (text === "") return [];
  const parts: string[] = [];
  for (const found of text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    parts.push(found[1] === undefined ? found[2] : found[1].replaceAll('""', '"'));
  }
  return parts;
}

function quote(text: string): string {
  return JSON.stringify(text);
}
