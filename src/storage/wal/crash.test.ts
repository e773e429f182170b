// Power failures and failing operations, one at every place. A member's life with its log (create, save, mark snapshots,
// change segments, purge, stop, start again) runs on a disk in memory. For every number N the run is stopped at the N-th
// operation, by a crash or by an error from there; what the next life reads must hold everything that was acknowledged, and
// nothing that was not at least handed in. Lives follow each other on the same disk, so that repairs are crashed into too.

import { expect, test } from "vitest";
import { type DiskError, Panic, type Random, SeededRandom } from "#base";
import { type Entry, HardState } from "#proto";
import { MemoryDisk } from "../disk/memory-disk.js";
import { WalSnapshot } from "./record.js";
import { validSnapshots } from "./scan.js";
import { DIRECTORY, entry, METADATA, sameEntry, VOTER } from "./testkit.js";
import { Wal } from "./wal.js";

const OPTIONS = { segmentBytes: 2048 };
/** More than nearly every life has. */
const OPERATIONS = 150;

/** What the member handed to its log so far, and how much of it was acknowledged. */
class Ledger {
  /** Every entry ever handed in, in order; a later one with the same index replaces it and what follows. */
  readonly written: Entry[] = [];
  acknowledged = 0;
  state = new HardState();
  /** The last state whose term and vote were acknowledged. */
  durableState = new HardState();
  /** Index of the last snapshot that was handed in. */
  snapshotIndex = 0;

  /** The log after the first `count` entries handed in. */
  logAfter(count: number): Entry[] {
    const log: Entry[] = [];
    for (const e of this.written.slice(0, count)) {
      log.length = e.index - 1;
      log.push(e);
    }
    return log;
  }

  /** Takes what a new life found for the truth, after checking that it can be. */
  check(found: Entry[], state: HardState, start: WalSnapshot): void {
    let count = this.acknowledged;
    while (count <= this.written.length && !this.matches(found, this.logAfter(count).slice(start.index)))
      count++;
    expect(count, `${found.length} entries found, ${this.acknowledged} acknowledged`).toBeLessThanOrEqual(
      this.written.length,
    );
    expect(state.term).toBeGreaterThanOrEqual(this.durableState.term);
    if (state.term === this.durableState.term && this.durableState.vote !== 0n) {
      expect(state.vote).toBe(this.durableState.vote);
    }
    expect(state.term).toBeLessThanOrEqual(this.state.term);
    this.written.length = count;
    this.acknowledged = count;
    this.state = state;
    this.durableState = state;
  }

  private matches(found: Entry[], expected: Entry[]): boolean {
    return found.length === expected.length && found.every((e, i) => sameEntry(e, expected[i]));
  }
}

/** With the log's parent directory in place, as the data directory makes it. */
async function newDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory("/data/member");
  await disk.syncDirectory("/");
  await disk.syncDirectory("/data");
  disk.operations = 0;
  return disk;
}

async function startLife(disk: MemoryDisk, ledger: Ledger, random: Random): Promise<Wal> {
  if (!(await Wal.exists(disk, DIRECTORY))) {
    expect(ledger.acknowledged, "the log is gone").toBe(0);
    ledger.written.length = 0;
    ledger.state = new HardState();
    return Wal.create(disk, DIRECTORY, METADATA, OPTIONS);
  }
  const valid = await validSnapshots(disk, DIRECTORY);
  // The newest, as a member does; or the beginning, as long as that was not purged.
  const isWhole = (await disk.list(DIRECTORY)).includes("0000000000000000-0000000000000000.wal");
  const snapshot = valid[isWhole && random.below(2) === 0 ? 0 : valid.length - 1];
  const { wal, contents } = await Wal.open(disk, DIRECTORY, snapshot, OPTIONS);
  expect(contents.metadata).toEqual(METADATA);
  ledger.check(contents.entries, contents.hardState, snapshot);
  return wal;
}

/** One life: some saves in both ways, now and then a snapshot, an overwrite, a purge; then an orderly stop. */
async function live(disk: MemoryDisk, ledger: Ledger, random: Random): Promise<void> {
  const wal = await startLife(disk, ledger, random);
  for (let steps = 1 + random.below(35); steps > 0; steps--) {
    const log = ledger.logAfter(ledger.written.length);
    const { state } = ledger;
    const isNewTerm = random.below(4) === 0 || state.term === 0;
    const lastTerm = log.length > 0 ? log[log.length - 1].term : 0;
    const term = Math.max(state.term, lastTerm) + (isNewTerm ? 1 : 0);
    // A new leader may overwrite what is not committed.
    const from = isNewTerm ? state.commit + random.below(log.length - state.commit + 1) : log.length;
    const entries: Entry[] = [];
    for (let i = random.below(4); i > 0; i--) {
      entries.push(entry(from + entries.length + 1, term, random.below(5) === 0 ? 1200 : random.below(120)));
    }
    const end = entries.length > 0 ? from + entries.length : log.length;
    const commit = Math.min(end, state.commit + random.below(4));
    const next = new HardState(term, term > state.term ? VOTER : state.vote, commit);
    ledger.written.push(...entries);
    ledger.state = next;
    const count = ledger.written.length;
    if (wal.canSaveSync && random.below(2) === 0) wal.saveSync(next, entries);
    else await wal.save(next, entries);
    ledger.acknowledged = count;
    if (entries.length > 0 || term > state.term) ledger.durableState = next;
    if (random.below(6) === 0 && commit > 0) {
      await wal.saveSnapshot(new WalSnapshot(commit, ledger.logAfter(count)[commit - 1].term));
      ledger.snapshotIndex = commit;
    }
  }
  wal.releaseTo(ledger.snapshotIndex);
  await wal.purge(5);
  await wal.close();
}

/** Runs `live` until it ends or the N-th operation; true when that was reached. */
async function stopped(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return false;
  } catch (error) {
    if (error instanceof Panic) return true;
    if (error instanceof Error && error.name === "DiskError") return (error as DiskError).code.length > 0;
    throw error;
  }
}

test.each([1, 2, 3, 4, 5, 6])("a crash at every operation, seed %i", async (seed) => {
  let crashes = 0;
  for (let n = 1; n <= OPERATIONS; n++) {
    const random = new SeededRandom(seed * 10_000 + n);
    const ledger = new Ledger();
    let disk = await newDisk();
    // Three lives, each cut off at the n-th operation or some other one; the last runs to its end.
    for (let life = 0; life < 4; life++) {
      const target = life === 0 ? n : 1 + random.below(100);
      const current = disk;
      let image: MemoryDisk | undefined;
      if (life < 3) {
        current.plan = (operation) => {
          if (operation.number === target) image = current.crash(random);
          return {};
        };
      }
      await stopped(live(current, ledger, random));
      if (image !== undefined) crashes++;
      disk = image ?? current.crash(random);
    }
  }
  expect(crashes).toBeGreaterThan(200);
});

test.each([
  ["EIO", 1],
  ["EIO", 2],
  ["EIO", 3],
  ["ENOSPC", 1],
  ["ENOSPC", 2],
  ["ENOSPC", 3],
] as const)("%s at every operation, seed %i", async (code, seed) => {
  let failures = 0;
  for (let n = 1; n <= OPERATIONS; n++) {
    const random = new SeededRandom(seed * 777 + n);
    const ledger = new Ledger();
    const disk = await newDisk();
    disk.failAt(n, code, seed === 2);
    const wasStopped = await stopped(live(disk, ledger, random));
    if (wasStopped) failures++;
    // The process starts again on a disk that kept its power: it sees bytes that a failed sync has lost.
    const same = disk.kill();
    expect(await stopped(live(same, ledger, random))).toBe(false);
    const image = same.crash(random);
    expect(await stopped(live(image, ledger, random))).toBe(false);
  }
  expect(failures).toBeGreaterThan(30);
});

test("a failed sync poisons the log: every later call fails and nothing is synced again", async () => {
  const disk = new MemoryDisk();
  const failures: Panic[] = [];
  const wal = await Wal.create(disk, DIRECTORY, METADATA, {
    ...OPTIONS,
    onFailure: (panic) => failures.push(panic),
  });
  await wal.save(new HardState(1, VOTER, 0), [entry(1)]);
  disk.plan = ({ kind }) => (kind === "datasync" ? { fail: "EIO" } : {});
  await expect(wal.save(undefined, [entry(2)])).rejects.toThrow(Panic);
  disk.plan = () => ({});
  const before = disk.operations;
  await expect(wal.save(undefined, [entry(3)])).rejects.toThrow("EIO");
  expect(() => wal.saveSync(undefined, [entry(3)])).toThrow(Panic);
  await expect(wal.saveSnapshot(new WalSnapshot(1, 1))).rejects.toThrow(Panic);
  expect(wal.canSaveSync).toBe(false);
  expect(disk.operations).toBe(before);
  expect(failures.length).toBe(1);
  await wal.close();
});

test("a segment whose name may not be durable is made so before it is used", async () => {
  const disk = await newDisk();
  const wal = await Wal.create(disk, DIRECTORY, METADATA, OPTIONS);
  disk.plan = ({ kind, path }) => (kind === "syncdir" && path === DIRECTORY ? { fail: "EIO" } : {});
  await wal.save(new HardState(1, VOTER, 0), [entry(1, 1, 3000)]);
  await wal.close();
  const again = disk.kill();
  expect((await again.list(DIRECTORY)).filter((name) => name.endsWith(".wal")).length).toBe(2);
  const { wal: second } = await Wal.open(again, DIRECTORY, undefined, OPTIONS);
  await second.save(undefined, [entry(2)]);
  for (let seed = 0; seed < 20; seed++) {
    const image = again.kill().crash(new SeededRandom(seed));
    const { wal: third, contents } = await Wal.open(image, DIRECTORY, undefined, OPTIONS);
    expect(contents.entries.length).toBe(2);
    await third.close();
  }
});
