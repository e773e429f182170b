// Flags from the environment: PREFIX_NAME for every flag. The command line wins, but a flag that is given in both places is
// an error: nobody can tell which one was meant.

import { envName, type Flag, type FlagValues, parseValue } from "./flag.js";
import { ValueError } from "./go-values.js";

export const CONFLICT_TEXT =
  "conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))";
export const UNRECOGNIZED_TEXT = "unrecognized environment variable";

export interface EnvironmentReport {
  /** Variables that set a flag, with their values. */
  readonly used: { name: string; value: string }[];
  /** `NAME=value` of variables with the prefix that belong to no flag. */
  readonly unrecognized: string[];
  /** The first variable whose flag was also given on the command line. */
  readonly conflict: string | undefined;
  /** The last value that could not be read, as a sentence. */
  readonly invalid: string | undefined;
}

/**
 * Sets what the environment says and the command line does not.
 * @param known names of variables with the prefix that are no flags, and yet expected
 * @param reason how a refused value is explained
 */
export function applyEnvironment(
  values: FlagValues,
  prefix: string,
  env: Readonly<Record<string, string | undefined>>,
  known: readonly string[] = [],
  reason: (flag: Flag, error: ValueError) => string = (_, error) => error.message,
): EnvironmentReport {
  const used: { name: string; value: string }[] = [];
  let invalid: string | undefined;
  let conflict: string | undefined;
  const seen = new Set(known.filter((name) => env[name] !== ""));
  for (const flag of values.flags) {
    const name = envName(prefix, flag);
    const text = env[name];
    if (text === undefined) continue;
    if (values.has(flag.name)) {
      conflict ??= name;
      continue;
    }
    if (text === "") continue;
    seen.add(name);
    try {
      values.set(flag.name, parseValue(flag, text));
      used.push({ name, value: text });
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      invalid = `invalid value ${JSON.stringify(text)} for ${name}: ${reason(flag, error)}`;
    }
  }
  const unrecognized = Object.entries(env)
    .filter(([name]) => name.startsWith(`${prefix}_`) && !seen.has(name) && name !== conflict)
    .map(([name, value]) => `${name}=${value}`);
  return { used, unrecognized, conflict, invalid };
}
