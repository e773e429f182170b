// Disks that fail. The disk is one in memory that can be told to; the member is a real one, with its real log, on top.
// Whatever happens, what was acknowledged before is there after a restart, and nothing is acknowledged after a failure.

import { describe, expect, it } from "vitest";
import { SeededRandom } from "#base";
import type { RpcError } from "#proto";
import { MemoryDisk } from "#storage";
import { Life, until } from "./testkit.js";

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
