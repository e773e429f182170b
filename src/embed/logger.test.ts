import { describe, expect, it } from "vitest";
import { utf8 } from "#base";
import { ZapShapedLogger } from "./logger.js";

function capture(format: "json" | "console", level: "debug" | "info" = "info") {
  const lines: string[] = [];
  return { lines, logger: new ZapShapedLogger(level, format, { write: (line) => lines.push(line) }) };
}

describe("logger", () => {
  it("writes etcd's keys, and values as etcd prints them", () => {
    const { lines, logger } = capture("json");
    logger.info("ready to serve client requests", {
      "local-member-id": 0xc99f47c981929d21n,
      error: new Error("boom"),
      key: utf8("a\xff"),
      urls: ["http://127.0.0.1:2379"],
    });
    const entry = JSON.parse(lines[0]);
    expect(entry.ts).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(entry.caller).toMatch(/^embed\/logger\.test\.ts:\d+$/);
    delete entry.ts;
    delete entry.caller;
    expect(entry).toEqual({
      level: "info",
      msg: "ready to serve client requests",
      "local-member-id": "c99f47c981929d21",
      error: "boom",
      key: "a\\xc3\\xbf",
      urls: ["http://127.0.0.1:2379"],
    });
    expect(lines[0].endsWith("\n")).toBe(true);
  });

  it("writes the console form with tabs", () => {
    const { lines, logger } = capture("console");
    logger.warn("slow", { took: "1s" });
    logger.fatal("gone");
    expect(lines[0]).toMatch(/^\S+Z\twarn\tembed\/logger\.test\.ts:\d+\tslow\t\{"took":"1s"\}\n$/);
    expect(lines[1]).toMatch(/^\S+Z\tfatal\tembed\/logger\.test\.ts:\d+\tgone\n$/);
  });

  it("drops what is below the level", () => {
    const { lines, logger } = capture("json");
    logger.debug("quiet");
    expect(lines).toEqual([]);
    expect(logger.isEnabled("debug")).toBe(false);
    expect(logger.isEnabled("error")).toBe(true);
  });
});
