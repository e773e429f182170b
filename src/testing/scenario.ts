// Scenarios: tests that are text. A file of `testdata/` is a list of blocks, separated by blank lines; a block is
// comments (`#`) and commands, then `----` and everything that the commands printed. Indented lines belong to the command
// above them. A block whose commands print nothing has no `----`, unless the room names a word for silence.
//
// All blocks of a file run in one session. The test replays the file and compares it with itself; with REWRITE=1 it
// writes what came out instead, and the diff is then read line by line.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** What a scenario talks to. */
export interface ScenarioSession {
  /** Executes a command. @param below the indented lines under it @returns its output, "" for none */
  run(line: string, below: string[]): string;
}

/** The commands of a session by name. */
export type CommandTable = Readonly<Record<string, (args: string[], below: string[]) => string>>;

const SEPARATOR = "----";

/** A test for each `*.txt` in `directory`, every one with a session of its own.
 *  @param silence stands below `----` when the commands of a block print nothing */
export function testScenarios(directory: string, begin: () => ScenarioSession, silence = ""): void {
  for (const name of readdirSync(directory).sort()) {
    if (!name.endsWith(".txt")) continue;
    test(name, () => {
      const path = join(directory, name);
      const text = readFileSync(path, "utf8");
      const replayed = replay(text, begin(), silence);
      if (process.env["REWRITE"] === "1") writeFileSync(path, replayed);
      else expect(replayed).toBe(text);
    });
  }
}

/** The scenario with the output that really came. */
export function replay(text: string, session: ScenarioSession, silence = ""): string {
  const blocks = text.trimEnd().split(/\n{2,}/);
  return `${blocks.map((block) => replayBlock(block.split("\n"), session, silence)).join("\n\n")}\n`;
}

/** Runs the command that a line names with the words that follow it. Throws for a name that the table does not have. */
export function runCommand(commands: CommandTable, line: string, below: string[] = []): string {
  const [name, ...args] = line.trim().split(/\s+/);
  if (!Object.hasOwn(commands, name)) throw new Error(`unknown command: ${line}`);
  return commands[name](args, below);
}

function replayBlock(lines: readonly string[], session: ScenarioSession, silence: string): string {
  const end = lines.indexOf(SEPARATOR);
  const input = end < 0 ? lines : lines.slice(0, end);
  const output: string[] = [];
  let commands = 0;
  for (let at = 0; at < input.length; ) {
    const line = input[at++];
    const below: string[] = [];
    while (at < input.length && input[at].startsWith(" ")) below.push(input[at++]);
    if (line.startsWith("#")) continue;
    commands++;
    const printed = session.run(line, below).trimEnd();
    if (printed !== "") output.push(printed);
  }
  if (output.length === 0 && silence !== "" && commands > 0) output.push(silence);
  return (output.length === 0 ? input : [...input, SEPARATOR, ...output]).join("\n");
}
