// From the tree of commands to one invocation: which command, with which arguments and flags. Any prefix of a command's
// name that fits no sibling stands for it.

import { FlagValues } from "../flags/index.js";
import type { CommandSpec, Invocation } from "./command.js";
import { GLOBAL_FLAGS, HELP_FLAG } from "./global-flags.js";
import { FlagError, PflagCommand } from "./pflag-command.js";

export interface Found extends Invocation {
  /** From the root to the command. */
  readonly path: readonly CommandSpec[];
}

/** The command line could not be read. */
export class CommandLineError extends Error {
  override readonly name = "CommandLineError";
  /** The command whose usage helps; undefined when not even the command is known. */
  readonly path: readonly CommandSpec[] | undefined;

  constructor(message: string, path: readonly CommandSpec[] | undefined) {
    super(message);
    this.path = path;
  }
}

/**
 * Finds the command that `args` call.
 * @throws CommandLineError
 */
export function findInvocation(root: CommandSpec, args: readonly string[]): Found {
  let found: Found | undefined;
  const globals = new FlagValues([...GLOBAL_FLAGS, HELP_FLAG]);
  const program = new PflagCommand(root.name, false);
  program.takeFlags(globals.flags, globals);
  const attach = (
    command: PflagCommand,
    path: readonly CommandSpec[],
    outer: readonly FlagValues[],
  ): void => {
    const spec = path[path.length - 1];
    const locals = new FlagValues([...(spec.flags ?? []), ...(spec.sharedFlags ?? [])]);
    const all = [...outer, locals];
    command.takeFlags(locals.flags, locals);
    command.argument("[args...]").action(() => {
      found = { path, args: command.args, flags: merged(all) };
    });
    for (const child of spec.children ?? []) {
      const sub = new PflagCommand(child.name, child.children === undefined);
      for (const alias of uniquePrefixes(child.name, spec.children ?? [])) sub.alias(alias);
      command.addCommand(sub);
      attach(sub, [...path, child], all);
    }
  };
  attach(program, [root], [globals]);
  try {
    program.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    throw new CommandLineError(error.message, walk(root, args));
  }
  if (found === undefined) throw new Error("commander ran no command");
  const flag = strayFlag(found, args);
  if (flag !== undefined) throw new CommandLineError(flag, found.path);
  const word = found.args[0];
  if (found.path.length === 1 && word !== undefined)
    throw new CommandLineError(unknownCommand(root, word), undefined);
  return found;
}

/** Reads the flags and arguments of one command alone: lines of a transaction or an interactive watch. */
export function readCommandLine(
  spec: Pick<CommandSpec, "name" | "flags">,
  args: readonly string[],
): Invocation {
  const flags = new FlagValues([...(spec.flags ?? []), HELP_FLAG]);
  const command = new PflagCommand(spec.name, true);
  command.takeFlags(flags.flags, flags);
  command.argument("[args...]").action(() => {});
  command.parse([...args], { from: "user" });
  return { args: command.args, flags };
}

/** At a command with children commander passes flags on that nobody knows. */
function strayFlag(found: Found, args: readonly string[]): string | undefined {
  const last = found.path[found.path.length - 1];
  if (last.children === undefined) return undefined;
  const end = args.indexOf("--");
  const flags = found.args.filter((arg) => arg.length > 1 && arg[0] === "-");
  const stray = flags.find((arg) => end < 0 || args.indexOf(arg) < end);
  if (stray === undefined) return undefined;
  if (stray.startsWith("--")) return `unknown flag: ${stray.replace(/=.*/s, "")}`;
  return `unknown shorthand flag: '${stray[1]}' in ${stray}`;
}

function merged(parts: readonly FlagValues[]): FlagValues {
  const all = new FlagValues(parts.flatMap((part) => part.flags));
  for (const part of parts) {
    for (const flag of part.flags) if (part.has(flag.name)) all.set(flag.name, part.value(flag.name));
  }
  return all;
}

function uniquePrefixes(name: string, siblings: readonly CommandSpec[]): string[] {
  const prefixes: string[] = [];
  for (let end = name.length - 1; end > 0; end--) {
    const prefix = name.slice(0, end);
    if (siblings.some((other) => other.name !== name && other.name.startsWith(prefix))) break;
    prefixes.push(prefix);
  }
  return prefixes;
}

/** The command that `args` mean, as far as words lead. */
export function walk(root: CommandSpec, args: readonly string[]): CommandSpec[] {
  const path = [root];
  for (const word of args) {
    if (word === "--") break;
    const children = path[path.length - 1].children ?? [];
    const exact = children.find((child) => child.name === word);
    const close = children.filter((child) => child.name.startsWith(word));
    const next = exact ?? (close.length === 1 ? close[0] : undefined);
    if (next !== undefined && word !== "") path.push(next);
  }
  return path;
}

function unknownCommand(root: CommandSpec, word: string): string {
  const text = `unknown command ${JSON.stringify(word)} for "${root.name}"`;
  const close = (root.children ?? []).filter(
    ({ name }) => name.startsWith(word.toLowerCase()) || distance(name, word.toLowerCase()) <= 2,
  );
  if (close.length === 0) return text;
  return `${text}\n\nDid you mean this?\n${close.map(({ name }) => `\t${name}\n`).join("")}`;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}
