// commander, made to read command lines as etcdctl's users write them. Three things differ from commander's own dialect:
// a bool may carry a value (`--prefix=false`), a short flag may carry its value behind `=` (`-w=json`), and refusals have
// texts of their own. All of it is done by rewriting each command's arguments into commander's dialect just before
// commander reads them.

import { Command, Option } from "commander";
import { type Flag, type FlagValue, type FlagValues, parseValue, ValueError } from "../flags/index.js";

/** A flag on the command line is unknown, or its value is missing or wrong. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

export class PflagCommand extends Command {
  private readonly rows: Flag[] = [];
  /** Whether flags that are not this command's are wrong here; at a parent they may belong to a child. */
  private readonly strict: boolean;

  constructor(name: string, strict: boolean) {
    super(name);
    this.strict = strict;
    this.helpOption(false).helpCommand(false).allowExcessArguments().exitOverride();
    this.configureOutput({ outputError: () => {} });
  }

  /** Lets the command take `flags`; what is given ends up in `values`. */
  takeFlags(flags: readonly Flag[], values: FlagValues): void {
    for (const flag of flags) {
      this.rows.push(flag);
      const names = flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
      const option = new Option(`${names} <value>`).argParser((text: string) => {
        const parsed = parse(flag, text);
        values.set(flag.name, joined(flag, values, parsed));
        return parsed;
      });
      this.addOption(option);
    }
  }

  override parseOptions(args: string[]): { operands: string[]; unknown: string[] } {
    return super.parseOptions(this.rewritten(args));
  }

  private rewritten(args: readonly string[]): string[] {
    const out: string[] = [];
    for (let at = 0; at < args.length; at++) {
      const arg = args[at];
      if (arg === "--") return out.concat(args.slice(at));
      if (arg.length < 2 || arg[0] !== "-") out.push(arg);
      else if (arg.startsWith("--")) at += this.long(arg, args[at + 1], out);
      else at += this.shorts(arg, args[at + 1], out);
    }
    return out;
  }

  /** Rewrites `--name` or `--name=value`; returns how many further arguments it took. */
  private long(arg: string, next: string | undefined, out: string[]): number {
    const equals = arg.indexOf("=");
    const name = arg.slice(2, equals < 0 ? undefined : equals);
    const flag = this.rows.find((row) => row.name === name);
    if (flag === undefined) {
      if (this.strict) throw new FlagError(`unknown flag: --${name}`);
      out.push(arg);
      return 0;
    }
    if (equals >= 0) {
      out.push(arg);
      return 0;
    }
    if (flag.type !== "bool" && next === undefined) throw new FlagError(`flag needs an argument: --${name}`);
    out.push(`--${name}=${flag.type === "bool" ? "true" : next}`);
    return flag.type === "bool" ? 0 : 1;
  }

  /** Rewrites a cluster of short flags, of which the last may have a value: `-i`, `-w json`, `-wjson`, `-w=json`. */
  private shorts(arg: string, next: string | undefined, out: string[]): number {
    for (let at = 1; at < arg.length; at++) {
      const flag = this.rows.find((row) => row.short === arg[at]);
      if (flag === undefined) {
        if (this.strict) throw new FlagError(`unknown shorthand flag: '${arg[at]}' in -${arg.slice(at)}`);
        out.push(at === 1 ? arg : `-${arg.slice(at)}`);
        return 0;
      }
      const rest = arg.slice(at + 1);
      if (flag.type === "bool" && rest[0] !== "=") {
        out.push(`--${flag.name}=true`);
        continue;
      }
      if (rest !== "") {
        out.push(`--${flag.name}=${rest[0] === "=" ? rest.slice(1) : rest}`);
        return 0;
      }
      if (next === undefined)
        throw new FlagError(`flag needs an argument: '${arg[at]}' in -${arg.slice(at)}`);
      out.push(`--${flag.name}=${next}`);
      return 1;
    }
    return 0;
  }
}

function parse(flag: Flag, text: string): FlagValue {
  try {
    return parseValue(flag, text);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    const name = flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
    throw new FlagError(`invalid argument ${JSON.stringify(text)} for "${name}" flag: ${error.message}`);
  }
}

/** A list that is given again goes on; everything else is replaced. */
function joined(flag: Flag, values: FlagValues, parsed: FlagValue): FlagValue {
  if (flag.type !== "list" || !values.has(flag.name) || !Array.isArray(parsed)) return parsed;
  return [...values.list(flag.name), ...parsed];
}
