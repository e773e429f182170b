#!/usr/bin/env node
// Simulates clusters from seeds: `npm run sim -- --help`.

import { main } from "../dist/sim/index.js";

process.exitCode = await main(process.argv.slice(2));
