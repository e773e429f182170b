// What a campaign adds up, how its range is named, and where the table of planted bugs goes.

import { describe, expect, test } from "vitest";
import { describeTable, replaceTable } from "./bug-table.js";
import { CampaignTotals } from "./campaign-totals.js";
import { seedRangeOf } from "./options.js";
import type { SeedReport } from "./seed-worker.js";

function report(seed: number, changes: Partial<SeedReport> = {}): SeedReport {
  return {
    seed,
    traceHash: "",
    violations: [],
    members: 3,
    simulatedMs: 75_000,
    operations: 1000,
    faults: 20,
    faultKinds: 4,
    isChecked: true,
    cpuMs: 500,
    ...changes,
  };
}

describe("totals", () => {
  test("count seeds in order, whichever came in first", () => {
    const totals = new CampaignTotals(5);
    totals.add(report(6, { violations: ["lease: late"] }));
    expect([totals.seeds, totals.next, totals.failures.length]).toEqual([0, 5, 0]);
    totals.add(report(5));
    expect([totals.seeds, totals.next, totals.failures.length]).toEqual([2, 7, 1]);
  });

  test("go on from where they were kept", () => {
    const totals = new CampaignTotals(1);
    totals.add(report(1, { members: 1 }));
    totals.coreMs = 1000;
    const later = CampaignTotals.restore(JSON.parse(JSON.stringify(totals.record())));
    later.add(report(2));
    expect(later.next).toBe(3);
    expect(later.describe()).toBe(
      [
        "2 seeds (1-2), 0 failed; 0.04 simulated h, 2000 operations, 40 faults",
        "per core: 7200 seeds/h by the clock, 7200 seeds/h by CPU time; simulated : real 150.0:1 by the clock, 150.0:1 by CPU time",
        "seeds with >= 3 members 1, >= 60 simulated s 2, >= 500 client operations 2, >= 3 kinds of fault 2, all checkers 2; with all of it 1",
      ].join("\n"),
    );
  });
});

describe("a range of seeds", () => {
  test("is a range, a number, or without an end", () => {
    expect(seedRangeOf("7-9", 1)).toEqual({ first: 7, last: 9 });
    expect(seedRangeOf("3", 100)).toEqual({ first: 100, last: 102 });
    expect(seedRangeOf(undefined, 100)).toEqual({ first: 100, last: Number.POSITIVE_INFINITY });
    expect(() => seedRangeOf("many", 1)).toThrow("neither a number nor a range");
  });
});

describe("the table of planted bugs", () => {
  test("takes the place between its markers", () => {
    const table = describeTable([
      { bug: "one", seeds: 3, found: report(3, { violations: ["raft: a|b"] }) },
      { bug: "two", seeds: 40, found: undefined },
    ]);
    const begin = "<!-- planted bugs: begin -->";
    const end = "<!-- planted bugs: end -->";
    expect(replaceTable(`text\n${begin}\nold\n${end}\nmore\n`, table)).toBe(
      `text\n${begin}\n| bug | seeds | found by |\n|---|---|---|\n| one | 3 | raft: a/b |\n| two | **not in 40** | |\n${end}\nmore\n`,
    );
    expect(() => replaceTable("text", table)).toThrow("no place");
  });
});
