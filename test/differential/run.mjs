#!/usr/bin/env node
// npm run test:differential -- --seed 7 --ops 100000 [--sides reference,process]

import { runSeeded } from "../support/run-seeded.mjs";

runSeeded(
  "test/differential",
  "DIFF",
  { ops: "100000", sides: "reference,process" },
  ({ ops, sides }) => `${ops} operations, ${sides}`,
);
