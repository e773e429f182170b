// The life of the `etcd` process: how it starts, how it says no, and how it ends.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Client } from "#client";
import { EtcdProcess, ownFlags } from "./etcd-process.js";

let root: string;
let processes: EtcdProcess[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "etcd-life-"));
  processes = [];
});

afterEach(async () => {
  for (const one of processes) await one.stop("SIGKILL");
  rmSync(root, { recursive: true, force: true });
});

function run(args: readonly string[]): EtcdProcess {
  const started = new EtcdProcess(args);
  processes.push(started);
  return started;
}

describe("an end by signal", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s: requests in flight are answered, then the process ends by it",
    async (signal) => {
      const { endpoint, flags } = await ownFlags(join(root, "d"));
      const etcd = await run(flags).ready();
      const client = new Client({ endpoints: [endpoint], maxUnaryRetries: 1 });
      const watcher = client.watch.create("k", { prefix: true });
      const watched = (async () => {
        for await (const _ of watcher);
      })().catch(() => {});
      const acknowledged: string[] = [];
      let refused = 0;
      const began = performance.now();
      const writers = Array.from({ length: 20 }, async (_, writer) => {
        for (let i = 0; refused === 0; i++) {
          const key = `k${writer}/${i}`;
          await client.kv.put(key, "v", { timeoutMs: 1000 }).then(
            () => acknowledged.push(key),
            () => refused++,
          );
        }
      });
      await new Promise((resolve) => setTimeout(resolve, 300));
      const stopAt = performance.now();
      expect(await etcd.stop(signal)).toEqual({ code: null, signal });
      expect(performance.now() - stopAt).toBeLessThan(3000);
      await Promise.all(writers);
      client.close();
      await watched;
      expect(performance.now() - began).toBeLessThan(15_000);
      expect(acknowledged.length).toBeGreaterThan(20);
      expect(etcd.messages).toContain("closed etcd server");
      expect(etcd.lines.filter((line) => line.level === "error" || line.level === "fatal")).toEqual([]);

      const again = await run(flags).ready();
      const reader = new Client({ endpoints: [endpoint] });
      const { kvs } = await reader.kv.get("k", { prefix: true });
      reader.close();
      const there = new Set(kvs.map((kv) => new TextDecoder().decode(kv.key)));
      expect(acknowledged.filter((key) => !there.has(key))).toEqual([]);
      await again.stop();
    },
  );
});

describe("a refusal to start", () => {
  test("a second process on one data directory, and on one address", async () => {
    const { endpoint, flags } = await ownFlags(join(root, "d"));
    await run(flags).ready();
    const other = await ownFlags(join(root, "d"));
    const second = run(other.flags);
    expect(await second.ended).toEqual({ code: 1, signal: null });
    expect(second.fatalLine.msg).toBe("failed to start etcd");
    expect(second.fatalLine["error"]).toMatch(/^cannot access data directory: .*file already locked/);
    const third = run([
      ...["--data-dir", join(root, "e"), "--listen-client-urls", `http://${endpoint}`],
      ...["--advertise-client-urls", `http://${endpoint}`],
    ]);
    expect(await third.ended).toEqual({ code: 1, signal: null });
    expect(third.fatalLine["error"]).toBe(`listen tcp ${endpoint}: bind: address already in use`);
  });

  test.each([
    ["several members", ["--initial-cluster", "default=http://localhost:2380,b=http://localhost:2390"]],
    ["joining", ["--initial-cluster-state", "existing"]],
    ["TLS", ["--cert-file", "/nowhere.pem"]],
  ])("%s: not in this version, so not started", async (_, more) => {
    const { flags } = await ownFlags(join(root, "d"));
    const etcd = run([...flags, ...more]);
    expect((await etcd.ended).code).toBe(1);
    expect(etcd.stderr).toMatch(/not supported by this version|clusters of one only|KeyFile/);
  });
});

/** A file system of its own, which needs root: elsewhere these tests are not run. */
const canMount = process.getuid?.() === 0 && spawnSync("mount", ["--version"]).status === 0;

describe.skipIf(!canMount)("a full disk", () => {
  let disk: string;

  beforeEach(() => {
    disk = join(root, "disk");
    mkdirSync(disk);
  });

  afterEach(async () => {
    for (const one of processes) await one.stop("SIGKILL");
    spawnSync("umount", [disk]);
  });

  function mount(options: string): boolean {
    return spawnSync("mount", ["-t", "tmpfs", "-o", options, "none", disk]).status === 0;
  }

  async function fill(client: Client): Promise<{ acknowledged: number; refusal: string }> {
    for (let i = 0; ; i++) {
      const error = await client.kv.put(`k${i}`, "x".repeat(200_000), { timeoutMs: 5000 }).then(
        () => undefined,
        (reason: unknown) => String(reason),
      );
      if (error !== undefined) return { acknowledged: i, refusal: error };
    }
  }

  test("no room for another segment of the log: writes are refused, reads go on", async (context) => {
    if (!mount("size=100m")) return context.skip();
    const { endpoint, flags } = await ownFlags(join(disk, "d"));
    const etcd = await run(flags).ready();
    const client = new Client({ endpoints: [endpoint], maxUnaryRetries: 1 });
    for (let i = 0; i < 200 && !etcd.messages.includes("alarms changed"); i++)
      await new Promise((resolve) => setTimeout(resolve, 25));
    const { refusal } = await fill(client);
    expect(refusal).toContain("etcdserver: mvcc: database space exceeded");
    expect((await client.kv.get("k", { prefix: true, countOnly: true })).count).toBeGreaterThanOrEqual(0);
    await client.kv.delete("k", { prefix: true });
    client.close();
    const line = etcd.lines.find((one) => one.level === "error");
    expect(line).toMatchObject({
      msg: expect.stringContaining("the disk is full"),
      path: expect.stringContaining("/member/wal/"),
    });
    expect(line?.["remedy"]).toContain("etcdctl alarm disarm");
    expect(await etcd.stop()).toEqual({ code: null, signal: "SIGTERM" });
  });

  test("no room for the database: the process ends at once, and with room again everything is there", async (context) => {
    if (!mount("size=160m")) return context.skip();
    const { endpoint, flags } = await ownFlags(join(disk, "d"));
    const etcd = await run(flags).ready();
    const client = new Client({ endpoints: [endpoint], maxUnaryRetries: 1 });
    const { acknowledged } = await fill(client);
    client.close();
    expect(await etcd.ended).toEqual({ code: 1, signal: null });
    expect(etcd.fatalLine).toMatchObject({
      msg: expect.stringContaining("ENOSPC"),
      path: expect.stringContaining("db.lmdb"),
      remedy: expect.stringContaining("make room"),
    });
    expect(mount("remount,size=400m")).toBe(true);
    const again = await run(flags).ready();
    const reader = new Client({ endpoints: [endpoint] });
    const { count } = await reader.kv.get("k", { prefix: true, countOnly: true });
    reader.close();
    expect(count).toBeGreaterThanOrEqual(acknowledged);
    await again.stop();
  });
});
