// A YAML file that holds one mapping, as entries that know their line. YAML is taken as etcd takes it (version 1.1: `yes` is
// true, `0100` is octal, `<<` merges), without its dates and sexagesimal numbers, which stay text. JSON is a subset. More
// strictly than etcd: a key that is there twice is refused, and so is anything behind a first document.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { DocumentOptions, LineCounter, ParseOptions, SchemaOptions, YAMLMap } from "yaml";
import { ConfigError } from "#embed";

export interface YamlEntry {
  /** As it is written. */
  readonly key: string;
  /** Numbers without a fraction are bigints. */
  readonly value: unknown;
  /** Counted from 1. */
  readonly line: number;
}

type Yaml = typeof import("yaml");

/**
 * The entries by their keys in lower case: as in etcd, the case of a key does not matter.
 * @throws ConfigError with path, line and reason
 */
export function readYamlFile(path: string): Map<string, YamlEntry> {
  const text = readText(path);
  // Loading the parser takes tens of milliseconds, and most members start without a file.
  const yaml = createRequire(import.meta.url)("yaml") as Yaml;
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, optionsOf(yaml, lines));
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw syntaxError(path, lines.linePos(problem.pos[0]).line, problem);
  const { contents } = document;
  if (contents === null) return new Map();
  if (!yaml.isMap(contents)) {
    throw new ConfigError(`${path}:1: not a mapping: write one "name: value" per setting`);
  }
  return entriesOf(plainOf(path, document), linesOf(yaml, contents, lines));
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new ConfigError(missing ? `open ${path}: no such file or directory` : String(error));
  }
}

function optionsOf(yaml: Yaml, lineCounter: LineCounter): ParseOptions & DocumentOptions & SchemaOptions {
  return {
    version: "1.1",
    customTags: (tags) => tags.filter((tag) => typeof tag === "string" || !isTime(tag)),
    intAsBigInt: true,
    uniqueKeys: (a, b) =>
      yaml.isScalar(a) && yaml.isScalar(b) && String(a.value).toLowerCase() === String(b.value).toLowerCase(),
    lineCounter,
    prettyErrors: false,
    logLevel: "error",
  };
}

function isTime({ tag, format }: { tag: string; format?: string }): boolean {
  return tag === "tag:yaml.org,2002:timestamp" || format === "TIME";
}

function syntaxError(path: string, line: number, problem: { code: string; message: string }): ConfigError {
  switch (problem.code) {
    case "DUPLICATE_KEY":
      return new ConfigError(`${path}:${line}: this key is in the file before: remove one of the two`);
    case "MULTIPLE_DOCS":
      return new ConfigError(`${path}:${line}: a second document begins: a configuration has only one`);
    default:
      return new ConfigError(`${path}:${line}: no valid YAML or JSON: ${problem.message}`);
  }
}

/** The mapping without YAML's own structure. Aliases are followed, but not without end. */
function plainOf(path: string, document: { toJS(): unknown }): Record<string, unknown> {
  try {
    return document.toJS() as Record<string, unknown>;
  } catch (error) {
    // An alias without its anchor, or aliases of aliases that would grow beyond measure.
    if (!(error instanceof ReferenceError)) throw error;
    throw new ConfigError(`${path}: ${error.message}`);
  }
}

/** The line of each key. */
function linesOf(yaml: Yaml, contents: YAMLMap, counter: LineCounter): Map<string, number> {
  const lines = new Map<string, number>();
  for (const { key } of contents.items) {
    if (yaml.isScalar(key)) lines.set(String(key.value), counter.linePos(key.range?.[0] ?? 0).line);
  }
  return lines;
}

/** A key that was merged in has the line of the merging. */
function entriesOf(
  plain: Record<string, unknown>,
  lines: ReadonlyMap<string, number>,
): Map<string, YamlEntry> {
  const merge = lines.get("<<") ?? 1;
  const entries = new Map<string, YamlEntry>();
  for (const [key, value] of Object.entries(plain)) {
    entries.set(key.toLowerCase(), { key, value, line: lines.get(key) ?? merge });
  }
  return entries;
}
