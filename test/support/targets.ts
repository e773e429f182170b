// Which members a suite runs against: `TARGETS=reference,process` (the default is both). The reference is the Go etcd
// 3.5; it is looked for in REFERENCE_ETCD_BIN and then where scripts/reference-etcd puts it. In CI its absence is a
// failure that names the command to get it; elsewhere a loud line is printed and the suite goes on with ours.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { ProcessMember, type TargetName } from "./member.js";

const ROOT = resolve(import.meta.dirname, "../..");
const GET_IT = "get it with: scripts/reference-etcd";

/** The folder with the reference's etcd, etcdctl and etcdutl, whether or not it is there. */
export function referenceBin(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return process.env.REFERENCE_ETCD_BIN ?? join(cache, "reference-etcd", "usr", "bin");
}

export function haveReference(): boolean {
  return existsSync(join(referenceBin(), "etcd"));
}

/** The folder with our launchers: OWN_ETCD_BIN, for another build or an installed package, or this checkout's. */
export function ownBin(): string {
  return process.env.OWN_ETCD_BIN ?? join(ROOT, "bin");
}

/** The targets asked for; throws in CI when the reference is one of them and is not there. */
export function selectedTargets(): TargetName[] {
  const names = (process.env.TARGETS ?? "reference,process").split(",").map((name) => name.trim());
  return names.filter((name): name is TargetName => {
    if (name !== "reference" && name !== "process") throw new Error(`TARGETS: no target ${name}`);
    return name !== "reference" || requireReference();
  });
}

/** True when the reference is there; false, with a line on standard error, when it is not and this is no CI run. */
export function requireReference(): boolean {
  if (haveReference()) return true;
  const message = `the reference etcd is not in ${referenceBin()}; ${GET_IT}`;
  if (process.env.CI === "true") throw new Error(message);
  process.stderr.write(`NOT RUN: ${message}\n`);
  return false;
}

export function newMember(name: TargetName, flags: readonly string[] = [], dataDir?: string): ProcessMember {
  if (name === "reference") {
    return new ProcessMember(name, [join(referenceBin(), "etcd")], flags, dataDir);
  }
  const launcher = join(ownBin(), "etcd");
  if (!existsSync(launcher)) throw new Error(`${launcher} is not there; build first: npm run build`);
  return new ProcessMember(name, [process.execPath, launcher], flags, dataDir);
}
