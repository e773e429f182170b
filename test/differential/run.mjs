#!/usr/bin/env node
// npm run test:differential -- --seed 7 --ops 100000 [--sides reference,process]

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    ops: { type: "string", default: "100000" },
    sides: { type: "string", default: "reference,process" },
  },
});
process.stdout.write(`seed ${values.seed}, ${values.ops} operations, ${values.sides}\n`);
const root = join(import.meta.dirname, "../..");
const vitest = join(root, "node_modules/vitest/vitest.mjs");
const env = {
  ...process.env,
  CI: "true",
  DIFF_SEED: values.seed,
  DIFF_OPS: values.ops,
  DIFF_SIDES: values.sides,
};
const { status } = spawnSync(process.execPath, [vitest, "run", "test/differential"], {
  cwd: root,
  env,
  stdio: "inherit",
});
process.exitCode = status ?? 1;
