// SIGKILL at a random moment of a busy life, restart on the same directory, check, and again. See model.ts for what is
// checked. Some lives end while the member is still starting, some by SIGTERM.
//
//   npm run test:crash -- --cycles 200 --seed 7        (see run.mjs)
//
// The seed decides the load and the moments of the kills; what the kill hits depends on the machine, so a seed that
// failed need not fail again. CRASH_TARGET=reference runs the same against the reference: a check of this test.

import { describe, expect, test } from "vitest";
import { SeededRandom } from "#base";
import { newMember, type ProcessMember, requireReference, type TargetName } from "../support/index.js";
import { Load } from "./load.js";
import { Model } from "./model.js";
import { checkRecovery } from "./recovery-check.js";

const CYCLES = Number(process.env.CRASH_CYCLES ?? 4);
const SEED = Number(process.env.CRASH_SEED ?? 1);
const TARGET = (process.env.CRASH_TARGET ?? "process") as TargetName;
const LIFE_MS = 500;

interface Cycle {
  operations: number;
  /** How the life ended, for whoever has to find out what went wrong. */
  history: string;
}

async function crashCycle(member: ProcessMember, model: Model, random: SeededRandom): Promise<Cycle> {
  let history = "";
  const load = new Load(member.endpoint, model, random);
  await load.start();
  const life = 20 + random.below(LIFE_MS);
  await new Promise((resolve) => setTimeout(resolve, life));
  if (random.below(10) === 0) {
    history += `SIGTERM after ${life} ms`;
    await member.stop();
  } else {
    history += `SIGKILL after ${life} ms`;
    await member.kill();
  }
  await load.end();
  if (random.below(6) === 0) {
    const start = random.below(600);
    history += `, SIGKILL ${start} ms into the start`;
    await member.startAndKill(start);
  }
  history += `, rare work: ${load.rareWork.join(" ")}`;
  await member.start();
  await checkRecovery(member.endpoint, model);
  return { operations: load.operations, history };
}

describe("crash", () => {
  const possible = TARGET !== "reference" || requireReference();
  test.skipIf(!possible)(
    `${TARGET}: nothing acknowledged is lost in ${CYCLES} crashes, seed ${SEED}`,
    async () => {
      const random = new SeededRandom(SEED);
      const model = new Model();
      const member = newMember(TARGET);
      let operations = 0;
      let cycle = 0;
      let history = "";
      try {
        await member.start();
        for (; cycle < CYCLES && model.violations.length === 0; cycle++) {
          const life = await crashCycle(member, model, random);
          operations += life.operations;
          history = life.history;
        }
      } finally {
        await member.destroy();
      }
      process.stdout.write(
        `cycles: ${cycle}, operations: ${operations}, violations: ${model.violations.length}, seed: ${SEED}\n`,
      );
      expect(model.violations, `cycle ${cycle}: ${history}`).toEqual([]);
    },
    60_000 + CYCLES * 20_000,
  );
});
