// The simulation as a test: fixed seeds, which must keep passing, fresh ones, which look for something new, and a planted
// bug, which must be found. A failure prints the command that replays it.

import { afterEach, describe, expect, it } from "vitest";
import { CANARY, plantBug, removeBugs } from "./planted-bugs.js";
import { describeFailure, replayCommand } from "./report.js";
import { planOf, runPlan } from "./run.js";

const FIXED_SEEDS = 200;
const FRESH_SEEDS = 50;
/** Seeds run twice. */
const DETERMINISM_EVERY = 40;
const CANARY_SEEDS_MAX = 40;
const GROUP = 25;
const GROUP_TIMEOUT_MS = 240_000;

async function expectPromisesKept(seed: number): Promise<string> {
  const result = await runPlan(planOf(seed, {}));
  const report =
    result.violations.length === 0
      ? ""
      : `${describeFailure(result)}\nreplay: ${replayCommand(result.plan, undefined, 1)}`;
  expect(report).toBe("");
  return result.traceHash;
}

function groupsOf(first: number, count: number): number[] {
  return Array.from({ length: Math.ceil(count / GROUP) }, (_, i) => first + i * GROUP);
}

describe("fixed seeds keep all promises", () => {
  it.each(groupsOf(1, FIXED_SEEDS))(
    "from %i",
    async (first) => {
      for (let seed = first; seed < first + GROUP; seed++) {
        const hash = await expectPromisesKept(seed);
        if (seed % DETERMINISM_EVERY === 0) expect(await expectPromisesKept(seed)).toBe(hash);
      }
    },
    GROUP_TIMEOUT_MS,
  );
});

describe("fresh seeds keep all promises", () => {
  it.each(groupsOf(Math.floor(Date.now() / 1000), FRESH_SEEDS))(
    "from %i",
    async (first) => {
      for (let seed = first; seed < first + GROUP; seed++) await expectPromisesKept(seed);
    },
    GROUP_TIMEOUT_MS,
  );
});

describe("a planted bug", () => {
  afterEach(removeBugs);

  it(
    `is found: ${CANARY}`,
    async () => {
      plantBug(CANARY);
      let seed = 1;
      while (seed <= CANARY_SEEDS_MAX && (await runPlan(planOf(seed, {}))).violations.length === 0) seed++;
      expect(seed).toBeLessThanOrEqual(CANARY_SEEDS_MAX);
    },
    GROUP_TIMEOUT_MS,
  );
});
