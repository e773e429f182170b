// What a command is: a row of a tree with its texts, its flags and a function. The function returns the answer, or prints
// answers one by one when there is no end to them, and ends with an ExitError when it fails.

import type { Flag, FlagValues } from "../flags/index.js";
import type { Output } from "../print/index.js";
import type { Context } from "./context.js";

export const ExitCode = {
  Success: 0,
  Error: 1,
  BadConnection: 2,
  InvalidInput: 3,
  BadFeature: 4,
  Interrupted: 5,
  IO: 6,
  BadArgs: 128,
} as const;

/** Ends the command with a code; a text, if any, goes to stderr behind `Error: `. */
export class ExitError extends Error {
  override readonly name = "ExitError";
  readonly code: number;

  constructor(code: number, message = "") {
    super(message);
    this.code = code;
  }
}

/** The arguments do not make sense: exit code 128. */
export function badArgs(message: string): ExitError {
  return new ExitError(ExitCode.BadArgs, message);
}

export type CommandGroup =
  | "Key-value commands"
  | "Cluster maintenance commands"
  | "Concurrency commands"
  | "Authentication commands"
  | "Utility commands";

export interface CommandSpec {
  /** The first word of `use`. */
  readonly name: string;
  /** How it is called, without the words before its own name. */
  readonly use: string;
  readonly short: string;
  readonly long?: string;
  readonly example?: string;
  readonly group?: CommandGroup;
  readonly flags?: readonly Flag[];
  /** Flags that the children take as well. */
  readonly sharedFlags?: readonly Flag[];
  readonly children?: readonly CommandSpec[];
  readonly run?: (context: Context) => Promise<Output | undefined>;
}

/** A command line that has been read. */
export interface Invocation {
  readonly args: readonly string[];
  readonly flags: FlagValues;
}
