// A configuration file: a mapping in YAML or JSON whose keys are the flags' names, in any case. The types are etcd's:
// durations are whole nanoseconds, URLs are comma-separated text, log outputs are a list, text that looks like a number needs
// quotes. A wrong type is refused with file, line, cause and remedy. Keys that etcd does not know are passed over, as etcd
// passes them over, but not in silence: a misspelt setting has no effect.

import { ConfigError } from "#embed";
import {
  clampToNumber,
  type FlagValue,
  type FlagValues,
  parseDuration,
  parseValue,
  ValueError,
} from "../flags/index.js";
import type { EtcdFlag } from "./flag-row.js";
import { ETCD_FLAGS } from "./flags.js";
import { readYamlFile, type YamlEntry } from "./yaml-file.js";

/** Sections that only matter to functions that are not there. */
const SECTIONS = ["client-transport-security", "peer-transport-security", "discovery-config"];
const SOCKET_OPTIONS = ["reuse-port", "reuse-address"];

/** Smallest and largest value of the types that are whole numbers. */
const BOUNDS: Readonly<Partial<Record<EtcdFlag["type"], readonly [min: bigint, max: bigint]>>> = {
  int: [-(1n << 63n), (1n << 63n) - 1n],
  duration: [-(1n << 63n), (1n << 63n) - 1n],
  uint: [0n, (1n << 64n) - 1n],
  uint32: [0n, (1n << 32n) - 1n],
};

export class ConfigFile {
  /** What nobody has asked for yet, by key in lower case. */
  private readonly entries: Map<string, YamlEntry>;

  /** @throws ConfigError */
  constructor(readonly path: string) {
    this.entries = readYamlFile(path);
  }

  /**
   * Sets what the file says.
   * @returns the keys that mean nothing
   * @throws ConfigError
   */
  applyTo(values: FlagValues): YamlEntry[] {
    for (const flag of ETCD_FLAGS) {
      const entry = flag.inFile === "absent" ? undefined : this.take(flag.name);
      if (entry !== undefined) values.set(flag.name, this.convert(flag, entry));
    }
    for (const section of SECTIONS) {
      for (const entry of this.section(section)) this.refuseUnlessEmpty(section, entry);
    }
    for (const entry of this.section("socket-options")) {
      if (!SOCKET_OPTIONS.includes(entry.key)) continue;
      values.set(`socket-${entry.key}`, this.bool(entry));
    }
    return [...this.entries.values()];
  }

  /** Undefined for a key that is not there, or there without a value. */
  private take(name: string): YamlEntry | undefined {
    const entry = this.entries.get(name);
    this.entries.delete(name);
    return entry?.value === null ? undefined : entry;
  }

  private section(name: string): YamlEntry[] {
    const entry = this.take(name);
    if (entry === undefined) return [];
    const { value, line } = entry;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.mismatch(entry, "a mapping", "write its settings under it, indented");
    }
    return Object.entries(value).map(([key, inner]) => ({ key, value: inner, line }));
  }

  private refuseUnlessEmpty(section: string, { key, value, line }: YamlEntry): void {
    const isEmpty = value === null || value === "" || value === false;
    if (isEmpty || (Array.isArray(value) && value.length === 0)) return;
    throw new ConfigError(`${this.path}:${line}: ${section}: ${key} is not supported by this version`);
  }

  private convert(flag: EtcdFlag, entry: YamlEntry): FlagValue {
    const bounds = BOUNDS[flag.type];
    if (bounds !== undefined) return this.integer(flag, entry, ...bounds);
    if (flag.type === "bool") return this.bool(entry);
    if (flag.inFile === "list") return this.texts(entry);
    const { key, value, line } = entry;
    if (typeof value !== "string") {
      const remedy = Array.isArray(value) ? "write its parts with commas between them" : "put it in quotes";
      throw this.mismatch(entry, "text", remedy);
    }
    try {
      return parseValue(flag, value);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      throw new ConfigError(`${this.path}:${line}: unexpected error setting up ${key}: ${error.message}`);
    }
  }

  private integer(flag: EtcdFlag, entry: YamlEntry, min: bigint, max: bigint): number {
    const { value } = entry;
    const whole = typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value;
    if (typeof whole === "bigint" && whole >= min && whole <= max) return clampToNumber(whole);
    if (flag.type === "duration") {
      throw this.mismatch(entry, "a whole number of nanoseconds", `for example ${nanoseconds(value)}`);
    }
    throw this.mismatch(entry, `a whole number from ${min} to ${max}`, "write it without quotes");
  }

  private bool(entry: YamlEntry): boolean {
    if (typeof entry.value === "boolean") return entry.value;
    throw this.mismatch(entry, "true or false", "write one of them, without quotes");
  }

  private texts(entry: YamlEntry): string[] {
    const { value } = entry;
    if (Array.isArray(value) && value.every((part) => typeof part === "string")) return value;
    throw this.mismatch(entry, "a list of texts", "write [first, second]");
  }

  private mismatch({ key, value, line }: YamlEntry, wanted: string, remedy: string): ConfigError {
    return new ConfigError(`${this.path}:${line}: ${key} must be ${wanted}, not ${kindOf(value)}: ${remedy}`);
  }
}

/** What somebody who wrote a duration as on the command line has to write. */
function nanoseconds(value: unknown): number {
  try {
    return parseDuration(String(value));
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    return 1e9;
  }
}

function kindOf(value: unknown): string {
  if (typeof value === "string") return `the text ${JSON.stringify(value)}`;
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a mapping" : String(value);
}
