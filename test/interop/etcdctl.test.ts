// The Go etcdctl of 3.5 against a member. TARGETS=reference checks the test itself.

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newMember, requireReference, selectedTargets, type Target } from "../support/index.js";
import { Etcdctl } from "./tool.js";

const haveTool = requireReference();

for (const target of selectedTargets()) {
  describe.skipIf(!haveTool)(`etcdctl 3.5 against ${target}`, () => {
    let member: Target;
    let ctl: Etcdctl;
    let scratch: string;

    beforeAll(async () => {
      member = newMember(target);
      await member.start();
      ctl = new Etcdctl(member.endpoint);
      scratch = mkdtempSync(join(tmpdir(), "etcd-test-ctl-"));
    });
    afterAll(async () => {
      await ctl?.stopAll();
      await member?.destroy();
      rmSync(scratch, { recursive: true, force: true });
    });

    test("put and get", async () => {
      expect(await ctl.out(["put", "a", "1"])).toBe("OK\n");
      expect(await ctl.out(["get", "a"])).toBe("a\n1\n");
      expect(await ctl.out(["put", "a", "2", "--prev-kv"])).toBe("OK\na\n1\n");
      expect(await ctl.out(["get", "a", "--print-value-only"])).toBe("2\n");
      expect(await ctl.out(["get", "nothing"])).toBe("");
    });

    test("put from standard input", async () => {
      expect(await ctl.out(["put", "piped"], { input: "many\nlines" })).toBe("OK\n");
      expect(await ctl.out(["get", "piped", "--print-value-only"])).toBe("many\nlines\n");
    });

    test("get with options", async () => {
      for (const key of ["p/1", "p/2", "p/3"]) await ctl.out(["put", key, `v${key.at(-1)}`]);
      expect(await ctl.out(["get", "p/", "--prefix", "--keys-only"])).toBe("p/1\n\np/2\n\np/3\n\n");
      expect(await ctl.out(["get", "p/", "--prefix", "--limit", "1"])).toBe("p/1\nv1\n");
      expect(await ctl.out(["get", "p/", "--prefix", "--order", "DESCEND", "--limit", "1"])).toBe(
        "p/3\nv3\n",
      );
      expect(await ctl.out(["get", "p/1", "p/3"])).toBe("p/1\nv1\np/2\nv2\n");
      expect(await ctl.out(["get", "p/2", "--from-key", "--limit", "2", "--consistency", "s"])).toContain(
        "p/2\nv2\n",
      );
      expect(await ctl.out(["get", "p/", "--prefix", "--count-only", "-w", "fields"])).toContain(
        '"Count" : 3',
      );
    });

    test("get at an old revision, as JSON", async () => {
      const put = JSON.parse(await ctl.out(["put", "j", "old", "-w", "json"]));
      await ctl.out(["put", "j", "new"]);
      const got = JSON.parse(await ctl.out(["get", "j", "--rev", String(put.header.revision), "-w", "json"]));
      expect(Buffer.from(got.kvs[0].value, "base64").toString()).toBe("old");
      expect(got.header.revision).toBe(put.header.revision + 1);
    });

    test("del", async () => {
      for (const key of ["d/1", "d/2", "d/3"]) await ctl.out(["put", key, "x"]);
      expect(await ctl.out(["del", "d/1", "--prev-kv"])).toBe("1\nd/1\nx\n");
      expect(await ctl.out(["del", "d/", "--prefix"])).toBe("2\n");
      expect(await ctl.out(["del", "d/1"])).toBe("0\n");
    });

    test("txn, interactive", async () => {
      await ctl.out(["put", "t", "1"]);
      const input = 'value("t") = "1"\n\nput t 2\nget t\n\nget t\n\n';
      const out = await ctl.out(["txn", "-i"], { input });
      expect(out.slice(out.indexOf("SUCCESS"))).toBe("SUCCESS\n\nOK\n\nt\n2\n");
      const again = await ctl.out(["txn", "-i"], { input });
      expect(again.slice(again.indexOf("FAILURE"))).toBe("FAILURE\n\nt\n2\n");
    });

    test("txn with a modification compare from standard input", async () => {
      const put = JSON.parse(await ctl.out(["put", "m", "1", "-w", "json"]));
      const input = `mod("m") = "${put.header.revision}"\nver("m") > "0"\n\ndel m\n\nput m no\n\n`;
      expect(await ctl.out(["txn"], { input })).toBe("SUCCESS\n\n1\n");
    });

    test("watch", async () => {
      const watch = ctl.start(["watch", "w/", "--prefix", "--prev-kv"]);
      await new Promise((resolve) => setTimeout(resolve, 400));
      await ctl.out(["put", "w/1", "one"]);
      await ctl.out(["put", "w/1", "two"]);
      await ctl.out(["del", "w/1"]);
      expect(await watch.lines(13)).toEqual("PUT w/1 one PUT w/1 one w/1 two DELETE w/1 two w/1 ".split(" "));
      await watch.stop();
    });

    test("watch from an old revision", async () => {
      const put = JSON.parse(await ctl.out(["put", "wr", "1", "-w", "json"]));
      await ctl.out(["put", "wr", "2"]);
      const watch = ctl.start(["watch", "wr", "--rev", String(put.header.revision)]);
      expect(await watch.lines(6)).toEqual(["PUT", "wr", "1", "PUT", "wr", "2"]);
      await watch.stop();
    });

    test("lease", async () => {
      const granted = await ctl.out(["lease", "grant", "300"]);
      const id = /^lease ([0-9a-f]{16}) granted with TTL\(300s\)\n$/.exec(granted)?.[1];
      expect(id, granted).toBeDefined();
      expect(await ctl.out(["put", "l", "1", "--lease", id!])).toBe("OK\n");
      expect(await ctl.out(["lease", "list"])).toBe(`found 1 leases\n${id}\n`);
      expect(await ctl.out(["lease", "timetolive", id!, "--keys"])).toMatch(
        new RegExp(
          `^lease ${id} granted with TTL\\(300s\\), remaining\\(29[89]s\\), attached keys\\(\\[l\\]\\)\n$`,
        ),
      );
      expect(await ctl.out(["lease", "keep-alive", "--once", id!])).toBe(
        `lease ${id} keepalived with TTL(300)\n`,
      );
      expect(await ctl.out(["lease", "revoke", id!])).toBe(`lease ${id} revoked\n`);
      expect(await ctl.out(["get", "l"])).toBe("");
      expect(await ctl.out(["lease", "timetolive", id!])).toBe(`lease ${id} already expired\n`);
    });

    test("lease keep-alive goes on", async () => {
      const id = /lease ([0-9a-f]{16})/.exec(await ctl.out(["lease", "grant", "2"]))![1];
      const alive = ctl.start(["lease", "keep-alive", id]);
      const line = `lease ${id} keepalived with TTL(2)`;
      expect((await alive.lines(4)).slice(0, 4)).toEqual([line, line, line, line]);
      await alive.stop();
      await ctl.out(["lease", "revoke", id]);
    });

    test("compaction", async () => {
      const first = JSON.parse(await ctl.out(["put", "c", "1", "-w", "json"]));
      const second = JSON.parse(await ctl.out(["put", "c", "2", "-w", "json"]));
      const revision = String(second.header.revision);
      expect(await ctl.out(["compaction", revision, "--physical"])).toBe(`compacted revision ${revision}\n`);
      const old = await ctl.run(["get", "c", "--rev", String(first.header.revision)]);
      expect(old.code).toBe(1);
      expect(old.stderr).toContain("etcdserver: mvcc: required revision has been compacted");
      const watch = await ctl.run(["watch", "c", "--rev", "1"]);
      expect(watch.stderr).toContain("etcdserver: mvcc: required revision has been compacted");
    });

    test("alarms", async () => {
      expect(await ctl.out(["alarm", "list"])).toBe("");
      expect(await ctl.out(["alarm", "disarm"])).toBe("");
    });

    test("endpoint health", async () => {
      const { code, stdout, stderr } = await ctl.run(["endpoint", "health"]);
      expect(code).toBe(0);
      expect(stdout + stderr).toMatch(/^\S+ is healthy: successfully committed proposal: took = \S+\n$/);
    });

    test("endpoint status", async () => {
      const [status] = JSON.parse(await ctl.out(["endpoint", "status", "-w", "json"]));
      expect(status.Endpoint).toBe(member.endpoint);
      expect(status.Status.leader).toBe(status.Status.header.member_id);
      expect(status.Status.dbSize).toBeGreaterThan(0);
      expect(status.Status.raftAppliedIndex).toBeGreaterThan(0);
      expect(await ctl.out(["endpoint", "status"])).toContain(`${member.endpoint}, `);
    });

    test("endpoint hashkv", async () => {
      const first = await ctl.out(["endpoint", "hashkv"]);
      expect(first).toMatch(new RegExp(`^${member.endpoint}, \\d+\n$`));
      expect(await ctl.out(["endpoint", "hashkv"])).toBe(first);
    });

    test("member list", async () => {
      expect(await ctl.out(["member", "list"])).toMatch(
        /^[0-9a-f]+, started, default, http:\/\/127\.0\.0\.1:\d+, http:\/\/127\.0\.0\.1:\d+, false\n$/,
      );
      const { members } = JSON.parse(await ctl.out(["member", "list", "-w", "json"]));
      expect(members).toHaveLength(1);
      expect(members[0].clientURLs).toEqual([`http://${member.endpoint}`]);
    });

    test("defrag", async () => {
      expect(await ctl.out(["defrag"])).toMatch(/^Finished defragmenting etcd member\[/);
      expect(await ctl.out(["get", "a", "--print-value-only"])).toBe("2\n");
    });

    test("snapshot save", async () => {
      const file = join(scratch, "snapshot.db");
      expect(await ctl.out(["snapshot", "save", file])).toContain(`Snapshot saved at ${file}\n`);
      expect(statSync(file).size % 512, "the hash of 32 bytes is at the end").toBe(32);
    });

    test("lock and elect", async () => {
      // Built on KV, watches and leases, on the side of the client.
      const lock = ctl.start(["lock", "mutex"]);
      expect((await lock.lines(2))[0]).toMatch(/^mutex\/[0-9a-f]+$/);
      await lock.stop();
      const elect = ctl.start(["elect", "office", "me"]);
      expect((await elect.lines(2))[1]).toBe("me");
      await elect.stop();
    });

    test.skipIf(process.env.INTEROP_SLOW !== "1")("check perf", { timeout: 120_000 }, async () => {
      const { stdout } = await ctl.run(["check", "perf"], { timeoutMs: 110_000 });
      expect(stdout).toContain("PASS: Throughput is");
    });
  });
}
