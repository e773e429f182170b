// The client library against the reference etcd, over its own transport and over an independent gRPC implementation.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8Text } from "#base";
import { Client, compare, EtcdError, op, WatchCanceledError, type WatchResponse } from "#client";
import { ErrCompacted, ErrFutureRev, ErrLeaseNotFound } from "#proto";
import { grpcJsConnector } from "./grpc-js-connector.js";
import { hasReference, type ReferenceMember, startReference } from "./reference-member.js";

const TRANSPORTS = [
  { name: "grpc-js", connector: grpcJsConnector, port: 28100 },
  { name: "its own transport", connector: undefined, port: 28110 },
];

async function take(watcher: AsyncIterable<WatchResponse>, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const response of watcher) {
    for (const event of response.events)
      seen.push(`${event.type} ${utf8Text(event.kv.key)}=${utf8Text(event.kv.value)}`);
    if (seen.length >= count) break;
  }
  return seen;
}

describe.skipIf(!hasReference).each(TRANSPORTS)("client over $name", ({ connector, port }) => {
  let member: ReferenceMember | undefined;
  let client: Client;

  beforeAll(async () => {
    member = await startReference(port);
    client = new Client({ endpoints: [`127.0.0.1:${port}`], connector, callTimeoutMs: 5000 });
  });

  afterAll(async () => {
    client?.close();
    await member?.stop();
  });

  it("puts, gets ranges, deletes", async () => {
    const first = await client.kv.put("kv/a", "1");
    await client.kv.put("kv/b", "2");
    const second = await client.kv.put("kv/a", "3", { prevKv: true });
    expect(utf8Text(second.prevKv!.value)).toBe("1");
    expect(second.header.revision).toBe(first.header.revision + 2);
    const all = await client.kv.get("kv/", { prefix: true, sort: { order: "descend" } });
    expect(all.kvs.map((kv) => utf8Text(kv.key))).toEqual(["kv/b", "kv/a"]);
    expect([all.count, all.more, all.kvs[1].version]).toEqual([2, false, 2]);
    const limited = await client.kv.get("kv/", { prefix: true, limit: 1 });
    expect([limited.kvs.length, limited.more, limited.count]).toEqual([1, true, 2]);
    const old = await client.kv.get("kv/a", { revision: first.header.revision });
    expect(utf8Text(old.kvs[0].value)).toBe("1");
    const gone = await client.kv.delete("kv/", { prefix: true, prevKv: true });
    expect([gone.deleted, gone.prevKvs.length]).toEqual([2, 2]);
  });

  it("recognises errors as rows of the table", async () => {
    const error = await client.kv.get("x", { revision: 1_000_000 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(EtcdError);
    expect((error as EtcdError).row).toBe(ErrFutureRev);
    expect((error as EtcdError).status).toBe(
      "rpc error: code = OutOfRange desc = etcdserver: mvcc: required revision is a future revision",
    );
  });

  it("runs transactions, nested ones too", async () => {
    await client.kv.put("txn/k", "v");
    const response = await client.kv.txn({
      compare: [
        compare.value("txn/k", "=", "v"),
        compare.version("txn/none", "=", 0),
        compare.lease("txn/k", "=", 0n),
      ],
      success: [
        op.put("txn/new", "x"),
        op.get("txn/", { prefix: true }),
        op.txn({ success: [op.delete("txn/k")] }),
      ],
      failure: [op.get("txn/k")],
    });
    expect(response.succeeded).toBe(true);
    expect(response.responses.map((one) => one.type)).toEqual(["put", "get", "txn"]);
    const failed = await client.kv.txn({
      compare: [compare.createRevision("txn/new", "<", 2)],
      failure: [op.get("txn/new")],
    });
    expect(failed.succeeded).toBe(false);
    expect(failed.responses[0].type === "get" && failed.responses[0].count).toBe(1);
  });

  it("watches many ranges on one stream, with history and previous values", async () => {
    const { header } = await client.kv.put("w/a", "0");
    const past = client.watch.create("w/", { prefix: true, startRevision: header.revision });
    const puts = client.watch.create("w/", {
      prefix: true,
      filters: ["delete"],
      startRevision: header.revision,
    });
    await client.kv.put("w/b", "1");
    await client.kv.delete("w/a");
    await client.kv.put("w/c", "2");
    expect(await take(past, 4)).toEqual(["put w/a=0", "put w/b=1", "delete w/a=", "put w/c=2"]);
    expect(await take(puts, 3)).toEqual(["put w/a=0", "put w/b=1", "put w/c=2"]);
  });

  it("tells of creation and of progress", async () => {
    const watcher = client.watch.create("progress", { createdNotify: true });
    const responses = watcher[Symbol.asyncIterator]();
    const created = await responses.next();
    expect(created.value).toMatchObject({ created: true, events: [], progress: false });
    client.watch.requestProgress();
    const progress = await responses.next();
    expect(progress.value).toMatchObject({ created: false, events: [], progress: true });
    watcher.close();
    expect((await responses.next()).done).toBe(true);
  });

  it("ends a watch of compacted history with the revision to go on from", async () => {
    await client.kv.put("c", "1");
    await client.kv.put("c", "2");
    const { header } = await client.kv.put("c", "3");
    await client.kv.compact(header.revision, { physical: true });
    const error = await take(client.watch.create("c", { startRevision: 1 }), 1).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(WatchCanceledError);
    expect((error as WatchCanceledError).row).toBe(ErrCompacted);
    expect((error as WatchCanceledError).compactRevision).toBe(header.revision);
  });

  it("refuses a watch of an empty range", async () => {
    const error = await take(client.watch.create("z", { rangeEnd: "a" }), 1).catch((e: unknown) => e);
    expect((error as EtcdError).message).toBe("mvcc: watcher range is empty");
  });

  it("grants, keeps alive, asks and revokes leases", async () => {
    const { id, ttl } = await client.lease.grant(2);
    expect(ttl).toBe(2);
    await client.kv.put("leased", "x", { lease: id });
    const kept = client.lease.keepAlive(id);
    const answers = kept[Symbol.asyncIterator]();
    expect((await answers.next()).value).toMatchObject({ id, ttl: 2 });
    expect((await answers.next()).value).toMatchObject({ id, ttl: 2 });
    const asked = await client.lease.timeToLive(id, { keys: true });
    expect([asked.grantedTtl, asked.keys.map(utf8Text)]).toEqual([2, ["leased"]]);
    expect((await client.lease.leases()).leases).toContain(id);
    expect((await client.lease.keepAliveOnce(id)).ttl).toBe(2);
    await client.lease.revoke(id);
    expect((await answers.next()).done).toBe(true);
    await kept.ended;
    expect((await client.kv.get("leased")).count).toBe(0);
    expect((await client.lease.timeToLive(id)).ttl).toBe(-1);
    const error = await client.lease.keepAliveOnce(id).catch((e: unknown) => e);
    expect((error as EtcdError).row).toBe(ErrLeaseNotFound);
  });

  it("looks after the member", async () => {
    const status = await client.maintenance.status({ endpoint: `127.0.0.1:${port}` });
    expect(status.leader).toBe(status.header.memberId);
    expect(status.raftAppliedIndex).toBeGreaterThan(0);
    const { members } = await client.cluster.list();
    expect(members.map((one) => one.clientUrls)).toEqual([[`http://127.0.0.1:${port}`]]);
    expect((await client.maintenance.hashKV()).hash).toBeGreaterThan(0);
    expect((await client.maintenance.alarms()).alarms).toEqual([]);
    await client.maintenance.defragment();
    let bytes = 0;
    for await (const chunk of client.maintenance.snapshot()) bytes += chunk.blob.length;
    expect(bytes % 512).toBe(32);
    await client.sync();
    expect(client.endpoints).toEqual([`http://127.0.0.1:${port}`]);
  });

  it("waits for a connection no longer than the deadline", async () => {
    const attempts: string[] = [];
    const nowhere = new Client({
      endpoints: ["127.0.0.1:28199"],
      connector,
      onAttemptFailed: (attempt) => attempts.push(attempt.status),
    });
    const started = performance.now();
    const error = await nowhere.kv.put("a", "b", { timeoutMs: 300 }).catch((e: unknown) => e);
    expect((error as EtcdError).message).toBe("context deadline exceeded");
    expect(performance.now() - started).toBeLessThan(1500);
    expect(attempts[0]).toContain("latest balancer error: connection error");
    nowhere.close();
  });

  it("goes to the endpoint that lives, and takes up watches after an outage", async () => {
    const pair = new Client({
      endpoints: ["127.0.0.1:28199", `127.0.0.1:${port}`],
      connector,
      callTimeoutMs: 10_000,
    });
    await pair.kv.put("o/1", "before");
    const watcher = pair.watch.create("o/", { prefix: true, createdNotify: true });
    const responses = watcher[Symbol.asyncIterator]();
    expect((await responses.next()).value?.created).toBe(true);
    await pair.kv.put("o/2", "x");
    expect((await responses.next()).value?.events).toHaveLength(1);
    await member?.restart();
    await pair.kv.put("o/3", "y");
    const after = await responses.next();
    expect(after.value?.events.map((event) => utf8Text(event.kv.key))).toEqual(["o/3"]);
    watcher.close();
    pair.close();
  });
});
