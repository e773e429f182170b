// Runs the scenario files in testdata against a store. A scenario is blocks of commands, `----`, the expected output,
// separated by blank lines; indented lines belong to the command above them. REWRITE=1 writes what came out instead of
// comparing. The commands are in testing/session.ts, the requests in testing/requests.ts.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Session } from "./testing/session.js";

const DATA = join(import.meta.dirname, "testdata");

/** The scenario with the output that really came. */
function replay(text: string): string {
  const session = new Session();
  const replayed = text
    .trimEnd()
    .split(/\n{2,}/)
    .map((block) => replayBlock(session, block.split("\n----")[0].split("\n")));
  return `${replayed.join("\n\n")}\n`;
}

function replayBlock(session: Session, lines: string[]): string {
  let output = "";
  for (let at = 0; at < lines.length; ) {
    const below: string[] = [];
    const line = lines[at++];
    while (at < lines.length && lines[at].startsWith(" ")) below.push(lines[at++]);
    if (!line.startsWith("#")) output += session.run(line, below);
  }
  const commands = lines.join("\n");
  return output === "" ? commands : `${commands}\n----\n${output.trimEnd()}`;
}

describe("scenarios", () => {
  for (const name of readdirSync(DATA).sort()) {
    test(name, () => {
      const path = join(DATA, name);
      const text = readFileSync(path, "utf8");
      const replayed = replay(text);
      if (process.env["REWRITE"] === "1") writeFileSync(path, replayed);
      else expect(replayed).toBe(text);
    });
  }
});
