#!/usr/bin/env node
// Fails the build when the house rules are broken: the import table of ARCHITECTURE.md, what pure rooms must not touch,
// test code in what is published, sizes (the exceptions below may only shrink), files that nothing reaches, and leftover
// notes to self.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const problems = [];

/** Files that may exceed the limit of 800 lines, with the size they may not exceed. Only ever lower or remove these. */
const SIZE_EXCEPTIONS = new Map([]);
const LINES_MAX = 800;

const PURE = new Set(["raft", "mvcc", "lease", "auth", "cluster"]);
const PURE_BANS = [
  [/from "node:/, "imports from node:"],
  [/\bDate\b(?!\.\w+ is)/, "uses Date"],
  [/\bMath\.random\b/, "uses Math.random"],
  [/\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/, "uses a timer"],
  [/\bprocess\./, "uses process"],
  [/(?<![.\w])async\s+(function\b|\w+\s*\(|\()|\bawait\b|\bPromise\b/, "is asynchronous"],
];
/** Rooms that may touch the file system directly. */
const MAY_USE_FS = new Set(["storage", "embed", "cli", "testing"]);
/** Tests and what only tests use. tsconfig.build.json leaves the same files out. */
const TEST_CODE = /\.test\.ts$|\/testkit\.ts$|\/testing\//;
/** Entry files: run by path, so nothing imports them. */
const ENTRY = /(^|\/)(index|main|[\w-]*worker)\.ts$/;

function* walk(dir) {
  for (const name of readdirSync(dir).sort()) {
    const path = join(dir, name);
    if (statSync(path).isDirectory()) {
      if (name !== "gen" && name !== "node_modules" && name !== "testdata") yield* walk(path);
    } else yield path;
  }
}

/** The table whose header starts with "| room | may import" as room -> set of rooms. */
function importTable() {
  const lines = readFileSync(join(root, "ARCHITECTURE.md"), "utf8").split("\n");
  const start = lines.findIndex((line) => line.startsWith("| room | may import"));
  if (start < 0) throw new Error("ARCHITECTURE.md has no import table");
  const table = new Map();
  for (const line of lines.slice(start + 2)) {
    if (!line.startsWith("|")) break;
    const [rooms, allowed] = line
      .split("|")
      .slice(1, 3)
      .map((cell) => cell.trim());
    const may = new Set(allowed === "-" ? [] : allowed.split(",").map((word) => word.trim()));
    for (const room of rooms.split(",")) table.set(room.trim(), may);
  }
  return table;
}

/** Comments and strings blanked, so that words in prose break no rule. */
function codeOf(text) {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (c) => c.replace(/[^\n]/g, " "))
    .replace(/^(\s*)\/\/.*$/gm, "$1")
    .replace(/([;{},)\s])\/\/ .*$/gm, "$1");
}

function withoutStrings(code) {
  return code.replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, (s) =>
    s.startsWith('"node:') ? s : '""',
  );
}

const table = importTable();
const imported = new Set();
const sources = [...walk(join(root, "src"))].filter((path) => path.endsWith(".ts"));

for (const path of sources) {
  const name = relative(root, path);
  const room = name.split("/")[1];
  const text = readFileSync(path, "utf8");
  const isTest = path.endsWith(".test.ts");
  const isPublished = !TEST_CODE.test(name);
  const code = codeOf(text);
  if (!table.has(room)) problems.push(`${name}: room "${room}" is not in the import table`);
  for (const [, specifier] of code.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
    if (specifier.startsWith(".")) {
      const target = resolve(dirname(path), specifier.replace(/\.js$/, ".ts"));
      imported.add(target);
      if (isPublished && TEST_CODE.test(target)) problems.push(`${name}: imports test code: ${specifier}`);
      if (relative(join(root, "src", room), target).startsWith("..") && !isTest)
        problems.push(`${name}: reaches into another room by path: ${specifier}`);
    } else if (specifier.startsWith("#")) {
      const other = specifier.slice(1);
      if (other.includes("/")) problems.push(`${name}: imports deeper than a room: ${specifier}`);
      else if (other === "testing" && !isPublished) continue;
      else if (!isTest && other !== room && !table.get(room)?.has(other))
        problems.push(`${name}: ${room} may not import ${specifier}`);
    } else if (!isTest && /^node:fs/.test(specifier) && !MAY_USE_FS.has(room)) {
      problems.push(`${name}: ${room} may not use ${specifier}`);
    }
  }
  if (PURE.has(room) && !isTest) {
    withoutStrings(code)
      .split("\n")
      .forEach((line, i) => {
        for (const [pattern, what] of PURE_BANS)
          if (pattern.test(line)) problems.push(`${name}:${i + 1}: a pure room ${what}`);
      });
  }
  const lines = text.split("\n").length;
  const limit = SIZE_EXCEPTIONS.get(name) ?? LINES_MAX;
  if (lines > limit) problems.push(`${name}: ${lines} lines, the limit is ${limit}`);
  text.split("\n").forEach((line, i) => {
    if (/\b(TODO|FIXME|XXX|HACK)\b/.test(line)) problems.push(`${name}:${i + 1}: leftover note to self`);
  });
}

for (const path of sources) {
  const name = relative(root, path);
  if (!path.endsWith(".test.ts") && !ENTRY.test(name) && !imported.has(path))
    problems.push(`${name}: nothing imports this file`);
}

if (problems.length > 0) {
  console.error(problems.join("\n"));
  console.error(`tidy: ${problems.length} problem(s)`);
  process.exit(1);
}
console.log(`tidy: ${sources.length} files in order`);
