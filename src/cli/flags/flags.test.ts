import { describe, expect, it } from "vitest";
import {
  applyEnvironment,
  type Flag,
  FlagValues,
  formatDuration,
  HelpRequested,
  parseBool,
  parseDuration,
  parseGoFlags,
  parseInt64,
  parseUint,
  splitList,
} from "./index.js";

const FLAGS: Flag[] = [
  { name: "name", type: "string", default: "default", help: "" },
  { name: "pre-vote", type: "bool", default: true, help: "" },
  { name: "count", type: "uint", default: 5, help: "" },
  { name: "limit", type: "int", default: 0, help: "" },
  { name: "time", type: "duration", default: 5e9, help: "" },
  { name: "urls", type: "list", default: [], help: "" },
  { name: "state", type: "enum", values: ["new", "existing"], default: "new", help: "" },
];

describe("Go values", () => {
  it.each([
    ["1h30m", 5400e9, "1h30m0s"],
    ["1.5s", 1.5e9, "1.5s"],
    ["-100ms", -100e6, "-100ms"],
    ["0", 0, "0s"],
    ["1us", 1e3, "1µs"],
    ["3.110753ms", 3110753, "3.110753ms"],
    ["90s", 90e9, "1m30s"],
    [".5h", 1800e9, "30m0s"],
    ["15ns", 15, "15ns"],
  ])("duration %s", (text, ns, printed) => {
    expect(parseDuration(text)).toBe(ns);
    expect(formatDuration(ns)).toBe(printed);
  });

  it.each([
    ["5", 'time: missing unit in duration "5"'],
    ["", 'time: invalid duration ""'],
    ["x", 'time: invalid duration "x"'],
    ["1x", 'time: unknown unit "x" in duration "1x"'],
  ])("duration %j is refused in Go's words", (text, message) => {
    expect(() => parseDuration(text)).toThrow(message);
  });

  it("reads integers and bools", () => {
    expect(parseInt64("-12")).toBe(-12n);
    expect(parseInt64("7f", 16)).toBe(127n);
    expect(parseInt64("0x10", 0)).toBe(16n);
    expect(parseUint("18446744073709551615")).toBe(18446744073709551615n);
    expect(() => parseInt64("x")).toThrow('strconv.ParseInt: parsing "x": invalid syntax');
    expect(() => parseInt64("9223372036854775808")).toThrow(
      'strconv.ParseInt: parsing "9223372036854775808": value out of range',
    );
    expect(() => parseUint("-1")).toThrow('strconv.ParseUint: parsing "-1": invalid syntax');
    expect([parseBool("T"), parseBool("0")]).toEqual([true, false]);
    expect(splitList('a,"b,c",,d')).toEqual(["a", "b,c", "", "d"]);
  });
});

describe("Go flag syntax", () => {
  it("takes one dash or two, a value after = or a space", () => {
    const { values, rest } = parseGoFlags(FLAGS, [
      "-name",
      "a",
      "--count=3",
      "--pre-vote=false",
      "--time",
      "1s",
      "x",
    ]);
    expect(values.text("name")).toBe("a");
    expect(values.number("count")).toBe(3);
    expect(values.bool("pre-vote")).toBe(false);
    expect(values.ms("time")).toBe(1000);
    expect(values.has("limit")).toBe(false);
    expect(values.number("limit")).toBe(0);
    expect(rest).toEqual(["x"]);
  });

  it.each([
    [["--nope"], "flag provided but not defined: -nope"],
    [["-name"], "flag needs an argument: -name"],
    [["--pre-vote=x"], 'invalid boolean value "x" for -pre-vote: parse error'],
    [["--count", "-1"], 'invalid value "-1" for flag -count: parse error'],
    [["--time=5"], 'invalid value "5" for flag -time: parse error'],
    [["--state=old"], 'invalid value "old" for flag -state: invalid value'],
    [["---x"], "bad flag syntax: ---x"],
  ])("%j is refused in Go's words", (args, message) => {
    expect(() => parseGoFlags(FLAGS, args)).toThrow(message);
  });

  it("knows when help is wanted", () => {
    expect(() => parseGoFlags(FLAGS, ["-h"])).toThrow(HelpRequested);
  });
});

describe("environment", () => {
  it("fills what the command line leaves, and reports the rest", () => {
    const values = new FlagValues(FLAGS);
    values.set("name", "cli");
    const env = { X_NAME: "env", X_COUNT: "7", X_TIME: "", X_FOO: "1", X_LIMIT: "z", HOME: "/" };
    const report = applyEnvironment(values, "X", env);
    expect(values.text("name")).toBe("cli");
    expect(values.number("count")).toBe(7);
    expect(report.conflict).toBe("X_NAME");
    expect(report.unrecognized).toEqual(["X_TIME=", "X_FOO=1"]);
    expect(report.invalid).toBe(
      'invalid value "z" for X_LIMIT: strconv.ParseInt: parsing "z": invalid syntax',
    );
  });
});
