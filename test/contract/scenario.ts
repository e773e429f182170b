// Scenario files: cases/*.txt. A case is a comment that names it, commands, `----` and the full output. Where etcd 3.5 is
// known to differ from 3.7, a second block follows with the reason, and the reference is held to that one. A case that
// has no meaning on the reference says so with `@only ours: reason`, one for what we do not have yet with `@only
// reference: reason`. Cases are separated by empty lines.
//
//   @flags --max-txn-ops=8        in the head of the file: flags of the member that serves its cases
//   @flags35 --max-txn-ops=8      the same for the reference, when flags were renamed since 3.5
//
//   # a range of one key
//   setup a=1
//   KV.Range {key: a}
//   ----
//   ok {header: full r+1, kvs: ["a"="1" create=r+1 mod=r+1 version=1], count: 1}
//   ---- 3.5: reason
//   ...
//
// Run with REWRITE=1 and TARGETS=reference, the outputs are written from what the reference answers; the diff is then
// for a human to judge.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { TargetName } from "../support/index.js";

export interface Scenario {
  readonly file: string;
  readonly name: string;
  readonly flags: readonly string[];
  /** What takes their place on the reference. */
  readonly flags35: readonly string[];
  /** Cases run on what earlier ones left, and revisions are absolute: for what depends on the whole history. */
  readonly absolute: boolean;
  readonly cases: readonly Case[];
}

export interface Case {
  readonly name: string;
  /** Everything above the output, verbatim. */
  readonly head: readonly string[];
  readonly commands: readonly string[];
  /** Targets on which the case has no meaning. */
  readonly skippedOn: readonly TargetName[];
  expected: readonly string[] | undefined;
  /** What etcd 3.5 answers when that is known to differ, and the reason. */
  differs35: { reason: string; output: readonly string[] } | undefined;
}

const CASES = join(import.meta.dirname, "cases");
/** Directive -> the targets that it leaves out. */
const ONLY: Readonly<Record<string, TargetName>> = {
  "@only ours: ": "reference",
  "@only reference: ": "process",
};
const DIFFERS = "---- 3.5: ";

export function loadScenarios(): Scenario[] {
  const wanted = process.env.CASES?.split(",");
  return readdirSync(CASES)
    .filter(
      (file) => file.endsWith(".txt") && (wanted === undefined || wanted.includes(basename(file, ".txt"))),
    )
    .sort()
    .map((file) => parseScenario(file, readFileSync(join(CASES, file), "utf8")));
}

export function parseScenario(file: string, text: string): Scenario {
  const blocks = text.split(/\n{2,}/).filter((block) => block.trim() !== "");
  const isHead = (block: string) => block.startsWith("@") || /^(#.*\n?)+$/.test(block);
  const head = blocks.filter(isHead).flatMap((block) => block.split("\n"));
  const flagsOf = (tag: string) =>
    head.filter((line) => line.startsWith(tag)).flatMap((line) => line.slice(tag.length).split(" "));
  const flags = flagsOf("@flags ");
  const flags35 = flagsOf("@flags35 ");
  const cases = blocks.filter((block) => !isHead(block)).map((block) => parseCase(file, block));
  const absolute = head.includes("@absolute");
  return {
    file,
    name: basename(file, ".txt"),
    flags,
    flags35: flags35.length > 0 ? flags35 : flags,
    absolute,
    cases,
  };
}

function parseCase(file: string, block: string): Case {
  const lines = block.trimEnd().split("\n");
  const at = (index: number) => (index < 0 ? lines.length : index);
  const output = at(lines.indexOf("----"));
  const differs = at(lines.findIndex((line) => line.startsWith(DIFFERS)));
  const head = lines.slice(0, Math.min(output, differs));
  const name = head
    .find((line) => line.startsWith("#"))
    ?.slice(1)
    .trim();
  if (name === undefined) throw new Error(`${file}: a case has no name: ${head[0]}`);
  const reason = lines[differs]?.slice(DIFFERS.length).trim();
  return {
    name,
    head,
    commands: joinContinued(head.filter((line) => !line.startsWith("#") && !line.startsWith("@"))),
    skippedOn: Object.keys(ONLY)
      .filter((directive) => head.some((line) => line.startsWith(directive)))
      .map((directive) => ONLY[directive]),
    expected: output < lines.length ? lines.slice(output + 1, differs) : undefined,
    differs35: reason === undefined ? undefined : { reason, output: lines.slice(differs + 1) },
  };
}

/** A line that starts with white space continues the command above it. */
function joinContinued(lines: readonly string[]): string[] {
  const commands: string[] = [];
  for (const line of lines) {
    if (/^\s/.test(line)) commands[commands.length - 1] += ` ${line.trim()}`;
    else commands.push(line);
  }
  return commands;
}

export function expectedOutput(of: Case, target: TargetName): readonly string[] | undefined {
  return target === "reference" && of.differs35 !== undefined ? of.differs35.output : of.expected;
}

/** Takes what the reference answered as the expectation of the case. */
export function recordOutput(of: Case, output: readonly string[]): void {
  if (of.differs35 !== undefined) of.differs35.output = output;
  else of.expected = output;
}

export function saveScenario(scenario: Scenario): void {
  const path = join(CASES, scenario.file);
  const head = readFileSync(path, "utf8")
    .split(/\n{2,}/)
    .filter((block) => block.startsWith("@") || /^(#.*\n?)+$/.test(block));
  const blocks = [...head.map((block) => block.trimEnd()), ...scenario.cases.map(printCase)];
  writeFileSync(path, `${blocks.join("\n\n")}\n`);
}

function printCase(of: Case): string {
  const lines = [...of.head];
  if (of.expected !== undefined) lines.push("----", ...of.expected);
  if (of.differs35 !== undefined) lines.push(`${DIFFERS}${of.differs35.reason}`, ...of.differs35.output);
  return lines.join("\n");
}
