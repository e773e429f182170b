// A configuration file: one object whose keys are the flags' names, in any case. Values are as in JSON; durations are whole
// nanoseconds; URLs are comma-separated text. Keys that mean nothing are passed over, as etcd passes them over. Only JSON is
// read: YAML that is not JSON is refused with a word about it.

import { readFileSync } from "node:fs";
import { ConfigError } from "#embed";
import { type FlagValue, type FlagValues, parseValue, ValueError } from "../flags/index.js";
import type { EtcdFlag } from "./flag-row.js";
import { ETCD_FLAGS } from "./flags.js";

/** Sections that only matter to functions that are not there. */
const SECTIONS = ["client-transport-security", "peer-transport-security", "discovery-config"];

/**
 * Sets what the file says.
 * @throws ConfigError
 */
export function readConfigFile(path: string, values: FlagValues): void {
  const file = new Map(Object.entries(parse(path)).map(([key, value]) => [key.toLowerCase(), value]));
  for (const section of SECTIONS) refuseSection(section, file.get(section));
  for (const flag of ETCD_FLAGS) {
    const value = file.get(flag.name);
    if (value === undefined || value === null || flag.inFile === "absent") continue;
    values.set(flag.name, convert(flag, value));
  }
  const sockets = file.get("socket-options");
  if (typeof sockets !== "object" || sockets === null) return;
  for (const name of ["reuse-port", "reuse-address"] as const) {
    if (name in sockets) values.set(`socket-${name}`, (sockets as Record<string, unknown>)[name] === true);
  }
}

function parse(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new ConfigError(missing ? `open ${path}: no such file or directory` : String(error));
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return { ...parsed };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ConfigError(`${path} is not JSON (${error.message}); YAML is not supported by this version`);
  }
  throw new ConfigError(`${path} does not hold an object`);
}

function refuseSection(name: string, section: unknown): void {
  if (typeof section !== "object" || section === null) return;
  const set = Object.entries(section).find(
    ([, value]) => value !== "" && value !== false && !isEmptyList(value),
  );
  if (set !== undefined) throw new ConfigError(`${name}: ${set[0]} is not supported by this version`);
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function convert(flag: EtcdFlag, value: unknown): FlagValue {
  const wrong = (): ConfigError =>
    new ConfigError(`json: cannot unmarshal ${JSON.stringify(value)} into ${flag.name}`);
  if (flag.type === "bool") {
    if (typeof value !== "boolean") throw wrong();
    return value;
  }
  if (flag.type === "duration" || flag.type === "int" || flag.type === "uint" || flag.type === "uint32") {
    if (typeof value !== "number" || !Number.isInteger(value)) throw wrong();
    return value;
  }
  if (Array.isArray(value)) return value.map(String);
  if (typeof value !== "string") throw wrong();
  try {
    return parseValue(flag, value);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new ConfigError(`unexpected error setting up ${flag.name}: ${error.message}`);
  }
}
