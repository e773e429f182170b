// One run of etcdctl: from a command line to an exit code. Knows nothing of the process, so that tests can run many.

import { EtcdError } from "#client";
import { UnsupportedOutput } from "../print/index.js";
import { ExitCode, ExitError } from "./command.js";
import { ROOT } from "./commands/index.js";
import { Context, type Host } from "./context.js";
import { helpText, usageText } from "./help.js";
import { CommandLineError, type Found, findInvocation, walk } from "./program.js";

/** Runs the command that `host.argv` calls; returns the exit code. */
export async function runEtcdctl(host: Host): Promise<number> {
  let found: Found;
  try {
    found = findInvocation(ROOT, host.argv);
  } catch (error) {
    if (!(error instanceof CommandLineError)) throw error;
    return refuse(error, host);
  }
  const spec = found.path[found.path.length - 1];
  if (spec.name === "help") {
    host.streams.out(helpText(walk(ROOT, found.args)));
    return ExitCode.Success;
  }
  if (spec.run === undefined || found.flags.bool("help")) {
    host.streams.out(helpText(found.path));
    return ExitCode.Success;
  }
  const context = new Context(host, found, spec.name);
  try {
    const output = await spec.run(context);
    if (output !== undefined) context.print(output);
    return ExitCode.Success;
  } catch (error) {
    return report(error, host);
  } finally {
    context.close();
  }
}

function refuse(error: CommandLineError, host: Host): number {
  host.streams.err(`Error: ${error.message}\n`);
  if (error.path === undefined) host.streams.err(`Run 'etcdctl --help' for usage.\n`);
  else host.streams.err(`${usageText(error.path)}\n`);
  return ExitCode.Error;
}

function report(error: unknown, host: Host): number {
  if (error instanceof ExitError) {
    if (error.message !== "") host.streams.err(`Error: ${error.message}\n`);
    return error.code;
  }
  if (error instanceof UnsupportedOutput) {
    host.streams.err(`Error: ${error.message}\n`);
    return ExitCode.BadFeature;
  }
  if (!(error instanceof EtcdError)) throw error;
  host.streams.err(`Error: ${error.message}\n`);
  return ExitCode.Error;
}
