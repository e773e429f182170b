// Flags of running a member: logs, metrics, traces, background work, and what is unsafe or a relic.

import type { LogLevel } from "#base";
import { type FlagValue, ValueError } from "../flags/index.js";
import { type EtcdFlag, ms, orDefault, SECOND, strings, unsupported, urlList } from "./flag-row.js";
import { parseUnique } from "./flags-security.js";

const LEVELS: Readonly<Record<string, LogLevel>> = {
  debug: "debug",
  info: "info",
  warn: "warn",
  error: "error",
  dpanic: "fatal",
  panic: "fatal",
  fatal: "fatal",
};

function parseLevel(text: string): FlagValue {
  if (!(text in LEVELS)) throw new ValueError(`unrecognized level: ${JSON.stringify(text)}`);
  return text;
}

export const OBSERVABILITY: readonly EtcdFlag[] = [
  ...unsupported("Profiling and Monitoring", "bool", false, [
    ["enable-pprof", "Serve profiles under /debug/pprof/."],
  ]),
  {
    name: "metrics",
    group: "Profiling and Monitoring",
    type: "enum",
    values: ["basic", "extensive"],
    default: "basic",
    help: "'extensive' adds histograms of the calls.",
    apply: (c, v) => {
      c.metrics = v === "extensive" ? "extensive" : "basic";
    },
  },
  urlList(
    "listen-metrics-urls",
    "Profiling and Monitoring",
    [],
    "Further URLs for /metrics and the health endpoints.",
    (c, urls) => {
      c.listenMetricsUrls = urls;
    },
  ),
  {
    name: "logger",
    group: "Logging",
    type: "string",
    default: "zap",
    help: "Shape of the logs; only 'zap'.",
    inert: true,
  },
  {
    name: "log-outputs",
    group: "Logging",
    type: "list",
    default: ["default"],
    help: "'stdout', 'stderr', 'default' or files.",
    inFile: "list",
    parse: parseUnique,
    apply: (c, v) => {
      c.logOutputs = strings(v);
    },
  },
  {
    name: "log-level",
    group: "Logging",
    type: "string",
    default: "info",
    help: "debug, info, warn, error, panic or fatal.",
    parse: parseLevel,
    apply: (c, v) => {
      c.logLevel = LEVELS[String(v)];
    },
  },
  {
    name: "log-format",
    group: "Logging",
    type: "string",
    default: "json",
    help: "json or console.",
    apply: (c, v) => {
      c.logFormat = v === "console" ? "console" : "json";
    },
  },
  ...unsupported("Logging", "bool", false, [["enable-log-rotation", "Rotate the one log file."]]),
  ...unsupported(
    "Logging",
    "string",
    '{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}',
    [["log-rotation-config-json", "How the log file is rotated."]],
  ),
  {
    name: "warning-apply-duration",
    group: "Features",
    type: "duration",
    default: 0.1 * SECOND,
    help: "Log an apply that takes longer.",
    apply: (c, v) => {
      c.warningApplyDurationMs = ms(v);
    },
  },
  {
    name: "warning-unary-request-duration",
    group: "Logging",
    type: "duration",
    default: 0.3 * SECOND,
    help: "Log a request that takes longer.",
    apply: (c, v) => {
      c.warningUnaryRequestDurationMs = orDefault(ms(v), 300);
    },
  },
  ...unsupported("Distributed tracing", "bool", false, [["enable-distributed-tracing", "Export traces."]]),
  ...unsupported("Distributed tracing", "string", "localhost:4317", [
    ["distributed-tracing-address", "Address of the collector."],
  ]),
  ...unsupported("Distributed tracing", "string", "etcd", [
    ["distributed-tracing-service-name", "Name of the service in traces."],
  ]),
  ...unsupported("Distributed tracing", "string", "", [
    ["distributed-tracing-instance-id", "Name of this instance in traces."],
  ]),
  ...unsupported("Distributed tracing", "int", 0, [
    ["distributed-tracing-sampling-rate", "Samples per million."],
  ]),
];

export const FEATURES: readonly EtcdFlag[] = [
  ...unsupported("Features", "duration", 0, [
    ["corrupt-check-time", "Pause between checks of all members' hashes."],
  ]),
  ...unsupported("Features", "duration", 60 * SECOND, [
    ["compact-hash-check-time", "Pause between checks of the hashes of compactions."],
  ]),
  {
    name: "compaction-batch-limit",
    group: "Features",
    type: "int",
    default: 0,
    help: "Revisions that a compaction deletes in one go; 0: 1000.",
    apply: (c, v) => {
      c.compactionBatchLimit = orDefault(v, 1000);
    },
  },
  {
    name: "compaction-sleep-interval",
    group: "Features",
    type: "duration",
    default: 0,
    help: "Pause between the batches of a compaction; 0: 10ms.",
    apply: (c, v) => {
      c.compactionSleepIntervalMs = orDefault(ms(v), 10);
    },
  },
  {
    name: "watch-progress-notify-interval",
    group: "Features",
    type: "duration",
    default: 0,
    help: "Pause between progress reports of idle watches; 0: 10m.",
    apply: (c, v) => {
      c.watchProgressNotifyIntervalMs = Math.max(100, orDefault(ms(v), 600_000));
    },
  },
  ...unsupported("Features", "uint", 0, [
    ["bootstrap-defrag-threshold-megabytes", "Defragment at start when this much can be reclaimed."],
  ]),
  ...unsupported("Features", "duration", 5 * SECOND, [
    ["downgrade-check-time", "Pause between checks of a downgrade."],
  ]),
];

export const UNSAFE: readonly EtcdFlag[] = [
  ...unsupported("Unsafe feature", "bool", false, [["force-new-cluster", "Start over as a cluster of one."]]),
  {
    name: "unsafe-no-fsync",
    group: "Unsafe feature",
    type: "bool",
    default: false,
    help: "Never fsync: acknowledged writes can be lost.",
    apply: (c, v) => {
      c.unsafeNoFsync = v === true;
    },
  },
];

export const META: readonly EtcdFlag[] = [
  {
    name: "config-file",
    group: "Meta",
    type: "string",
    default: "",
    help: "Take the configuration from this file alone.",
    inert: true,
    inFile: "absent",
  },
  {
    name: "version",
    group: "Meta",
    type: "bool",
    default: false,
    help: "Print the version and end.",
    inert: true,
    inFile: "absent",
  },
];

/** Relics that etcd still accepts, as switches without effect. */
export const IGNORED: readonly EtcdFlag[] = [
  ...[
    "cluster-active-size",
    "cluster-remove-delay",
    "cluster-sync-interval",
    "config",
    "force",
    "max-result-buffer",
  ],
  ...[
    "max-retry-attempts",
    "peer-heartbeat-interval",
    "peer-election-timeout",
    "retry-interval",
    "snapshot",
    "v",
  ],
  ...["vv", "test.coverprofile", "test.outputdir"],
].map((name) => ({
  name,
  group: "Ignored",
  type: "bool",
  default: false,
  help: "",
  // A relic takes any value.
  parse: () => true,
  inert: true,
  inFile: "absent",
}));
