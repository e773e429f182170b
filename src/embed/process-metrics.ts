// What the operating system says of this process, under etcd's names. Linux tells it in /proc; elsewhere the gauges are absent.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Metrics } from "#server";

const DESCRIPTORS = "/proc/self/fd";
const LIMITS = "/proc/self/limits";

export function registerProcessMetrics(metrics: Metrics): void {
  if (!existsSync(DESCRIPTORS)) return;
  metrics.gauge("os_fd_used", "The number of used file descriptors.", () => readdirSync(DESCRIPTORS).length);
  metrics.gauge("os_fd_limit", "The file descriptor limit.", () => {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync(LIMITS, "utf8"));
    return found === null ? 0 : Number(found[1]);
  });
}
