// What a row of the `etcd` command's flag table holds, and how rows of the usual kinds are made.

import { ConfigError, type EtcdConfig, parseMemberUrls } from "#embed";
import { type Flag, type FlagValue, ValueError } from "../flags/index.js";

export type EtcdFlagGroup =
  | "Member"
  | "Clustering"
  | "Security"
  | "Auth"
  | "Profiling and Monitoring"
  | "Logging"
  | "Distributed tracing"
  | "Features"
  | "Unsafe feature"
  | "Meta"
  | "Ignored";

export interface EtcdFlag extends Flag {
  readonly group: EtcdFlagGroup;
  /** Puts the value into the configuration. Called only for values that were given. */
  readonly apply?: (config: EtcdConfig, value: FlagValue) => void;
  /** Any value is accepted and changes nothing, in etcd as here. */
  readonly inert?: boolean;
  /** How the configuration file has it, if not as its type says: not under its own name, or as a list and not as text with
   *  commas. */
  readonly inFile?: "absent" | "list";
}

export const SECOND = 1e9;

/** A duration in milliseconds. */
export const ms = (value: FlagValue): number => Number(value) / 1e6;
/** The number, or `fallback` for 0: many flags of etcd mean their default by 0. */
export const orDefault = (value: FlagValue, fallback: number): number =>
  Number(value) === 0 ? fallback : Number(value);
export const strings = (value: FlagValue): string[] => (Array.isArray(value) ? [...value] : [String(value)]);

/** A flag that takes URLs. */
export function urlList(
  name: string,
  group: EtcdFlagGroup,
  fallback: readonly string[],
  help: string,
  apply: (config: EtcdConfig, urls: string[]) => void,
): EtcdFlag {
  const parse = (text: string): FlagValue => refusing(() => parseMemberUrls(text));
  return { name, group, type: "list", default: fallback, help, parse, apply: (c, v) => apply(c, strings(v)) };
}

/** Reads a value whose refusal is a ConfigError. */
export function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError) throw new ValueError(error.message);
    throw error;
  }
}

/** Flags of functions that are not there: no `apply`, so only the default is accepted. */
export function unsupported(
  group: EtcdFlagGroup,
  type: Flag["type"],
  fallback: FlagValue,
  rows: readonly (readonly [name: string, help: string])[],
): EtcdFlag[] {
  return rows.map(([name, help]) => ({ name, group, type, default: fallback, help }));
}
