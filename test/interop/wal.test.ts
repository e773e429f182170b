// The log between us and Go: we read what etcd wrote and would have written the same bytes; etcd starts on what we wrote,
// continued, mended or made anew, and serves what is in it.

import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { decodeEntry, decodeHardState, Entry, type EntryType, HardState } from "#proto";
import {
  decodeSnapFile,
  decodeWalSnapshot,
  encodeSnapFile,
  NodeDisk,
  RecordEncoder,
  RecordType,
  Snapshotter,
  validSnapshots,
  verifyWal,
  Wal,
  type WalSnapshot,
  walkWal,
} from "#storage";
import { newMember, referenceBin, requireReference, type Target } from "../support/index.js";

const hasReference = requireReference();
const disk = new NodeDisk();
const SNAPSHOTS = ["--snapshot-count", "20"];
const KEYS = 50;

let root = "";
/** A data directory that a Go member wrote: 50 keys, two snapshots and more; never changed. */
let original = "";
const members: Target[] = [];

beforeAll(async () => {
  if (!hasReference) return;
  root = mkdtempSync(join(tmpdir(), "interop-wal-"));
  original = join(root, "original");
  const member = await startMember(original);
  for (let i = 1; i <= KEYS; i++) etcdctl(member, "put", `k${i}`, `value ${i}`.repeat(i));
  await member.stop();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
afterEach(async () => {
  for (const member of members.splice(0)) await member.destroy();
});

async function startMember(dataDir: string): Promise<Target> {
  const member = newMember("reference", SNAPSHOTS, dataDir);
  members.push(member);
  await member.start();
  return member;
}

function etcdctl(member: Target, ...args: string[]): string {
  return execFileSync(join(referenceBin(), "etcdctl"), ["--endpoints", member.endpoint, ...args], {
    encoding: "utf8",
  });
}

function revisionOf(member: Target): number {
  const answer = JSON.parse(etcdctl(member, "get", "k1", "-w", "json")) as { header: { revision: number } };
  return answer.header.revision;
}

function copyOf(name: string): string {
  const copy = join(root, name);
  cpSync(original, copy, { recursive: true });
  return copy;
}

const walOf = (dataDir: string): string => join(dataDir, "member/wal");

function segmentsOf(dataDir: string): string[] {
  return readdirSync(walOf(dataDir)).filter((name) => name.endsWith(".wal"));
}

/** Appends the last put of the log `count` times more, as raft would: one entry and one state each. */
async function putAgain(wal: Wal, entries: readonly Entry[], state: HardState, count: number): Promise<void> {
  const last = entries[entries.length - 1];
  for (let i = 1; i <= count; i++) {
    const entry = new Entry(state.term, last.index + i, last.type as EntryType, last.data);
    await wal.save(new HardState(state.term, state.vote, entry.index), [entry]);
  }
}

describe.runIf(hasReference)("a log written by etcd", () => {
  it("is read whole: metadata, entries without a gap, the last state, the snapshots", async () => {
    const dataDir = copyOf("read");
    const { wal, contents } = await Wal.open(disk, walOf(dataDir));
    await wal.close();
    const { entries, hardState } = contents;
    expect(entries.map((entry) => entry.index)).toEqual(entries.map((_, i) => i + 1));
    expect(entries.length).toBeGreaterThanOrEqual(KEYS + 3);
    expect(hardState.commit).toBe(entries.length);
    expect(entries[0].type).toBe(1);
    const snapshots = await validSnapshots(disk, walOf(dataDir));
    expect(snapshots.length).toBeGreaterThanOrEqual(3);
    expect(snapshots[1].confState?.voters).toEqual([hardState.vote]);
    await verifyWal(disk, walOf(original), snapshots[2]);
    const found = await new Snapshotter(disk, join(dataDir, "member/snap")).loadNewest(snapshots);
    expect(found?.index).toBe(snapshots[snapshots.length - 1].index);
  });

  it("would have been the same bytes if we had written it", async () => {
    const encoder = new RecordEncoder(0);
    const end = await walkWal(disk, walOf(original), ({ type, data }) => {
      if (type === RecordType.Entry) encoder.entry(decodeEntry(data));
      else if (type === RecordType.State) encoder.state(decodeHardState(data));
      else if (type === RecordType.Snapshot) encoder.snapshot(decodeWalSnapshot(data, 0, data.length));
      else if (type === RecordType.Metadata) encoder.metadata(data);
      else encoder.carryCrc();
    });
    const [name] = segmentsOf(original);
    const file = readFileSync(join(walOf(original), name));
    expect(file.length).toBe(64_000_000);
    expect(end?.offset).toBe(encoder.out.length);
    expect(Buffer.compare(file.subarray(0, end?.offset), encoder.out.view())).toBe(0);
  });

  it("has snapshot files that would have been the same bytes, too", () => {
    const names = readdirSync(join(original, "member/snap")).filter((name) => name.endsWith(".snap"));
    expect(names.length).toBeGreaterThanOrEqual(2);
    for (const name of names) {
      const bytes = readFileSync(join(original, "member/snap", name));
      expect(Buffer.compare(encodeSnapFile(decodeSnapFile(bytes)), bytes), name).toBe(0);
    }
  });

  it("is opened after the member was killed", async () => {
    const dataDir = copyOf("killed");
    const member = await startMember(dataDir);
    for (let i = 0; i < 20; i++) etcdctl(member, "put", "again", `${i}`);
    await member.kill();
    const { wal, contents } = await Wal.open(disk, walOf(dataDir));
    await wal.close();
    expect(contents.entries.length).toBeGreaterThanOrEqual(KEYS + 23);
  });
});

describe.runIf(hasReference)("etcd starts on a log", () => {
  it("that we continued, across a change of segments", async () => {
    const dataDir = copyOf("continued");
    const { wal, contents } = await Wal.open(disk, walOf(dataDir), undefined, { segmentBytes: 40_000 });
    await putAgain(wal, contents.entries, contents.hardState, 200);
    await wal.close();
    expect(segmentsOf(dataDir).length).toBeGreaterThan(2);
    const member = await startMember(dataDir);
    expect(revisionOf(member)).toBe(KEYS + 1 + 200);
    etcdctl(member, "put", "after", "x");
    await member.stop();
    const again = await Wal.open(disk, walOf(dataDir));
    await again.wal.close();
    expect(again.contents.entries.length).toBeGreaterThan(contents.entries.length + 200);
  });

  it("that we wrote anew, in many segments", async () => {
    const dataDir = copyOf("anew");
    const snapshots = await validSnapshots(disk, walOf(dataDir));
    const { wal: old, contents } = await Wal.open(disk, walOf(dataDir));
    await old.close();
    rmSync(walOf(dataDir), { recursive: true });
    await writeAnew(dataDir, contents.metadata, contents.entries, contents.hardState, snapshots);
    expect(segmentsOf(dataDir).length).toBeGreaterThan(3);
    const member = await startMember(dataDir);
    expect(revisionOf(member)).toBe(KEYS + 1);
    expect(etcdctl(member, "get", "k7", "--print-value-only").trim()).toBe("value 7".repeat(7));
  });

  it("that we mended, and mends one that we left torn", async () => {
    for (const mendsIt of ["we", "etcd"]) {
      const dataDir = copyOf(`torn-${mendsIt}`);
      const { wal, contents } = await Wal.open(disk, walOf(dataDir));
      await putAgain(wal, contents.entries, contents.hardState, 10);
      await wal.close();
      const end = await walkWal(disk, walOf(dataDir), () => {});
      truncateSync(end?.file ?? "", (end?.offset ?? 0) - 50);
      if (mendsIt === "we") {
        const mended = await Wal.open(disk, walOf(dataDir));
        await mended.wal.close();
        expect(statSync(end?.file ?? "").size).toBe(64_000_000);
      }
      const member = await startMember(dataDir);
      expect(readdirSync(walOf(dataDir)).some((name) => name.endsWith(".broken"))).toBe(true);
      expect(revisionOf(member)).toBeGreaterThanOrEqual(KEYS + 1 + 9);
      await member.stop();
    }
  });
});

async function writeAnew(
  dataDir: string,
  metadata: Uint8Array,
  entries: readonly Entry[],
  state: HardState,
  snapshots: readonly WalSnapshot[],
): Promise<void> {
  const wal = await Wal.create(disk, walOf(dataDir), metadata, { segmentBytes: 2048 });
  for (let at = 0; at < entries.length; at += 3) {
    const batch = entries.slice(at, at + 3);
    const last = batch[batch.length - 1];
    const next = new HardState(last.term, last.term === state.term ? state.vote : 0n, last.index);
    if (wal.canSaveSync) wal.saveSync(next, batch);
    else await wal.save(next, batch);
    for (const snapshot of snapshots) {
      if (snapshot.index > at && snapshot.index <= last.index) await wal.saveSnapshot(snapshot);
    }
  }
  await wal.close();
}
