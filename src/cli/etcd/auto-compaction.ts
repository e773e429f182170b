// The two flags of automatic compaction, which only together mean something: a bare number is hours in mode `periodic` and
// revisions in mode `revision`; a duration is a duration, and in mode `revision` etcd takes its nanoseconds for revisions.

import { ConfigError, type EtcdConfig } from "#embed";
import { parseDuration, ValueError } from "../flags/index.js";

const HOUR_MS = 3_600_000;

/** @throws ConfigError */
export function applyAutoCompaction(config: EtcdConfig, mode: string, retention: string): void {
  if (mode === "") throw new ConfigError("undefined auto-compaction-mode");
  if (mode !== "periodic" && mode !== "revision") {
    throw new ConfigError(`unknown auto-compaction-mode ${JSON.stringify(mode)}`);
  }
  config.autoCompactionMode = mode;
  if (/^\+?\d+$/.test(retention)) {
    config.autoCompactionRetention = Number(retention) * (mode === "periodic" ? HOUR_MS : 1);
    return;
  }
  try {
    const ns = parseDuration(retention);
    config.autoCompactionRetention = Math.max(0, mode === "periodic" ? ns / 1e6 : ns);
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new ConfigError(`error parsing CompactionRetention: ${error.message}`);
  }
}
