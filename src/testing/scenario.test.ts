import { expect, test } from "vitest";
import { type CommandTable, replay, runCommand } from "./index.js";

const COMMANDS: CommandTable = {
  say: (args) => args.join(" "),
  count: (_, below) => `${below.length} below\n`,
  nothing: () => "",
};
const SESSION = { run: (line: string, below: string[]) => runCommand(COMMANDS, line, below) };

const SCENARIO = `# A comment alone.

# One that names its block.
say a  b
count
  x
  y
----
a b
2 below

nothing
`;

test("a scenario that says what happens is its own replay", () => {
  expect(replay(SCENARIO, SESSION)).toBe(SCENARIO);
});

test("output that is missing, wrong or left over is replaced", () => {
  const wrong = SCENARIO.replace("a b\n2 below", "b a").replace("nothing", "nothing\n----\nsomething");
  expect(replay(wrong, SESSION)).toBe(SCENARIO);
});

test("a room may have a word for silence; comments are not silence", () => {
  expect(replay("# A comment.\n\nnothing\n", SESSION, "ok")).toBe("# A comment.\n\nnothing\n----\nok\n");
});

test("an unknown command ends the scenario", () => {
  for (const line of ["shout a", "constructor"])
    expect(() => replay(line, SESSION)).toThrow(`unknown command: ${line}`);
});
