// Flags of the `etcd` command that were read must also have their effect. A sample, one behaviour each.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Client, op } from "#client";
import { freePort } from "../support/index.js";
import { EtcdProcess, ownFlags } from "./etcd-process.js";

let root: string;
let closers: (() => unknown)[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "etcd-flags-"));
  closers = [];
});

afterEach(async () => {
  for (const close of closers.reverse()) await close();
  rmSync(root, { recursive: true, force: true });
});

async function member(...more: string[]): Promise<{ etcd: EtcdProcess; endpoint: string; client: Client }> {
  const { endpoint, flags } = await ownFlags(join(root, "d"));
  const etcd = new EtcdProcess([...flags, ...more]);
  closers.push(() => etcd.stop("SIGKILL"));
  await etcd.ready();
  const client = new Client({ endpoints: [endpoint], maxUnaryRetries: 1 });
  closers.push(() => client.close());
  return { etcd, endpoint, client };
}

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

function get(
  where: { host?: string; port?: number; socketPath?: string },
  path: string,
  headers = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...where, path, headers, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}

const at = (endpoint: string) => ({ host: "127.0.0.1", port: Number(endpoint.split(":")[1]) });

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never happened: ${what}`);
}

test("--version, --help and what is no flag", async () => {
  const version = new EtcdProcess(["--version"]);
  expect(await version.ended).toEqual({ code: 0, signal: null });
  const lines = version.stdout.split("\n");
  expect(lines[0]).toMatch(/^etcd Version: 3\.\d+\.\d+$/);
  expect(lines[1]).toMatch(/^Git SHA: /);
  expect(lines[2]).toMatch(/^Go Version: /);
  expect(lines[3]).toMatch(/^Go OS\/Arch: \w+\/\w+$/);
  const help = new EtcdProcess(["--help"]);
  expect((await help.ended).code).toBe(0);
  expect(help.stdout).toContain("--listen-client-urls");
  const unknown = new EtcdProcess(["--no-such-flag"]);
  expect((await unknown.ended).code).toBe(2);
  expect(unknown.stderr).toContain("flag provided but not defined: -no-such-flag");
});

test("--cors and --host-whitelist", async () => {
  const { endpoint } = await member(
    "--cors",
    "http://good.example:8080",
    "--host-whitelist",
    "127.0.0.1,good.example",
  );
  const good = await get(at(endpoint), "/version", { origin: "http://good.example:8080" });
  expect(good).toMatchObject({
    status: 200,
    headers: { "access-control-allow-origin": "http://good.example:8080" },
  });
  const bad = await get(at(endpoint), "/version", { origin: "http://bad.example:8080" });
  expect(bad.headers["access-control-allow-origin"]).toBeUndefined();
  expect((await get(at(endpoint), "/version", { host: "good.example" })).status).toBe(200);
  expect((await get(at(endpoint), "/version", { host: "rebound.example" })).status).toBe(421);
});

test("--listen-metrics-urls, --listen-client-http-urls and --metrics=extensive", async () => {
  const [metricsPort, httpPort] = [await freePort(), await freePort()];
  const { endpoint, client } = await member(
    ...["--listen-metrics-urls", `http://127.0.0.1:${metricsPort}`],
    ...["--listen-client-http-urls", `http://127.0.0.1:${httpPort}`],
    "--metrics=extensive",
  );
  await client.kv.put("k", "v");
  const metrics = await get({ host: "127.0.0.1", port: metricsPort }, "/metrics");
  expect(metrics.body).toContain('grpc_server_handling_seconds_count{grpc_type="unary"');
  expect((await get({ host: "127.0.0.1", port: metricsPort }, "/health")).status).toBe(200);
  expect((await get({ host: "127.0.0.1", port: metricsPort }, "/version")).status).toBe(404);
  expect((await get({ host: "127.0.0.1", port: httpPort }, "/version")).status).toBe(200);
  await expect(get(at(endpoint), "/version")).rejects.toThrow();
});

test("--max-concurrent-streams and --grpc-keepalive-min-time", async () => {
  const { endpoint } = await member("--max-concurrent-streams", "7", "--grpc-keepalive-min-time", "1h");
  const session = connect(`http://${endpoint}`);
  closers.push(() => session.destroy());
  session.on("error", () => {});
  await until(() => session.remoteSettings?.maxConcurrentStreams === 7, "the setting arrives");
  let goaway = 0;
  session.on("goaway", (code) => {
    goaway = code;
  });
  for (let i = 0; i < 6 && goaway === 0; i++)
    await new Promise((resolve) => session.ping(() => resolve(undefined)));
  await until(() => goaway === 11, "GOAWAY with ENHANCE_YOUR_CALM");
});

test("--log-level, --log-format and --log-outputs", async () => {
  const file = join(root, "etcd.log");
  const { flags } = await ownFlags(join(root, "d"));
  const more = ["--log-outputs", `stderr,${file}`, "--log-format", "console", "--log-level", "debug"];
  const etcd = await new EtcdProcess([...flags, ...more]).ready();
  await etcd.stop();
  expect(readFileSync(file, "utf8")).toBe(etcd.stderr);
  expect(etcd.stderr).toMatch(/^\S+Z\tinfo\t\S+\tready to serve client requests/m);
  const quiet = new EtcdProcess([...flags, "--log-level", "error"]);
  await until(() => statSync(join(root, "d", "member", "wal")).isDirectory(), "it runs");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await quiet.stop();
  expect(quiet.stderr).toBe("");
});

test("--wal-dir, --snapshot-count and --max-snapshots", async () => {
  const wal = join(root, "elsewhere");
  const { client, etcd } = await member("--wal-dir", wal, "--snapshot-count", "5");
  for (let i = 0; i < 20; i++) await client.kv.put("k", String(i));
  await until(() => etcd.messages.includes("saved snapshot"), "a snapshot");
  expect(readdirSync(wal).some((name) => name.endsWith(".wal"))).toBe(true);
  expect(existsSync(join(root, "d", "member", "wal"))).toBe(false);
  expect(readdirSync(join(root, "d", "member", "snap")).some((name) => name.endsWith(".snap"))).toBe(true);
});

test("--auto-compaction-retention", async () => {
  const { client, etcd } = await member("--auto-compaction-retention", "1s");
  for (let i = 0; i < 20; i++) await client.kv.put("k", String(i));
  const { revision } = (await client.kv.get("k")).header;
  await until(() => etcd.messages.includes("completed auto compaction"), "a compaction");
  await until(
    () =>
      client.kv.get("k", { revision: revision - 10 }).then(
        () => false,
        () => true,
      ),
    "old revisions go",
  );
});

test("--quota-backend-bytes", async () => {
  const { client, endpoint } = await member("--quota-backend-bytes", String(256 * 1024));
  let refusal = "";
  for (let i = 0; i < 400 && refusal === ""; i++) {
    refusal = await client.kv.put(`k${i}`, "x".repeat(10_000)).then(
      () => "",
      (error: unknown) => String(error),
    );
  }
  expect(refusal).toContain("etcdserver: mvcc: database space exceeded");
  await until(async () => (await get(at(endpoint), "/health")).body.includes("NOSPACE"), "the alarm");
});

test("--max-request-bytes and --max-txn-ops", async () => {
  const { client } = await member("--max-request-bytes", "20000", "--max-txn-ops", "2");
  await expect(client.kv.put("k", "x".repeat(21_000))).rejects.toThrow("etcdserver: request is too large");
  const success = ["a", "b", "c"].map((key) => op.put(key, "v"));
  await expect(client.kv.txn({ success })).rejects.toThrow("etcdserver: too many operations in txn request");
});

test("a unix socket, also where a killed member left one", async () => {
  const socket = join(root, "etcd.sock");
  const flags = ["--data-dir", join(root, "d"), "--listen-client-urls", `unix://${socket}`];
  flags.push("--advertise-client-urls", `unix://${socket}`);
  for (let life = 0; life < 2; life++) {
    const etcd = new EtcdProcess(flags);
    closers.push(() => etcd.stop("SIGKILL"));
    await etcd.ready();
    expect((await get({ socketPath: socket }, "/version")).status).toBe(200);
    await etcd.stop("SIGKILL");
    expect(existsSync(socket)).toBe(true);
  }
});

test("the environment", async () => {
  const { endpoint, flags } = await ownFlags(join(root, "d"));
  const etcd = new EtcdProcess(flags, { ETCD_NAME: "from-the-environment", ETCD_SNAPSHOT_COUNT: "7" });
  closers.push(() => etcd.stop("SIGKILL"));
  await etcd.ready();
  const client = new Client({ endpoints: [endpoint] });
  closers.push(() => client.close());
  expect((await client.cluster.list()).members[0].name).toBe("from-the-environment");
  expect(etcd.lines.find((line) => line.msg === "starting an etcd server")).toMatchObject({
    "snapshot-count": 7,
  });
});
