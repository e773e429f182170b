#!/usr/bin/env node
// npm run test:crash -- --cycles 200 --seed 7 [--target process]

import { runSeeded } from "../support/run-seeded.mjs";

runSeeded(
  "test/crash",
  "CRASH",
  { cycles: "200", target: "process" },
  ({ cycles, target }) => `${cycles} crashes of ${target}`,
);
