// Go's flag syntax, which the `etcd` command speaks: `-name v`, `--name v`, `-name=v`; a bool stands alone or takes `=v`;
// the first argument that is no flag, or `--`, ends the flags.

import { type Flag, FlagValues, parseValue } from "./flag.js";
import { ValueError } from "./go-values.js";

/** The command line could not be read; the text is Go's. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface ParsedFlags {
  readonly values: FlagValues;
  /** Arguments behind the flags. */
  readonly rest: string[];
}

/**
 * Reads `args` (without the program's name).
 * @throws UsageError, or HelpRequested for -h and --help
 */
export function parseGoFlags(flags: readonly Flag[], args: readonly string[]): ParsedFlags {
  const values = new FlagValues(flags);
  const rows = new Map(flags.map((flag) => [flag.name, flag]));
  let at = 0;
  while (at < args.length) {
    const arg = args[at];
    if (arg.length < 2 || arg[0] !== "-") break;
    at++;
    if (arg === "--") break;
    at += readFlag(rows, values, arg, args[at]) ? 1 : 0;
  }
  return { values, rest: args.slice(at) };
}

/** -h or --help was given. */
export class HelpRequested extends Error {
  override readonly name = "HelpRequested";
}

/** Reads one flag; true when it took the next argument for its value. */
function readFlag(
  rows: ReadonlyMap<string, Flag>,
  values: FlagValues,
  arg: string,
  next: string | undefined,
): boolean {
  const body = arg.startsWith("--") ? arg.slice(2) : arg.slice(1);
  if (body === "" || body[0] === "-" || body[0] === "=") throw new UsageError(`bad flag syntax: ${arg}`);
  const equals = body.indexOf("=");
  const name = equals < 0 ? body : body.slice(0, equals);
  const flag = rows.get(name);
  if (flag === undefined) {
    if (name === "help" || name === "h") throw new HelpRequested("flag: help requested");
    throw new UsageError(`flag provided but not defined: -${name}`);
  }
  if (equals >= 0) {
    assign(values, flag, body.slice(equals + 1));
    return false;
  }
  if (flag.type === "bool") {
    values.set(name, true);
    return false;
  }
  if (next === undefined) throw new UsageError(`flag needs an argument: -${name}`);
  assign(values, flag, next);
  return true;
}

function assign(values: FlagValues, flag: Flag, text: string): void {
  try {
    values.set(flag.name, parseValue(flag, text));
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new UsageError(refusal(flag, text, error));
  }
}

function refusal(flag: Flag, text: string, error: ValueError): string {
  const quoted = JSON.stringify(text);
  if (flag.type === "bool") return `invalid boolean value ${quoted} for -${flag.name}: parse error`;
  return `invalid value ${quoted} for flag -${flag.name}: ${goFlagReason(flag, error)}`;
}

/** Why a value was refused, as Go's flag package tells it: of numbers and durations it keeps the details to itself. */
export function goFlagReason(flag: Flag, error: ValueError): string {
  const plain = flag.parse !== undefined || ["enum", "string", "list", "uint32"].includes(flag.type);
  if (plain) return error.message;
  return error.message.endsWith("value out of range") ? "value out of range" : "parse error";
}
