// What `etcd -h` and `etcd --version` print.

import { arch, platform } from "node:process";
import { type Flag, formatValue } from "../flags/index.js";
import type { EtcdFlagGroup } from "./flag-row.js";
import { ETCD_FLAGS } from "./flags.js";

/** The version of etcd whose behaviour this is. */
export const ETCD_VERSION = "3.7.1";

export const USAGE = `Usage:

  etcd [flags]
    Start an etcd server.

  etcd --version
    Show the version of etcd.

  etcd -h | --help
    Show the help information about etcd.

  etcd --config-file
    Path to a configuration file. With a file, other flags and environment variables have no effect.
    Durations in the file are whole nanoseconds.
`;

const GROUPS: readonly EtcdFlagGroup[] = [
  "Member",
  "Clustering",
  "Security",
  "Auth",
  "Profiling and Monitoring",
  "Logging",
  "Distributed tracing",
  "Features",
  "Unsafe feature",
];

/** The flags by group, with their defaults. */
export function flagsText(): string {
  return GROUPS.map((group) => {
    const rows = ETCD_FLAGS.filter((flag) => flag.group === group);
    return `\n${group}:\n${rows.map(flagText).join("")}`;
  }).join("");
}

function flagText(flag: Flag): string {
  const fallback = Array.isArray(flag.default) ? flag.default.join(",") : formatValue(flag, flag.default);
  return `  --${flag.name} '${fallback}'\n    ${flag.help}\n`;
}

const GO_ARCH: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };
const GO_OS: Readonly<Record<string, string>> = { win32: "windows" };

/** The four lines that tools read, and what this really is. */
export function versionText(packageVersion: string): string {
  return (
    `etcd Version: ${ETCD_VERSION}\n` +
    "Git SHA: Not provided\n" +
    `Go Version: none (Node.js ${process.version})\n` +
    `Go OS/Arch: ${GO_OS[platform] ?? platform}/${GO_ARCH[arch] ?? arch}\n` +
    `etcd-ts Version: ${packageVersion}\n`
  );
}
