// Help and usage texts in the layout of cobra, which etcdctl 3.7 has.

import { type Flag, type FlagType, formatValue, isZero } from "../flags/index.js";
import type { CommandGroup, CommandSpec } from "./command.js";
import { GLOBAL_FLAGS } from "./global-flags.js";

const OPTIONS_HINT =
  'Use "etcdctl options" for a list of global command-line options (applies to all commands).\n';
const GROUPS: readonly CommandGroup[] = [
  "Key-value commands",
  "Cluster maintenance commands",
  "Concurrency commands",
  "Authentication commands",
  "Utility commands",
];
const TYPE_NAMES: Readonly<Record<FlagType, string>> = {
  string: "string",
  bool: "",
  int: "int",
  uint: "uint",
  uint32: "uint32",
  duration: "duration",
  list: "strings",
  enum: "string",
};

type Path = readonly CommandSpec[];

/** What `--help` prints. */
export function helpText(path: Path): string {
  const spec = path[path.length - 1];
  const about = (spec.long ?? spec.short).trim();
  return `${about}\n\n${usageText(path)}${OPTIONS_HINT}`;
}

/** What follows a flag that was not understood. */
export function usageText(path: Path): string {
  const spec = path[path.length - 1];
  const parents = path.slice(0, -1).map((parent) => parent.name);
  const commandPath = [...parents, spec.name].join(" ");
  const children = [...(spec.children ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
  const blocks: string[] = [];
  const calls: string[] = [];
  if (spec.run !== undefined) calls.push(`  ${[...parents, spec.use].join(" ")} [flags]\n`);
  if (children.length > 0) calls.push(`  ${commandPath} [command]\n`);
  blocks.push(`Usage:\n${calls.join("")}`);
  if (spec.example !== undefined) blocks.push(`Examples:\n${spec.example}\n`);
  if (children.length > 0) blocks.push(...commandLists(children));
  const inherited = path.slice(0, -1).flatMap((parent) => parent.sharedFlags ?? []);
  const local = [...(spec.flags ?? []), ...(spec.sharedFlags ?? [])];
  if (path.length > 1) local.push({ ...HELP_ROW, help: `help for ${spec.name}` });
  if (local.length > 0) blocks.push(`Flags:\n${flagUsages(local)}`);
  if (inherited.length > 0) blocks.push(`Global Flags:\n${flagUsages(inherited)}`);
  if (children.length > 0) {
    blocks.push(`Use "${commandPath} [command] --help" for more information about a command.\n`);
  }
  return blocks.join("\n");
}

/** What `options` prints. */
export function optionsText(): string {
  return `The following options can be passed to any command:\n\n${flagUsages(GLOBAL_FLAGS)}`;
}

const HELP_ROW: Flag = { name: "help", short: "h", type: "bool", default: false, help: "" };

function commandLists(children: readonly CommandSpec[]): string[] {
  const width = Math.max(11, ...children.map((child) => child.name.length));
  const list = (rows: readonly CommandSpec[]): string =>
    rows.map((child) => `  ${child.name.padEnd(width)} ${child.short}\n`).join("");
  if (children.every((child) => child.group === undefined)) return [`Available Commands:\n${list(children)}`];
  return GROUPS.map((group) => ({ group, rows: children.filter((child) => child.group === group) }))
    .filter(({ rows }) => rows.length > 0)
    .map(({ group, rows }) => `${group}\n${list(rows)}`);
}

function flagUsages(flags: readonly Flag[]): string {
  const sorted = [...flags].sort((a, b) => (a.name < b.name ? -1 : 1));
  const names = sorted.map((flag) => {
    const short = flag.short === undefined ? "    " : `-${flag.short}, `;
    return `  ${short}--${flag.name} ${TYPE_NAMES[flag.type]}`.trimEnd();
  });
  const width = Math.max(...names.map((name) => name.length));
  return sorted.map((flag, i) => `${names[i].padEnd(width)}   ${flag.help}${defaultText(flag)}\n`).join("");
}

function defaultText(flag: Flag): string {
  if (isZero(flag.default)) return "";
  const value = formatValue(flag, flag.default);
  return flag.type === "string" || flag.type === "enum" ? ` (default "${value}")` : ` (default ${value})`;
}
