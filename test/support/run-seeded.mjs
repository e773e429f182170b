// A folder of seeded tests as a command: the seed is printed before anything else, so that a failure can be had again.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";

/**
 * @param folder of the tests, below the root
 * @param prefix of the environment variables that the tests read their options from, as PREFIX_SEED
 * @param defaults option -> its default; `seed` is added
 * @param describe what the run is about to do, from the options' values
 */
export function runSeeded(folder, prefix, defaults, describe) {
  const seed = String(Math.floor(Math.random() * 2 ** 31));
  const all = Object.entries({ seed, ...defaults });
  const { values } = parseArgs({
    options: Object.fromEntries(all.map(([name, value]) => [name, { type: "string", default: value }])),
  });
  process.stdout.write(`seed ${values.seed}, ${describe(values)}\n`);
  const root = join(import.meta.dirname, "../..");
  const env = { ...process.env, CI: "true" };
  for (const [name, value] of Object.entries(values)) env[`${prefix}_${name.toUpperCase()}`] = value;
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { status } = spawnSync(process.execPath, [vitest, "run", folder], {
    cwd: root,
    env,
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
}
