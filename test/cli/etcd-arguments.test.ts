// The `etcd` command's arguments against the reference (3.5.30): what it refuses, we refuse, in the same words. And what the
// arguments make of the configuration.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkInitialCluster, type EtcdConfig } from "#embed";
import { parseArguments } from "../../src/cli/etcd/arguments.js";
import { ETCD_FLAGS } from "../../src/cli/etcd/flags.js";
import { hasReference, REFERENCE_BIN } from "../client/reference-member.js";

type Environment = Record<string, string>;

/** Code, and what was said: the usage error on stderr, or the error of the last log line that has one. */
interface Refusal {
  code: number;
  error: string;
}

function ours(args: readonly string[], env: Environment = {}): Refusal {
  const parsed = parseArguments(args, env, "0.0.0");
  if (parsed.kind === "print") return { code: parsed.code, error: parsed.stderr.split("\n")[0] };
  if (parsed.kind === "invalid") return { code: 1, error: parsed.reason };
  if (parsed.kind === "fatal") return { code: 1, error: parsed.notices.at(-1)?.message ?? "" };
  try {
    checkInitialCluster(parsed.config);
  } catch (error) {
    return { code: 1, error: error instanceof Error ? error.message : "" };
  }
  return { code: 0, error: "" };
}

function reference(args: readonly string[], env: Environment = {}): Promise<Refusal> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(REFERENCE_BIN, "etcd"), args, {
      cwd: directory,
      env: { PATH: "/usr/bin", ...env },
    });
    let text = "";
    child.stderr.on("data", (chunk: Buffer) => {
      text += chunk;
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      if (code === 2) return resolve({ code, error: text.split("\n")[0] });
      const lines = text.split("\n").filter((line) => line.startsWith("{"));
      const entries = lines.map((line) => JSON.parse(line) as Record<string, string>);
      const last = entries.findLast((entry) => entry["error"] !== undefined || entry["level"] === "fatal");
      resolve({ code: code ?? -1, error: last?.["error"] ?? last?.["msg"] ?? "" });
    });
  });
}

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "etcd-arguments-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Ports of this test's own, so that a case that starts after all disturbs nobody. */
const URLS = [
  ...["--listen-client-urls", "http://127.0.0.1:28500", "--advertise-client-urls", "http://127.0.0.1:28500"],
  ...[
    "--listen-peer-urls",
    "http://127.0.0.1:28501",
    "--initial-advertise-peer-urls",
    "http://127.0.0.1:28501",
  ],
];

const REFUSED: [args: string[], env?: Environment][] = [
  [["--nope"]],
  [["-nope=1"]],
  [["---x"]],
  [["--name"]],
  [["--pre-vote=x"]],
  [["--max-txn-ops", "-1"]],
  [["--max-request-bytes", "1.5"]],
  [["--quota-backend-bytes", "x"]],
  [["--max-concurrent-streams", "4294967296"]],
  [["--max-concurrent-streams", "x"]],
  [["--grpc-keepalive-timeout", "5"]],
  [["--initial-cluster-state", "old"]],
  [["--listen-client-urls", "foo"]],
  [["--listen-client-urls", "http://127.0.0.1"]],
  [["--listen-peer-urls", "http://127.0.0.1:1/path"]],
  [["--listen-peer-urls", "ftp://127.0.0.1:1"]],
  [["--cors", "foo"]],
  [["--listen-client-urls", "http://example.com:1", "--advertise-client-urls", "http://example.com:1"]],
  [["--listen-metrics-urls", "http://a.example:1"]],
  [["--listen-client-urls", "http://127.0.0.1:28500"]],
  [[...URLS, "--heartbeat-interval", "0"]],
  [[...URLS, "--election-timeout", "0"]],
  [[...URLS, "--heartbeat-interval", "500"]],
  [[...URLS, "--election-timeout", "60000"]],
  [[...URLS, "--auto-compaction-mode", "often"]],
  [[...URLS, "--auto-compaction-retention", "x"]],
  [[...URLS, "--logger", "capnslog"]],
  [[...URLS, "--logger", "x"]],
  [[...URLS, "--log-outputs", "default,stdout"]],
  [[...URLS, "--initial-cluster", "other=http://127.0.0.1:28501"]],
  [[...URLS, "--initial-cluster", "default=http://127.0.0.1:28502"]],
  [[...URLS, "--initial-cluster", "default="]],
  [
    [
      ...URLS,
      "--initial-cluster",
      "default=http://127.0.0.1:28501",
      "--initial-advertise-peer-urls",
      "http://127.0.0.1:28501,http://127.0.0.1:28503",
    ],
  ],
  [["--config-file", "/nonexistent/file"]],
  [[], { ETCD_CONFIG_FILE: "/nonexistent/file" }],
  [[], { ETCD_HEARTBEAT_INTERVAL: "z" }],
  [[], { ETCD_PRE_VOTE: "maybe" }],
  [[], { ETCD_GRPC_KEEPALIVE_TIMEOUT: "1" }],
  [["--name", "a"], { ETCD_NAME: "b" }],
];

describe.skipIf(!hasReference)("etcd refuses what the reference refuses", () => {
  it.each(
    REFUSED.map(([args, env]) => ({ args, env, title: `${args.join(" ")} ${JSON.stringify(env ?? {})}` })),
  )("$title", async ({ args, env }) => {
    const expected = await reference(args, env);
    expect(expected.code).not.toBe(0);
    expect(ours(args, env)).toEqual(expected);
  });
});

/** Files whose last line is refused by whoever has accepted all before it. */
const READ_FILES: readonly string[] = [
  "name: a\nheartbeat-interval: 0\n",
  "# a comment\nNAME: a\nHeartbeat-Interval: 0x0\n",
  "pre-vote: yes\nstrict-reconfig-check: Off\nheartbeat-interval: 0\n",
  "nonsense: 1\nexperimental-nonsense: [a]\nheartbeat-interval: 0\n",
  "name:\nwal-dir: ~\nheartbeat-interval: 0\n",
  "base: &base\n  heartbeat-interval: 0\n<<: *base\n",
  "snapshot-count: 0100\nmax-txn-ops: 1e2\nheartbeat-interval: 0.0\n",
  "log-outputs: [stdout]\nbackend-batch-interval: 50000000\nheartbeat-interval: 0\n",
  "socket-options: {reuse-port: false, nonsense: 1}\nheartbeat-interval: 0\n",
  "initial-cluster-token: 2024-01-01\nheartbeat-interval: 0\n",
  '{\n\t"name": "a",\n\t"heartbeat-interval": 0\n}\n',
];
const REFUSED_FILES: readonly string[] = [
  "snapshot-count: abc\n",
  "snapshot-count: -1\n",
  'heartbeat-interval: "100"\n',
  "quota-backend-bytes: 99999999999999999999\n",
  'pre-vote: "yes"\n',
  "pre-vote: 1\n",
  "log-outputs: stdout\n",
  "listen-peer-urls: [http://127.0.0.1:1]\n",
  "listen-client-urls: nonsense\n",
  "backend-batch-interval: 100ms\n",
  "auto-compaction-retention: 1\n",
  "name: [a]\n",
  "name: yes\n",
  "peer-transport-security: a\n",
  "socket-options: {reuse-port: 1}\n",
  "name: a: b\n",
  "\tname: a\n",
  "- name\n",
  "name: *a\n",
];

describe.skipIf(!hasReference)("etcd reads the files that the reference reads", () => {
  const titled = (files: readonly string[]) => files.map((text) => ({ text, title: JSON.stringify(text) }));

  it.each(titled(READ_FILES))("accepts $title", async ({ text }) => {
    const path = join(directory, "accepted.yml");
    await writeFile(path, text);
    const args = ["--config-file", path];
    expect((await reference(args)).error).toBe("--heartbeat-interval must be >0 (set to 0ms)");
    expect(ours(args).error).toBe("--heartbeat-interval must be >0 (set to 0ms)");
  });

  it.each(titled(REFUSED_FILES))("refuses $title", async ({ text }) => {
    const path = join(directory, "refused.yml");
    await writeFile(path, text);
    const args = ["--config-file", path];
    expect((await reference(args)).code).not.toBe(0);
    expect(ours(args).error).toMatch(/refused\.yml(:\d+)?: ./);
  });
});

function configOf(args: readonly string[], env: Environment = {}): EtcdConfig {
  const parsed = parseArguments(args, env, "0.0.0");
  if (parsed.kind !== "config") throw new Error(JSON.stringify(parsed));
  return parsed.config;
}

describe("etcd's arguments make the configuration", () => {
  it("knows every flag once", () => {
    const names = ETCD_FLAGS.map((flag) => flag.name);
    expect(new Set(names).size).toBe(names.length);
    expect(ETCD_FLAGS.filter((flag) => flag.group === "Ignored")).toHaveLength(15);
    expect(names).toHaveLength(113 + 15);
  });

  it("takes flags before the environment before the defaults", () => {
    const config = configOf(["--name=m1", "-heartbeat-interval", "50"], {
      ETCD_ELECTION_TIMEOUT: "500",
      ETCD_DATA_DIR: "/d",
    });
    expect(config.name).toBe("m1");
    expect([config.heartbeatIntervalMs, config.electionTimeoutMs, config.dataDir]).toEqual([50, 500, "/d"]);
    expect(config.initialCluster).toBe("m1=http://localhost:2380");
    expect(config.maxTxnOps).toBe(128);
  });

  it("translates what 0 means", () => {
    const zero = ["snapshot-count", "quota-backend-bytes", "backend-batch-limit", "compaction-batch-limit"];
    const config = configOf([
      ...zero.map((name) => `--${name}=0`),
      "--backend-batch-interval=0s",
      "--watch-progress-notify-interval=1ms",
    ]);
    expect([config.snapshotCount, config.quotaBackendBytes]).toEqual([10_000, 2 ** 31]);
    expect([config.backendBatchLimit, config.compactionBatchLimit, config.backendBatchIntervalMs]).toEqual([
      10_000, 1000, 0,
    ]);
    expect(config.watchProgressNotifyIntervalMs).toBe(100);
  });

  it.each([
    [["--auto-compaction-retention=2"], "periodic", 7_200_000],
    [["--auto-compaction-retention=5m"], "periodic", 300_000],
    [["--auto-compaction-mode=revision", "--auto-compaction-retention=1000"], "revision", 1000],
  ])("%j", (args, mode, retention) => {
    const config = configOf(args);
    expect([config.autoCompactionMode, config.autoCompactionRetention]).toEqual([mode, retention]);
  });

  it.each([
    ["--cert-file=x"],
    ["--peer-auto-tls"],
    ["--auth-token=jwt"],
    ["--discovery-srv=x"],
    ["--force-new-cluster"],
    ["--enable-distributed-tracing"],
  ])("refuses %s, which it cannot do", (arg) => {
    expect(ours([arg]).error).toMatch(/ is not supported by this version$/);
  });

  // 3.5 takes an empty mode for periodic, 3.7 does not.
  it("refuses an empty compaction mode", () => {
    expect(ours(["--auto-compaction-mode="]).error).toBe("undefined auto-compaction-mode");
  });

  it("accepts relics and defaults of what it cannot do", () => {
    expect(ours(["--snapshot=1", "--auth-token=simple", "--cert-file=", "--v2-deprecation=gone"]).code).toBe(
      0,
    );
  });

  it("prints help and version", () => {
    const help = parseArguments(["-h"], {}, "1.2.3");
    expect(help).toMatchObject({ kind: "print", code: 0 });
    const version = parseArguments(["--version"], {}, "1.2.3");
    expect(version.kind === "print" && version.stdout.split("\n")).toEqual([
      "etcd Version: 3.7.1",
      "Git SHA: Not provided",
      `Go Version: none (Node.js ${process.version})`,
      expect.stringMatching(/^Go OS\/Arch: \w+\/\w+$/),
      "etcd-ts Version: 1.2.3",
      "",
    ]);
  });
});
