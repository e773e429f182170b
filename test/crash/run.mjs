#!/usr/bin/env node
// npm run test:crash -- --cycles 200 --seed 7 [--target process]

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    cycles: { type: "string", default: "200" },
    target: { type: "string", default: "process" },
  },
});
process.stdout.write(`seed ${values.seed}, ${values.cycles} crashes of ${values.target}\n`);
const root = join(import.meta.dirname, "../..");
const vitest = join(root, "node_modules/vitest/vitest.mjs");
const env = {
  ...process.env,
  CI: "true",
  CRASH_SEED: values.seed,
  CRASH_CYCLES: values.cycles,
  CRASH_TARGET: values.target,
};
const { status } = spawnSync(process.execPath, [vitest, "run", "test/crash"], {
  cwd: root,
  env,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
