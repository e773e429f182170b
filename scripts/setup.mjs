#!/usr/bin/env node
// Installs the dependencies when they are missing or older than the lock file, so that `npm start` and `npm test` work
// on a fresh clone and cost nothing on a settled one.

import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const installed = join(root, "node_modules", ".package-lock.json");
const wanted = join(root, "package-lock.json");

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(wanted).mtimeMs) {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  // Not `npm ci`: it insists on lock entries for the optional binaries of every platform, and a registry that does not carry
  // them all cannot have been asked for them. `install` takes the locked versions as well; nothing is saved.
  const done = spawnSync(npm, ["install", "--no-save", "--no-audit", "--no-fund"], {
    cwd: root,
    stdio: "inherit",
  });
  if (done.status !== 0) {
    console.error(
      "setup: npm install failed; see its output above. A package registry must be reachable once.",
    );
    process.exit(done.status ?? 1);
  }
}
