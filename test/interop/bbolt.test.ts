// Database images between us and Go: its tools accept what we write and serve it; we read what it wrote, from a snapshot
// and from a data directory, and see what its API says. Hash and HashKV agree.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { hexOf, WireReader, WireWriter } from "#base";
import {
  type BackendView,
  FileSource,
  ImageReader,
  type ImageStatus,
  imageStatus,
  LmdbBackend,
  type RevisionName,
} from "#storage";
import { Maintenance } from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import { newMember, type Target, TestClient } from "../support/index.js";
import { referenceBin, requireReference } from "../support/targets.js";

const hasReference = requireReference();
let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "interop-bbolt-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const members: Target[] = [];
const backends: LmdbBackend[] = [];
afterEach(async () => {
  for (const backend of backends.splice(0)) await backend.close();
  for (const member of members.splice(0)) await member.destroy();
});

function run(tool: string, args: readonly string[]): string {
  return execFileSync(join(referenceBin(), tool), args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
}

function etcdctl(member: Target, ...args: string[]): string {
  return run("etcdctl", ["--endpoints", member.endpoint, ...args]);
}

async function startMember(dataDir?: string): Promise<Target> {
  const member = newMember("reference", [], dataDir);
  members.push(member);
  await member.start();
  return member;
}

async function openBackend(name: string, importFrom?: string): Promise<LmdbBackend> {
  const backend = await LmdbBackend.open({ path: join(directory, name), importFrom });
  backends.push(backend);
  return backend;
}

/** An encoded mvccpb.KeyValue. */
function keyValue(
  key: Uint8Array,
  value: Uint8Array,
  create: number,
  mod: number,
  version: number,
): Uint8Array {
  const out = new WireWriter();
  out.byte(0x0a);
  out.bytes(key);
  for (const [tag, number] of [
    [0x10, create],
    [0x18, mod],
    [0x20, version],
  ]) {
    if (number === 0) continue;
    out.byte(tag);
    out.varint(number);
  }
  if (value.length > 0) {
    out.byte(0x2a);
    out.bytes(value);
  }
  return out.finish();
}

function bigEndian(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** A snapshot file as Maintenance.Snapshot delivers it: the image and its SHA-256. */
async function saveSnapshot(view: BackendView, path: string): Promise<void> {
  const { size, chunks } = await view.exportImage();
  const hash = createHash("sha256");
  const fd = openSync(path, "w");
  let written = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    written += writeSync(fd, chunk);
  }
  writeSync(fd, hash.digest());
  closeSync(fd);
  expect(written).toBe(size);
}

function fill(backend: LmdbBackend, count: number): void {
  for (let i = 0; i < count; i++) {
    const key = Buffer.from(`key-${String(i).padStart(6, "0")}`);
    const value = Buffer.alloc(i % 500 === 0 ? 20_000 : i % 300, 65 + (i % 26));
    backend.appendRevision(2 + i, 0, false, keyValue(key, value, 2 + i, 2 + i, 1));
  }
  // One transaction with several changes, a deletion among them.
  const main = 2 + count;
  backend.appendRevision(main, 0, false, keyValue(Buffer.from("txn-a"), Buffer.from("1"), main, main, 1));
  backend.appendRevision(main, 1, true, keyValue(Buffer.from("key-000001"), new Uint8Array(0), 0, 0, 0));
  backend.put("meta", Buffer.from("consistent_index"), bigEndian(count));
  backend.put("meta", Buffer.from("term"), bigEndian(2));
  backend.put("meta", Buffer.from("confState"), Buffer.from('{"voters":[1],"auto_leave":false}'));
  // Lease 0x1234 with a TTL of an hour.
  backend.put("lease", bigEndian(0x1234), Uint8Array.of(0x08, 0xb4, 0x24, 0x10, 0x90, 0x1c));
}

interface HashKVReply {
  readonly HashKV: {
    readonly hash: number;
    readonly compact_revision?: number;
    readonly header: { revision: number };
  };
}

function hashKV(member: Target): HashKVReply["HashKV"] {
  return (JSON.parse(etcdctl(member, "endpoint", "hashkv", "-w", "json")) as HashKVReply[])[0].HashKV;
}

interface RangeReply {
  readonly kvs: {
    key: string;
    value?: string;
    create_revision: number;
    mod_revision: number;
    version: number;
  }[];
}

function everything(member: Target): string[] {
  const reply = JSON.parse(etcdctl(member, "get", "", "--prefix", "-w", "json")) as RangeReply;
  return reply.kvs.map((kv) => {
    const value = Buffer.from(kv.value ?? "", "base64").toString("latin1");
    return `${Buffer.from(kv.key, "base64").toString()} ${kv.create_revision} ${kv.mod_revision} ${kv.version} ${value}`;
  });
}

interface StoredKeyValue {
  key: string;
  value: string;
  create: number;
  mod: number;
  version: number;
}

function decode(bytes: Uint8Array): StoredKeyValue {
  const kv = { key: "", value: "", create: 0, mod: 0, version: 0 };
  const reader = new WireReader(bytes);
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 0x0a) kv.key = Buffer.from(reader.bytes()).toString();
    else if (tag === 0x10) kv.create = reader.int64();
    else if (tag === 0x18) kv.mod = reader.int64();
    else if (tag === 0x20) kv.version = reader.int64();
    else if (tag === 0x2a) kv.value = Buffer.from(reader.bytes()).toString("latin1");
    else reader.skip(tag);
  }
  return kv;
}

/** What a compaction at `revision` would keep: of each key the newest revision up to there, if it is no tombstone. */
function keptAt(backend: LmdbBackend, revision: number): RevisionName[] {
  const newest = new Map<string, RevisionName & { tombstone: boolean }>();
  backend.scanRevisions(0, 0, (main, sub, tombstone, value) => {
    if (main <= revision) newest.set(decode(value).key, { main, sub, tombstone });
  });
  return [...newest.values()].filter((entry) => !entry.tombstone);
}

/** The latest state of every key, as a replay of the revision log gives it. */
function latestOf(backend: LmdbBackend): string[] {
  const latest = new Map<string, StoredKeyValue>();
  backend.scanRevisions(0, 0, (_main, _sub, tombstone, value) => {
    const kv = decode(value);
    if (tombstone) latest.delete(kv.key);
    else latest.set(kv.key, kv);
  });
  return [...latest.values()]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map((kv) => `${kv.key} ${kv.create} ${kv.mod} ${kv.version} ${kv.value}`);
}

function statusOf(snapshot: string): ImageStatus {
  return JSON.parse(run("etcdutl", ["snapshot", "status", snapshot, "-w", "json"])) as ImageStatus;
}

function ownStatusOf(snapshot: string): ImageStatus {
  const source = new FileSource(snapshot);
  try {
    return imageStatus(new ImageReader(source));
  } finally {
    source.close();
  }
}

function write(member: Target): void {
  for (let i = 0; i < 40; i++) etcdctl(member, "put", `go-${i % 25}`, "x".repeat((i * 397) % 9000));
  etcdctl(member, "del", "go-3", "go-6");
  const lease = etcdctl(member, "lease", "grant", "3600").split(" ")[1];
  etcdctl(member, "put", "leased", "v", "--lease", lease);
  etcdctl(member, "user", "add", "alice", "--no-password");
  etcdctl(member, "role", "add", "reader");
}

describe.runIf(hasReference)("bbolt images and the reference", () => {
  it.each([0, 1, 3000])("accepts, restores and serves our image of %i keys", async (count) => {
    const backend = await openBackend(`ours-${count}.lmdb`);
    fill(backend, count);
    const view = await backend.openView();
    const snapshot = join(directory, `ours-${count}.db`);
    await saveSnapshot(view, snapshot);
    const status = statusOf(snapshot);
    expect(ownStatusOf(snapshot)).toEqual(status);
    expect(status.revision).toBe(count + 2);
    expect(status.totalKey).toBe(count + 2 + 4);
    const dataDir = join(directory, `restored-${count}`);
    run("etcdutl", ["snapshot", "restore", snapshot, "--data-dir", dataDir]);
    const member = await startMember(dataDir);
    expect(everything(member)).toEqual(latestOf(backend));
    const { hash, header } = hashKV(member);
    expect(header.revision).toBe(count + 2);
    expect(await view.hashRevisions(count + 2, 0, [])).toBe(hash);
    expect(etcdctl(member, "lease", "list")).toContain("1234");
    // It can be written to: our pages split and merge like its own.
    for (let i = 0; i < 20; i++) etcdctl(member, "put", `after-${i}`, "y".repeat(3000));
    etcdctl(member, "defrag");
    await view.close();
  });

  it("is read as it is: a snapshot of a Go member", async () => {
    const member = await startMember();
    write(member);
    const snapshot = join(directory, "go.db");
    etcdctl(member, "snapshot", "save", snapshot);
    const backend = await openBackend("from-go.lmdb");
    await backend.replaceWith(snapshot);
    expect(latestOf(backend)).toEqual(everything(member));
    const view = await backend.openView();
    const { hash, header } = hashKV(member);
    expect(await view.hashRevisions(header.revision, 0, [])).toBe(hash);
    const client = new TestClient(member.endpoint);
    expect(await view.hash()).toBe((await client.must(Maintenance.method.hash, {})).hash);
    client.close();
    // The same records come out of an image of ours as out of theirs, byte for byte.
    const again = join(directory, "again.db");
    await saveSnapshot(view, again);
    expect(recordsOf(again)).toEqual(recordsOf(snapshot));
    expect(statusOf(again).hash).toBe(statusOf(snapshot).hash);
    expect(ownStatusOf(snapshot)).toEqual(statusOf(snapshot));
    await view.close();
  });

  it("is taken over in place: the data directory of a Go member", async () => {
    const member = await startMember();
    write(member);
    etcdctl(member, "compaction", "20", "--physical");
    const expected = everything(member);
    const reply = hashKV(member);
    expect(reply.compact_revision).toBe(20);
    await member.stop();
    const source = join(member.dataDir, "member", "snap", "db");
    const before = readFileSync(source);
    const backend = await openBackend("imported.lmdb", source);
    expect(latestOf(backend)).toEqual(expected);
    expect(hexOf(backend.get("meta", Buffer.from("finishedCompactRev"))!)).toContain("0000000000000014");
    expect(readFileSync(source).equals(before)).toBe(true);
    const view = await backend.openView();
    const { revision } = reply.header;
    expect(await view.hashRevisions(revision, 20, keptAt(backend, revision))).toBe(reply.hash);
    await view.close();
  });
});

function recordsOf(path: string): string[] {
  const source = new FileSource(path);
  const lines: string[] = [];
  for (const bucket of new ImageReader(source).buckets()) {
    bucket.forEach((key, value) => {
      lines.push(`${Buffer.from(bucket.name).toString()} ${hexOf(key)} ${hexOf(value)}`);
    });
  }
  source.close();
  return lines;
}
