#!/usr/bin/env node
// Simulates clusters from seeds: `npm run sim -- --help`.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { main } from "../dist/sim/index.js";

const files = {
  read: (path) => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
  write: (path, text) => writeFileSync(path, text),
};
process.exitCode = await main(process.argv.slice(2), files);
