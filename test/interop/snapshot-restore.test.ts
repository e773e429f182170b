// A snapshot of a member, restored by the Go etcdutl into a Go member, which then serves every key. TARGETS=reference
// checks the test itself.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KV, Lease, Maintenance } from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import {
  newMember,
  referenceBin,
  requireReference,
  selectedTargets,
  type Target,
  TestClient,
} from "../support/index.js";
import { Etcdctl, runTool } from "./tool.js";

const KEYS = 3000;
const ALL = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
const haveTool = requireReference();

/** A history with everything in it: versions, deletes, a compaction, a lease, binary keys. */
async function fill(client: TestClient): Promise<void> {
  await client.must(Lease.method.leaseGrant, { ID: 4711n, TTL: 100_000n });
  for (let first = 0; first < KEYS; first += 100) {
    const success = Array.from({ length: 100 }, (_, i) => ({
      request: {
        case: "requestPut" as const,
        value: { key: Buffer.from(`key${first + i}`), value: Buffer.alloc(100, first + i) },
      },
    }));
    await client.must(KV.method.txn, { success });
  }
  await client.must(KV.method.put, { key: Buffer.from("leased"), value: Buffer.from("1"), lease: 4711n });
  await client.must(KV.method.put, { key: Buffer.from([0xff, 0]), value: Buffer.from([0, 0xff]) });
  const { header } = await client.must(KV.method.deleteRange, {
    key: Buffer.from("key10"),
    rangeEnd: Buffer.from("key11"),
  });
  await client.must(KV.method.put, { key: Buffer.from("key1"), value: Buffer.from("again") });
  await client.must(KV.method.compact, { revision: header!.revision, physical: true });
  await client.must(KV.method.put, { key: Buffer.from("key2"), value: Buffer.from("last") });
}

for (const target of selectedTargets()) {
  describe.skipIf(!haveTool)(`etcdutl snapshot restore of a snapshot from ${target}`, () => {
    let member: Target;
    let scratch: string;

    beforeAll(async () => {
      scratch = mkdtempSync(join(tmpdir(), "etcd-test-snapshot-"));
      member = newMember(target);
      await member.start();
    });
    afterAll(async () => {
      await member?.destroy();
      rmSync(scratch, { recursive: true, force: true });
    });

    test("the restored Go member serves every key with the same hash", async () => {
      const file = join(scratch, "snapshot.db");
      const restored = join(scratch, "restored");
      const client = new TestClient(member.endpoint);
      await fill(client);
      const before = await client.must(KV.method.range, ALL);
      const hashBefore = await client.must(Maintenance.method.hashKV, {});
      await new Etcdctl(member.endpoint).out(["snapshot", "save", file]);
      client.close();

      const etcdutl = join(referenceBin(), "etcdutl");
      const status = await runTool(etcdutl, ["snapshot", "status", file, "-w", "json"]);
      expect(status.stderr + status.stdout, "snapshot status").toContain('"totalKey"');
      const restore = await runTool(etcdutl, ["snapshot", "restore", file, "--data-dir", restored]);
      expect(restore.code, restore.stderr).toBe(0);

      const go = newMember("reference", [], restored);
      await go.start();
      try {
        const reader = new TestClient(go.endpoint);
        const after = await reader.must(KV.method.range, ALL);
        const hashAfter = await reader.must(Maintenance.method.hashKV, {});
        const lease = await reader.must(Lease.method.leaseTimeToLive, { ID: 4711n, keys: true });
        reader.close();
        expect(after.kvs.length).toBe(before.kvs.length);
        expect(after.kvs).toEqual(before.kvs);
        expect(after.header!.revision).toBe(before.header!.revision);
        expect(hashAfter.hash).toBe(hashBefore.hash);
        expect(lease.keys.map((key) => Buffer.from(key).toString())).toEqual(["leased"]);
      } finally {
        await go.kill();
      }
    });
  });
}
