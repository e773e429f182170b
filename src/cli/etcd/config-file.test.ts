import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseArguments } from "./arguments.js";

const directory = mkdtempSync(join(tmpdir(), "config-file-"));
const path = join(directory, "etcd.yml");

afterAll(() => rmSync(directory, { recursive: true }));

function parse(text: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  writeFileSync(path, text);
  return parseArguments(["--config-file", path, ...args], env, "0.0.0");
}

function read(text: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  const parsed = parse(text, args, env);
  if (parsed.kind !== "config") throw new Error(JSON.stringify(parsed));
  return parsed;
}

/** The refusal, with the path left out. */
function refusal(text: string): string {
  const parsed = parse(text);
  if (parsed.kind !== "invalid") throw new Error(JSON.stringify(parsed));
  return parsed.reason.replaceAll(path, "FILE");
}

describe("a configuration file", () => {
  it("counts alone", () => {
    const { config } = read("name: filed\n", ["--name", "flag"], { ETCD_MAX_TXN_OPS: "7" });
    expect([config.name, config.maxTxnOps]).toEqual(["filed", 128]);
  });

  it("may be YAML", () => {
    const { config } = read(`
# Every kind of value.
Name: filed
heartbeat-interval: 200
election-timeout: 2000
backend-batch-interval: 50000000   # nanoseconds
quota-backend-bytes: 9223372036854775807
listen-client-urls: http://127.0.0.1:28500,http://127.0.0.1:28501
log-outputs: [stdout]
pre-vote: no
auto-compaction-retention: "1"
host-whitelist: a,b,a
socket-options:
  reuse-address: true
client-transport-security:
  cert-file: ""
  auto-tls: false
`);
    expect(config).toMatchObject({
      name: "filed",
      heartbeatIntervalMs: 200,
      electionTimeoutMs: 2000,
      backendBatchIntervalMs: 50,
      quotaBackendBytes: Number.MAX_SAFE_INTEGER,
      listenClientUrls: ["http://127.0.0.1:28500", "http://127.0.0.1:28501"],
      // Where to listen says nothing about what to tell clients, as it would on the command line.
      advertiseClientUrls: ["http://localhost:2379"],
      logOutputs: ["stdout"],
      preVote: false,
      hostWhitelist: ["a", "b"],
      socketReuseAddress: true,
    });
  });

  it("may be JSON, or empty", () => {
    expect(read('{\n\t"name": "filed",\n\t"log-outputs": ["stdout"]\n}').config.name).toBe("filed");
    expect(read("").config.name).toBe("default");
    expect(read("# nothing\n").config.name).toBe("default");
  });

  it("may use anchors and merges", () => {
    const { config } = read("base: &base\n  name: merged\n  max-txn-ops: 5\n<<: *base\nmax-txn-ops: 6\n");
    expect([config.name, config.maxTxnOps]).toEqual(["merged", 6]);
  });

  it("warns of keys that mean nothing", () => {
    const { notices } = read("name: a\nsnapshot-cuont: 5\ncompaction: {mode: none}\n");
    const unknown = notices.filter(({ message }) => message.startsWith("unknown key"));
    expect(unknown.map(({ level, fields }) => [level, fields])).toEqual([
      ["warn", { path, line: 2, key: "snapshot-cuont" }],
      ["warn", { path, line: 3, key: "compaction" }],
    ]);
  });
});

const REFUSALS: readonly (readonly [text: string, reason: string])[] = [
  [
    "name: a\nsnapshot-count: many\n",
    'FILE:2: snapshot-count must be a whole number from 0 to 18446744073709551615, not the text "many": write it without quotes',
  ],
  [
    "max-concurrent-streams: 4294967296\n",
    "FILE:1: max-concurrent-streams must be a whole number from 0 to 4294967295, not 4294967296: write it without quotes",
  ],
  [
    "backend-batch-interval: 100ms\n",
    'FILE:1: backend-batch-interval must be a whole number of nanoseconds, not the text "100ms": for example 100000000',
  ],
  [
    "backend-batch-interval: soon\n",
    'FILE:1: backend-batch-interval must be a whole number of nanoseconds, not the text "soon": for example 1000000000',
  ],
  [
    'pre-vote: "true"\n',
    'FILE:1: pre-vote must be true or false, not the text "true": write one of them, without quotes',
  ],
  [
    "auto-compaction-retention: 1\n",
    "FILE:1: auto-compaction-retention must be text, not 1: put it in quotes",
  ],
  [
    "listen-peer-urls:\n  - http://127.0.0.1:1\n",
    "FILE:1: listen-peer-urls must be text, not a list: write its parts with commas between them",
  ],
  [
    "log-outputs: stdout\n",
    'FILE:1: log-outputs must be a list of texts, not the text "stdout": write [first, second]',
  ],
  [
    "\n\nlisten-client-urls: nonsense\n",
    "FILE:3: unexpected error setting up listen-client-urls: URL scheme must be http, https, unix, or unixs: nonsense",
  ],
  [
    "socket-options: all\n",
    'FILE:1: socket-options must be a mapping, not the text "all": write its settings under it, indented',
  ],
  [
    "socket-options:\n  reuse-port: 1\n",
    "FILE:1: reuse-port must be true or false, not 1: write one of them, without quotes",
  ],
  [
    "peer-transport-security: {auto-tls: true}\n",
    "FILE:1: peer-transport-security: auto-tls is not supported by this version",
  ],
  ["name: a\nNAME: b\n", "FILE:2: this key is in the file before: remove one of the two"],
  ["name: a\n---\nname: b\n", "FILE:2: a second document begins: a configuration has only one"],
  ["- name\n", 'FILE:1: not a mapping: write one "name: value" per setting'],
  ["name: *nobody\n", "FILE: Unresolved alias (the anchor must be set before the alias): nobody"],
];

describe("a refusal says where, why and what to do:", () => {
  it.each(REFUSALS)("%j", (text, reason) => {
    expect(refusal(text)).toBe(reason);
  });

  it.each(["name: a: b\n", "\tname: a\n", 'name: "a\n', '{"name": "a"', "name: !ours a\n"])("%j", (text) => {
    expect(refusal(text)).toMatch(/^FILE:\d: no valid YAML or JSON: \w/);
  });

  it("aliases that grow beyond measure", () => {
    const level = (name: string, of: string) => `${name}: &${name} [${Array(9).fill(of).join(", ")}]\n`;
    const bomb = level("a", "x") + level("b", "*a") + level("c", "*b") + level("d", "*c");
    expect(refusal(bomb)).toBe("FILE: Excessive alias count indicates a resource exhaustion attack");
  });

  it("a file that is not there", () => {
    const parsed = parseArguments(["--config-file", "/nonexistent/file"], {}, "0.0.0");
    expect(parsed).toMatchObject({ reason: "open /nonexistent/file: no such file or directory" });
  });
});
