// The npm package etcd3, a client that others wrote and many programs use, against a member. TARGETS=reference checks the
// test itself.

import { Etcd3, type IKeyValue, type Watcher } from "etcd3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newMember, selectedTargets, type Target } from "../support/index.js";

for (const target of selectedTargets()) {
  describe(`npm etcd3 against ${target}`, () => {
    let member: Target;
    let client: Etcd3;

    beforeAll(async () => {
      member = newMember(target);
      await member.start();
      client = new Etcd3({ hosts: `http://${member.endpoint}` });
    });
    afterAll(async () => {
      client?.close();
      await member?.destroy();
    });

    test("put, get, delete", async () => {
      await client.put("a").value("1");
      expect(await client.get("a").string()).toBe("1");
      expect(await client.get("nothing").string()).toBeNull();
      const { deleted } = await client.delete().key("a");
      expect(deleted).toBe("1");
      expect(await client.get("a").exists()).toBe(false);
    });

    test("numbers, JSON and bytes", async () => {
      await client.put("n").value(42);
      expect(await client.get("n").number()).toBe(42);
      await client.put("b").value(Buffer.from([0, 1, 255]));
      expect(await client.get("b").buffer()).toEqual(Buffer.from([0, 1, 255]));
    });

    test("ranges", async () => {
      for (const name of ["x", "y", "z"]) await client.put(`r/${name}`).value(name);
      expect(await client.getAll().prefix("r/").strings()).toEqual({ "r/x": "x", "r/y": "y", "r/z": "z" });
      expect(await client.getAll().prefix("r/").count()).toBe(3);
      expect(await client.getAll().prefix("r/").sort("Key", "Descend").limit(2).keys()).toEqual([
        "r/z",
        "r/y",
      ]);
      await client.delete().prefix("r/");
      expect(await client.getAll().prefix("r/").count()).toBe(0);
    });

    test("namespaces", async () => {
      const space = client.namespace("ns/");
      await space.put("k").value("v");
      expect(await client.get("ns/k").string()).toBe("v");
      expect(await space.getAll().strings()).toEqual({ k: "v" });
    });

    test("transactions", async () => {
      await client.put("t").value("1");
      const attempt = (value: string) =>
        client.if("t", "Value", "==", value).then(client.put("t").value("2")).else(client.get("t")).commit();
      expect((await attempt("1")).succeeded).toBe(true);
      expect((await attempt("1")).succeeded).toBe(false);
    });

    test("watch", async () => {
      const watcher: Watcher = await client.watch().prefix("w/").create();
      const seen: string[] = [];
      const done = new Promise<void>((resolve) => {
        watcher.on("put", (kv: IKeyValue) => seen.push(`put ${kv.key} ${kv.value}`));
        watcher.on("delete", (kv: IKeyValue) => {
          seen.push(`delete ${kv.key}`);
          resolve();
        });
      });
      await client.put("w/1").value("one");
      await client.put("w/2").value("two");
      await client.delete().key("w/1");
      await done;
      expect(seen).toEqual(["put w/1 one", "put w/2 two", "delete w/1"]);
      await watcher.cancel();
    });

    test("watch from an old revision", async () => {
      const { header } = await client.put("wr").value("1");
      await client.put("wr").value("2");
      const watcher = await client.watch().key("wr").startRevision(header.revision).create();
      const seen = await new Promise<string[]>((resolve) => {
        const values: string[] = [];
        watcher.on("put", (kv: IKeyValue) => {
          if (values.push(kv.value.toString()) === 2) resolve(values);
        });
      });
      expect(seen).toEqual(["1", "2"]);
      await watcher.cancel();
    });

    test("leases", async () => {
      const lease = client.lease(30, { autoKeepAlive: false });
      await lease.put("leased").value("1");
      const id = await lease.grant();
      expect(await client.get("leased").string()).toBe("1");
      await lease.keepaliveOnce();
      const { leases } = await client.leaseClient.leaseLeases();
      expect(leases.map((one) => one.ID)).toContain(id);
      await lease.revoke();
      expect(await client.get("leased").string()).toBeNull();
    });

    test("locks", async () => {
      const order: string[] = [];
      const first = client.lock("mutex").ttl(30);
      await first.acquire();
      await expect(client.lock("mutex").ttl(30).acquire()).rejects.toThrow(/lock/i);
      order.push("first");
      await first.release();
      await client.lock("mutex").do(async () => {
        order.push("second");
      });
      expect(order).toEqual(["first", "second"]);
    });

    test("election", async () => {
      const election = client.election("office", 30);
      const campaign = election.campaign("me");
      await new Promise<void>((resolve, reject) => {
        campaign.on("elected", () => resolve());
        campaign.on("error", reject);
      });
      expect(await election.leader()).toBe("me");
      await campaign.resign();
      expect(await election.leader()).toBeUndefined();
    });

    test("maintenance and members", async () => {
      const status = await client.maintenance.status();
      expect(status.leader).toBe(status.header.member_id);
      const { members } = await client.cluster.memberList({});
      expect(members.map((one) => one.name)).toEqual(["default"]);
      await client.maintenance.defragment();
      expect((await client.maintenance.alarm({ action: "Get", memberID: 0, alarm: "None" })).alarms).toEqual(
        [],
      );
    });

    test("errors come as errors", async () => {
      await expect(client.put("").value("1")).rejects.toThrow("etcdserver: key is not provided");
      await expect(client.put("e").value("1").lease("404")).rejects.toThrow(
        "etcdserver: requested lease not found",
      );
    });
  });
}
