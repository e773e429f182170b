// Disks that fail. The disk is one in memory that can be told to; the member is a real one, with its real log, on top.
// Whatever happens, what was acknowledged before is there after a restart, and nothing is acknowledged after a failure.

import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { SeededRandom, SILENT, utf8, WireWriter } from "#base";
import { decodeRangeRequest, type RpcError, rpcpb } from "#proto";
import { NODE_CLOCK } from "#rpc";
import { MemoryBackend, MemoryDisk } from "#storage";
import type { ServerConfig } from "./config.js";
import { Operation } from "./request.js";
import { type RunningMember, startMember } from "./start.js";
import { type EntryOutcome, Waiter } from "./waiters.js";

const CONFIG: ServerConfig = {
  name: "default",
  advertiseClientUrls: ["http://127.0.0.1:2379"],
  initialAdvertisePeerUrls: ["http://127.0.0.1:2380"],
  initialCluster: "default=http://127.0.0.1:2380",
  initialClusterToken: "t",
  snapshotCount: 10_000,
  snapshotCatchupEntries: 5000,
  maxSnapshots: 5,
  maxWals: 5,
  heartbeatIntervalMs: 10,
  electionTimeoutMs: 100,
  initialElectionTickAdvance: true,
  preVote: true,
  quotaBackendBytes: 1 << 30,
  backendBatchIntervalMs: 20,
  backendBatchLimit: 10_000,
  maxTxnOps: 128,
  maxRequestBytes: 1 << 20,
  autoCompactionMode: "periodic",
  autoCompactionRetention: 0,
  compactionBatchLimit: 1000,
  compactionSleepIntervalMs: 1,
  watchProgressNotifyIntervalMs: 600_000,
  warningApplyDurationMs: 1000,
  warningUnaryRequestDurationMs: 1000,
  unsafeNoFsync: false,
  featureGates: {},
};

const NOBODY = { send(): void {}, sendSnapshot(): void {} };

class Life {
  readonly fatal: unknown[] = [];
  running!: RunningMember;

  static async begin(
    disk: MemoryDisk,
    options: { onMainThread?: boolean; segmentBytes?: number; config?: Partial<ServerConfig> } = {},
  ): Promise<Life> {
    const life = new Life();
    life.running = await startMember({
      config: { ...CONFIG, ...options.config },
      dataDir: "/d",
      walDir: "",
      disk,
      clock: NODE_CLOCK,
      random: new SeededRandom(1),
      logger: SILENT,
      openBackend: (directory) => MemoryBackend.open(disk, `${directory}/db.journal`),
      transport: NOBODY,
      snapshotSender: NOBODY,
      mainThreadSync: options.onMainThread ?? true,
      bounds: { walSegmentBytes: options.segmentBytes ?? 1 << 20 },
      onFatal: (error) => life.fatal.push(error),
    });
    await life.running.member.ready();
    return life;
  }

  put(key: string): Promise<RpcError | undefined> {
    return new Promise((resolve) => {
      const body = toBinary(
        rpcpb.PutRequestSchema,
        create(rpcpb.PutRequestSchema, { key: utf8(key), value: utf8("v") }),
      );
      this.running.member.propose(Operation.Put, body, new Told(resolve));
    });
  }

  has(key: string): boolean {
    const request = create(rpcpb.RangeRequestSchema, { key: utf8(key), countOnly: true });
    const out = new WireWriter(64);
    this.running.member.store.range(decodeRangeRequest(toBinary(rpcpb.RangeRequestSchema, request)), out);
    return out.length > 0;
  }
}

class Told extends Waiter {
  constructor(private readonly tell: (error: RpcError | undefined) => void) {
    super();
  }

  onApplied(outcome: EntryOutcome): void {
    this.tell(outcome.error);
  }

  onFailed(error: RpcError): void {
    this.tell(error);
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never happened: ${what}`);
}

/** Puts until one is refused. */
async function putUntilRefused(life: Life, acknowledged: string[], name: string): Promise<RpcError> {
  for (let i = 0; i < 2000; i++) {
    const key = `${name}${i}`;
    const error = await life.put(key);
    if (error !== undefined) return error;
    acknowledged.push(key);
  }
  throw new Error("nothing was ever refused");
}

describe.each([{ onMainThread: true }, { onMainThread: false }])(
  "a disk that fails, log written on the main thread: $onMainThread",
  ({ onMainThread }) => {
    it.each([
      ["datasync", "EIO"],
      ["write", "EIO"],
      ["write", "ENOSPC"],
    ])(
      "a %s of the log that fails with %s ends the member, and loses nothing acknowledged",
      async (kind, code) => {
        const disk = new MemoryDisk();
        const life = await Life.begin(disk, { onMainThread });
        const acknowledged: string[] = [];
        for (let i = 0; i < 20; i++) {
          expect(await life.put(`k${i}`)).toBeUndefined();
          acknowledged.push(`k${i}`);
        }
        disk.plan = (operation) =>
          operation.kind === kind && operation.path.endsWith(".wal") ? { fail: code } : {};
        const began = performance.now();
        const refused = await putUntilRefused(life, acknowledged, "late");
        expect(performance.now() - began).toBeLessThan(1000);
        expect(refused.message).toBe("etcdserver: server stopped");
        expect(acknowledged).toHaveLength(20);
        expect(life.fatal).toHaveLength(1);
        expect(String(life.fatal[0])).toMatch(new RegExp(`wal: write failed: .*\\.wal.*${code}`));
        // It stays refused, and the disk's recovery changes nothing.
        disk.plan = () => ({});
        expect((await life.put("later"))?.message).toBe("etcdserver: server stopped");
        await life.running.stop();

        const again = await Life.begin(disk.crash(new SeededRandom(7)), { onMainThread });
        for (const key of acknowledged) expect(again.has(key)).toBe(true);
        expect(again.has("later")).toBe(false);
        expect(await again.put("goes on")).toBeUndefined();
        await again.running.stop();
      },
    );

    it("a commit of the database that fails ends the member; the log has everything", async () => {
      const disk = new MemoryDisk();
      const life = await Life.begin(disk, { onMainThread });
      const acknowledged: string[] = [];
      expect(await life.put("before")).toBeUndefined();
      disk.plan = (operation) => (operation.path.endsWith(".journal") ? { fail: "ENOSPC" } : {});
      for (let i = 0; i < 5; i++) if ((await life.put(`k${i}`)) === undefined) acknowledged.push(`k${i}`);
      await until(() => life.fatal.length > 0, "the commit fails");
      expect(String(life.fatal[0])).toContain("ENOSPC");
      expect((await life.put("after"))?.message).toBe("etcdserver: server stopped");
      disk.plan = () => ({});
      await life.running.stop();
      const again = await Life.begin(disk.crash(new SeededRandom(3)), { onMainThread });
      for (const key of ["before", ...acknowledged]) expect(again.has(key)).toBe(true);
      await again.running.stop();
    });
  },
);

it("no room for the next segment of the log raises NOSPACE: no more growth, but reads and deletions", async () => {
  const disk = new MemoryDisk();
  let isFull = false;
  disk.plan = (operation) =>
    // The little that is left is enough for records, not for filling a whole segment.
    isFull && operation.kind === "write" && operation.path.endsWith(".tmp") && operation.bytes > 4096
      ? { fail: "ENOSPC" }
      : {};
  const life = await Life.begin(disk, { segmentBytes: 16 * 1024 });
  const { member } = life.running;
  expect(await life.put("first")).toBeUndefined();
  isFull = true;
  const acknowledged: string[] = [];
  const refused = await putUntilRefused(life, acknowledged, "k");
  expect(refused.message).toBe("etcdserver: mvcc: database space exceeded");
  expect(member.alarmNames()).toEqual(["NOSPACE"]);
  expect(life.fatal).toEqual([]);
  expect(life.has("first")).toBe(true);
  await life.running.stop();
  isFull = false;
  const again = await Life.begin(disk.crash(new SeededRandom(5)), { segmentBytes: 16 * 1024 });
  for (const key of acknowledged) expect(again.has(key)).toBe(true);
  expect(again.running.member.alarmNames()).toEqual(["NOSPACE"]);
  await again.running.stop();
});

it("a start that fails at any operation of the disk leaves a directory that the next start can use", async () => {
  const settled = new MemoryDisk();
  const life = await Life.begin(settled, { config: { snapshotCount: 5 } });
  for (let i = 0; i < 30; i++) await life.put(`k${i}`);
  await life.running.stop();
  let failures = 0;
  for (let at = 1; at < 200; at++) {
    const disk = settled.clone();
    disk.failAt(at, "EIO");
    const started = await Life.begin(disk).then(
      (running) => running,
      () => undefined,
    );
    if (started === undefined) failures++;
    else await started.running.stop().catch(() => undefined);
    disk.plan = () => ({});
    if (started !== undefined && started.fatal.length === 0 && disk.operations < at) break;
    const again = await Life.begin(disk.crash(new SeededRandom(at)));
    for (let i = 0; i < 30; i++) expect(again.has(`k${i}`), `operation ${at}, key ${i}`).toBe(true);
    await again.running.stop();
  }
  expect(failures).toBeGreaterThan(5);
});

it("a member that fails before it is ready says so", async () => {
  const disk = new MemoryDisk();
  disk.plan = (operation) =>
    operation.kind === "datasync" && operation.path.startsWith("/d/member/wal/") ? { fail: "EIO" } : {};
  await expect(Life.begin(disk)).rejects.toThrow("etcdserver: server stopped");
});
