// The embedding API: a member in this process, talked to by this package's own client over real sockets.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Client, compare, op } from "#client";
import { defaultConfig, type EtcdConfig } from "./config.js";
import { type EmbedOptions, Etcd } from "./etcd.js";
import { ZapShapedLogger } from "./logger.js";

let root: string;
let open: { close(): Promise<void> | void }[];
let lines: string[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "etcd-embed-"));
  open = [];
  lines = [];
});

afterEach(async () => {
  for (const one of open.reverse()) await one.close();
  rmSync(root, { recursive: true, force: true });
});

function configFor(name: string, changes: Partial<EtcdConfig> = {}): EtcdConfig {
  return {
    ...defaultConfig(),
    dataDir: join(root, name),
    listenClientUrls: ["http://127.0.0.1:0"],
    ...changes,
  };
}

async function start(config: EtcdConfig, options: EmbedOptions = {}): Promise<Etcd> {
  const logger = new ZapShapedLogger("info", "json", { write: (line) => lines.push(line) });
  const etcd = await Etcd.start(config, { logger, ...options });
  open.push({ close: () => etcd.stop() });
  return etcd;
}

function clientOf(etcd: Etcd): Client {
  const client = new Client({ endpoints: [`127.0.0.1:${etcd.clientPort()}`] });
  open.push(client);
  return client;
}

function get(port: number, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

const messages = (): unknown[] => lines.map((line) => JSON.parse(line).msg);

describe.each([
  { mode: "database", memory: false },
  { mode: "memory", memory: true },
])("an embedded member, $mode", ({ memory }) => {
  it("serves, stops, and has everything when it starts again", async () => {
    const config = configFor("a", { snapshotCount: 20 });
    const first = await start(config, { memory });
    const client = clientOf(first);
    for (let i = 0; i < 60; i++) await client.kv.put(`k${i}`, `v${i}`);
    await client.kv.delete("k0");
    client.close();
    await first.stop();

    const second = await start(config, { memory });
    const again = clientOf(second);
    expect((await again.kv.get("k", { prefix: true, countOnly: true })).count).toBe(59);
    expect((await again.kv.get("k59")).kvs[0].value).toEqual(new TextEncoder().encode("v59"));
    expect(messages()).toContain("saved snapshot");
  });
});

describe("the embedding API", () => {
  it("runs two members side by side, which know nothing of each other", async () => {
    const [a, b] = [await start(configFor("a")), await start(configFor("b"))];
    expect(a.clientPort()).not.toBe(b.clientPort());
    const [toA, toB] = [clientOf(a), clientOf(b)];
    await toA.kv.put("name", "a");
    await toB.kv.put("name", "b");
    await toB.kv.put("name", "b2");
    expect((await toA.kv.get("name")).kvs[0].version).toBe(1);
    expect((await toB.kv.get("name")).kvs[0].version).toBe(2);
  });

  it("serves transactions, watches and leases to the client of this package", async () => {
    const client = clientOf(await start(configFor("a")));
    const watcher = client.watch.create("w");
    const seen: string[] = [];
    const done = (async () => {
      for await (const response of watcher) {
        for (const event of response.events)
          seen.push(`${event.type} ${new TextDecoder().decode(event.kv.value)}`);
        if (seen.length >= 2) break;
      }
    })();
    await client.kv.txn({ compare: [compare.version("w", "=", 0)], success: [op.put("w", "1")] });
    const { id } = await client.lease.grant(60);
    await client.kv.put("leased", "x", { lease: id });
    await client.kv.delete("w");
    await done;
    expect(seen).toEqual(["put 1", "delete "]);
    await client.lease.revoke(id);
    expect((await client.kv.get("leased")).count).toBe(0);
  });

  it("ends watches at once when it stops, answers nothing after that, and may be stopped twice", async () => {
    const etcd = await start(configFor("a"));
    const client = clientOf(etcd);
    await client.kv.put("x", "1");
    const watcher = client.watch.create("x");
    const ended = (async () => {
      for await (const _ of watcher);
    })().catch(() => {});
    await client.kv.put("x", "2");
    const began = performance.now();
    await Promise.all([etcd.stop(), etcd.stop()]);
    expect(performance.now() - began).toBeLessThan(1500);
    await expect(client.kv.get("x", { timeoutMs: 300 })).rejects.toThrow();
    client.close();
    await ended;
  });

  it("refuses a second member on the same data directory, and an address in use, and leaves nothing open", async () => {
    const first = await start(configFor("a"));
    await expect(start(configFor("a"))).rejects.toThrow(/cannot access data directory: .*already locked/);
    const taken = `http://127.0.0.1:${first.clientPort()}`;
    await expect(start(configFor("b", { listenClientUrls: [taken] }))).rejects.toThrow(
      `listen tcp 127.0.0.1:${first.clientPort()}: bind: address already in use`,
    );
    // The lock of b is free again.
    const second = await start(configFor("b"));
    await clientOf(second).kv.put("k", "v");
  });

  it.each([
    [
      "a cluster of several",
      { initialCluster: "default=http://localhost:2380,b=http://localhost:2390" },
      /clusters of one/,
    ],
    ["joining", { initialClusterState: "existing" as const }, /cannot join/],
    ["force-new-cluster", { forceNewCluster: true }, /not supported/],
    ["TLS", { listenClientUrls: ["https://127.0.0.1:0"] }, /TLS key\/cert/],
  ])("refuses %s, which it cannot do", async (_, changes, reason) => {
    await expect(start(configFor("a", changes))).rejects.toThrow(reason);
  });

  it("logs what tools wait for, and no key or value", async () => {
    const etcd = await start(configFor("a", { snapshotCount: 5 }));
    const client = clientOf(etcd);
    for (let i = 0; i < 12; i++) await client.kv.put("secret-key", "secret-value");
    const { revision } = (await client.kv.get("secret-key")).header;
    await client.kv.compact(revision, { physical: true });
    await etcd.stop();
    for (const message of [
      "starting an etcd server",
      "starting local member",
      "published local member to cluster through raft",
      "ready to serve client requests",
      "serving client traffic insecurely; this is strongly discouraged!",
      "grpc service status changed",
      "finished scheduled compaction",
      "saved snapshot",
      "closed etcd server",
    ])
      expect(messages()).toContain(message);
    expect(messages().some((text) => /became leader at term/.test(String(text)))).toBe(true);
    expect(lines.join("")).not.toContain("secret");
    for (const line of lines) expect(["info", "warn"]).toContain(JSON.parse(line).level);
  });

  it("warns of slow applies and slow requests", async () => {
    const etcd = await start(configFor("a", { warningApplyDurationMs: 0, warningUnaryRequestDurationMs: 0 }));
    await clientOf(etcd).kv.put("k", "v");
    expect(messages()).toContain("apply request took too long");
    const slow = lines.map((line) => JSON.parse(line)).find((line) => line.msg === "request stats");
    expect(slow).toMatchObject({ level: "warn", "response type": "/etcdserverpb.KV/Put", "grpc-code": "OK" });
  });
});

describe("metrics", () => {
  /** What etcd 3.7 exposes on one member without peers, beside the families of Go's runtime. */
  const names = readFileSync(new URL("./testdata/metrics.txt", import.meta.url), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));

  it("have etcd's names, types and labels", async () => {
    const etcd = await start(configFor("a", { metrics: "extensive" }), {
      logger: new ZapShapedLogger("error", "json", { write: () => {} }),
    });
    const client = clientOf(etcd);
    await client.kv.put("k", "v");
    await client.kv.get("k");
    await client.lease.grant(100);
    const port = etcd.clientPort();
    for (const path of ["/health", "/readyz"]) expect((await get(port, path)).status).toBe(200);
    const { body } = await get(port, "/metrics");
    const types = new Map([...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
    const missing: string[] = [];
    for (const line of names) {
      const [name, type, labels = ""] = line.split(" ");
      if (types.get(name) !== type) missing.push(`${name} ${type}: ${types.get(name)}`);
      const sample = body.split("\n").find((row) => new RegExp(`^${name}(_bucket)?[{ ]`).test(row)) ?? "";
      for (const label of labels.split(",").filter((one) => one !== ""))
        if (!sample.includes(`${label}="`)) missing.push(`${name}: no label ${label} in ${sample}`);
    }
    expect(missing).toEqual([]);
    for (const row of [
      'etcd_server_apply_duration_seconds_count{version="v3",op="Put",success="true"} 1',
      'etcd_server_request_duration_seconds_count{type="Put",success="true"} 1',
      'etcd_server_range_duration_seconds_count{success="true"} 1',
      'grpc_server_handling_seconds_count{grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="Put"} 1',
      "etcd_debugging_lease_ttl_total_sum 100",
      "etcd_server_has_leader 1",
    ])
      expect(body.split("\n")).toContain(row);
  });

  it("leave the histogram of every method out unless asked", async () => {
    const etcd = await start(configFor("a"), { memory: true });
    expect((await get(etcd.clientPort(), "/metrics")).body).not.toContain("grpc_server_handling_seconds");
  });
});
