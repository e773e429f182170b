// One row per flag. The row drives the parser, the environment, the help text and the documentation; there is no other
// place where a flag's name, type or default stands.

import {
  clampToNumber,
  formatDuration,
  parseBool,
  parseDuration,
  parseInt64,
  parseUint,
  splitList,
  ValueError,
} from "./go-values.js";

/** What a flag holds. `int` and `uint` are clamped to ±(2^53 - 1); durations are nanoseconds. */
export type FlagType = "string" | "bool" | "int" | "uint" | "uint32" | "duration" | "list" | "enum";
export type FlagValue = string | boolean | number | readonly string[];

export interface Flag {
  readonly name: string;
  /** One letter, for the tools that have short forms. */
  readonly short?: string;
  readonly type: FlagType;
  readonly default: FlagValue;
  /** Values of an enum. */
  readonly values?: readonly string[];
  readonly help: string;
  /** Heading under which the help lists it. */
  readonly group?: string;
  /** Reads the value, when the type alone does not say how. Throws a ValueError. */
  readonly parse?: (text: string) => FlagValue;
}

/**
 * Reads a flag's value.
 * @throws ValueError
 */
export function parseValue(flag: Flag, text: string): FlagValue {
  if (flag.parse !== undefined) return flag.parse(text);
  switch (flag.type) {
    case "string":
      return text;
    case "bool":
      return parseBool(text);
    case "int":
      return clampToNumber(parseInt64(text, 0));
    case "uint":
      return clampToNumber(parseUint(text, 0));
    case "uint32":
      return clampToNumber(parseUint(text, 0, 32));
    case "duration":
      return parseDuration(text);
    case "list":
      return splitList(text);
    case "enum":
      if (flag.values?.includes(text)) return text;
      throw new ValueError("invalid value");
  }
}

/** The value as the help and the logs print it. */
export function formatValue(flag: Flag, value: FlagValue): string {
  if (flag.type === "duration") return formatDuration(value as number);
  return Array.isArray(value) ? `[${value.join(",")}]` : String(value);
}

/** Whether the value is the type's empty one, which help texts do not mention. */
export function isZero(value: FlagValue): boolean {
  return value === "" || value === false || value === 0 || (Array.isArray(value) && value.length === 0);
}

/** The name of a flag's environment variable. */
export function envName(prefix: string, flag: Flag): string {
  return `${prefix}_${flag.name.toUpperCase().replaceAll("-", "_")}`;
}

/** Values by flag name, with where they came from. Asking for a flag that is not there, or as another type, is a bug. */
export class FlagValues {
  private readonly rows = new Map<string, Flag>();
  private readonly values = new Map<string, FlagValue>();
  private readonly given = new Set<string>();

  constructor(flags: readonly Flag[]) {
    for (const flag of flags) this.rows.set(flag.name, flag);
  }

  get flags(): Flag[] {
    return [...this.rows.values()];
  }

  set(name: string, value: FlagValue): void {
    this.values.set(name, value);
    this.given.add(name);
  }

  /** Whether the value was given, rather than being the default. */
  has(name: string): boolean {
    return this.given.has(name);
  }

  value(name: string): FlagValue {
    const flag = this.rows.get(name);
    if (flag === undefined) throw new Error(`no flag ${name}`);
    return this.values.get(name) ?? flag.default;
  }

  text(name: string): string {
    return this.typed(name, "string");
  }

  bool(name: string): boolean {
    return this.typed(name, "boolean");
  }

  number(name: string): number {
    return this.typed(name, "number");
  }

  /** A duration in milliseconds, with fractions. */
  ms(name: string): number {
    return this.number(name) / 1e6;
  }

  list(name: string): readonly string[] {
    const value = this.value(name);
    if (!Array.isArray(value)) throw new Error(`flag ${name} is no list`);
    return value;
  }

  private typed(name: string, type: "string"): string;
  private typed(name: string, type: "boolean"): boolean;
  private typed(name: string, type: "number"): number;
  private typed(name: string, type: string): FlagValue {
    const value = this.value(name);
    if (typeof value !== type) throw new Error(`flag ${name} is no ${type}`);
    return value;
  }
}
