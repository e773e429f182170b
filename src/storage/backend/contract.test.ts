// One suite for both backends: random operations against a plain map, with commits, reopenings and crashes between.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { hexOf, SeededRandom } from "#base";
import { BUCKET_NAMES, type BucketName, type StorageBackend } from "./backend.js";
import { LmdbBackend } from "./lmdb-backend.js";
import { MemoryBackend } from "./memory-backend.js";
import { bytesOf, CrashDisk } from "./testing.js";

/** A backend that can be closed or crashed and opened again. */
interface Subject {
  open(): Promise<StorageBackend>;
  /** Ends without a commit, as a power cut would. */
  crash(backend: StorageBackend): Promise<void>;
}

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function lmdbSubject(): Subject {
  const directory = mkdtempSync(join(tmpdir(), "backend-"));
  directories.push(directory);
  const path = join(directory, "db.lmdb");
  return { open: () => LmdbBackend.open({ path }), crash: (backend) => backend.close() };
}

function memorySubject(): Subject {
  const disk = new CrashDisk();
  return {
    open: () => MemoryBackend.open(disk, "/data/journal"),
    crash: async (backend) => {
      await backend.close();
      disk.crash(7);
    },
  };
}

class Model {
  revisions = new Map<string, { main: number; sub: number; tombstone: boolean; value: string }>();
  buckets = new Map<string, { bucket: BucketName; key: string; value: string }>();

  copy(): Model {
    const copy = new Model();
    copy.revisions = new Map(this.revisions);
    copy.buckets = new Map(this.buckets);
    return copy;
  }
}

function check(backend: StorageBackend, model: Model): void {
  const seen: string[] = [];
  backend.scanRevisions(0, 0, (main, sub, tombstone, value) => {
    seen.push(`${main}.${sub}${tombstone ? "t" : ""}=${hexOf(value)}`);
  });
  const expected = [...model.revisions.values()].sort((a, b) => a.main - b.main || a.sub - b.sub);
  expect(seen).toEqual(expected.map((r) => `${r.main}.${r.sub}${r.tombstone ? "t" : ""}=${r.value}`));
  for (const r of expected.slice(0, 20)) {
    const value = backend.readRevision(r.main, r.sub);
    expect(value && hexOf(value)).toBe(r.value);
  }
  for (const bucket of BUCKET_NAMES) {
    const entries: string[] = [];
    backend.scan(bucket, (key, value) => {
      entries.push(`${hexOf(key)} ${hexOf(value)}`);
    });
    const wanted = [...model.buckets.values()].filter((e) => e.bucket === bucket);
    expect(entries).toEqual(wanted.map((e) => `${e.key} ${e.value}`).sort());
    for (const e of wanted) expect(hexOf(backend.get(bucket, Buffer.from(e.key, "hex"))!)).toBe(e.value);
  }
}

class Run {
  model = new Model();
  durable = new Model();
  main = 0;
  sub = 0;

  constructor(
    readonly random: SeededRandom,
    readonly subject: Subject,
    public backend: StorageBackend,
  ) {}

  value(): Uint8Array {
    const length = this.random.below(20) === 0 ? this.random.below(9000) : this.random.below(40);
    return Uint8Array.from({ length }, () => this.random.below(256));
  }

  bucketKey(): Uint8Array {
    const name = String.fromCharCode(97 + this.random.below(6));
    return bytesOf(this.random.below(10) === 0 ? name.repeat(1500) : name.repeat(1 + this.random.below(2)));
  }

  step(): void {
    const dice = this.random.below(100);
    if (dice < 50) this.append();
    else if (dice < 60) this.deleteSome();
    else if (dice < 85) this.putEntry();
    else if (dice < 92) this.deleteEntry();
    else this.readSome();
  }

  append(): void {
    if (this.random.below(3) === 0) this.sub++;
    else {
      this.main += 1 + this.random.below(3);
      this.sub = 0;
    }
    const tombstone = this.random.below(4) === 0;
    const value = this.value();
    this.backend.appendRevision(this.main, this.sub, tombstone, value);
    const record = { main: this.main, sub: this.sub, tombstone, value: hexOf(value) };
    this.model.revisions.set(`${this.main}.${this.sub}`, record);
  }

  deleteSome(): void {
    const all = [...this.model.revisions.values()];
    if (all.length === 0) return;
    const victim = all[this.random.below(all.length)];
    this.backend.deleteRevision(victim.main, victim.sub);
    this.model.revisions.delete(`${victim.main}.${victim.sub}`);
    expect(this.backend.readRevision(victim.main, victim.sub)).toBeUndefined();
  }

  putEntry(): void {
    const bucket = BUCKET_NAMES[this.random.below(BUCKET_NAMES.length)];
    const key = this.bucketKey();
    const value = this.value();
    this.backend.put(bucket, key, value);
    this.model.buckets.set(`${bucket}/${hexOf(key)}`, { bucket, key: hexOf(key), value: hexOf(value) });
  }

  deleteEntry(): void {
    const bucket = BUCKET_NAMES[this.random.below(BUCKET_NAMES.length)];
    const key = this.bucketKey();
    this.backend.delete(bucket, key);
    this.model.buckets.delete(`${bucket}/${hexOf(key)}`);
  }

  readSome(): void {
    const main = this.random.below(this.main + 2);
    const value = this.backend.readRevision(main, 0);
    expect(value && hexOf(value)).toBe(this.model.revisions.get(`${main}.0`)?.value);
    const from = this.random.below(this.main + 2);
    const seen: string[] = [];
    this.backend.scanRevisions(from, 1, (m, s) => {
      seen.push(`${m}.${s}`);
      return seen.length < 5;
    });
    const expected = [...this.model.revisions.values()]
      .filter((r) => r.main > from || (r.main === from && r.sub >= 1))
      .sort((a, b) => a.main - b.main || a.sub - b.sub)
      .slice(0, 5);
    expect(seen).toEqual(expected.map((r) => `${r.main}.${r.sub}`));
  }

  async restart(isCrash: boolean): Promise<void> {
    if (isCrash) {
      await this.subject.crash(this.backend);
      this.model = this.durable.copy();
    } else {
      await this.backend.commit();
      this.durable = this.model.copy();
      await this.backend.close();
    }
    this.backend = await this.subject.open();
    check(this.backend, this.model);
  }

  async commit(): Promise<void> {
    const done = this.backend.commit();
    this.durable = this.model.copy();
    // Writes go on while the transaction is on its way; two in flight at times.
    for (let i = this.random.below(30); i > 0; i--) this.step();
    if (this.random.below(3) === 0) {
      const second = this.backend.commit();
      this.durable = this.model.copy();
      for (let i = this.random.below(10); i > 0; i--) this.step();
      await second;
    }
    await done;
  }
}

describe.each([
  ["lmdb", lmdbSubject],
  ["memory with journal", memorySubject],
])("backend contract: %s", (_name, subjectOf) => {
  it.each([1, 2, 3, 4])(
    "behaves as a map through commits, crashes and reopenings (seed %i)",
    async (seed) => {
      const subject = subjectOf();
      const run = new Run(new SeededRandom(seed), subject, await subject.open());
      for (let round = 0; round < 12; round++) {
        for (let i = run.random.below(120); i > 0; i--) run.step();
        const dice = run.random.below(10);
        if (dice < 6) await run.commit();
        else await run.restart(dice < 8);
        check(run.backend, run.model);
      }
      await run.backend.close();
    },
  );

  it("counts pending writes and sizes", async () => {
    const backend = await subjectOf().open();
    expect(backend.pendingWrites).toBe(0);
    for (let main = 1; main <= 1000; main++) backend.appendRevision(main, 0, false, new Uint8Array(300));
    expect(backend.pendingWrites).toBe(1000);
    await backend.commit();
    expect(backend.pendingWrites).toBe(0);
    expect(backend.sizeOnDisk()).toBeGreaterThan(300_000);
    expect(backend.sizeInUse()).toBeGreaterThan(300_000);
    const full = backend.sizeOnDisk();
    for (let main = 1; main <= 900; main++) backend.deleteRevision(main, 0);
    await backend.commit();
    await backend.commit();
    expect(backend.sizeInUse()).toBeLessThan(150_000);
    expect(backend.sizeOnDisk()).toBeGreaterThanOrEqual(full);
    await backend.close();
  });

  it("refuses an append left of the right edge, after a restart too", async () => {
    const subject = subjectOf();
    let backend = await subject.open();
    backend.appendRevision(5, 1, false, bytesOf("x"));
    expect(() => backend.appendRevision(5, 1, false, bytesOf("y"))).toThrow("out of order");
    await backend.commit();
    await backend.close();
    backend = await subject.open();
    expect(() => backend.appendRevision(5, 0, false, bytesOf("y"))).toThrow("out of order");
    backend.appendRevision(5, 2, false, bytesOf("z"));
    await backend.close();
  });
});
