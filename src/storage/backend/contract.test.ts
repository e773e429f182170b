// One suite for both backends: random operations against a plain map, with commits, reopenings and crashes between.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { concatBytes, hexOf, SeededRandom } from "#base";
import { CorruptImageError } from "../bbolt/format.js";
import { BytesSource, ImageReader } from "../bbolt/image-reader.js";
import { MemoryDisk } from "../disk/index.js";
import { type BackendView, BUCKET_NAMES, type BucketName, type StorageBackend } from "./backend.js";
import { EXCHANGE_BUCKETS } from "./exchange.js";
import { LmdbBackend } from "./lmdb-backend.js";
import { MemoryBackend } from "./memory-backend.js";

/** A backend that can be closed or crashed and opened again. */
interface Subject {
  open(): Promise<StorageBackend>;
  /** Stores a file that `replaceWith` can read, and returns its path. */
  store(bytes: Uint8Array): Promise<string>;
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
  return {
    open: () => LmdbBackend.open({ path }),
    store: async (bytes) => {
      writeFileSync(join(directory, "image"), bytes);
      return join(directory, "image");
    },
    crash: (backend) => backend.close(),
  };
}

function memorySubject(): Subject {
  const random = new SeededRandom(7);
  let disk = new MemoryDisk();
  return {
    open: () => MemoryBackend.open(disk, "/journal"),
    store: async (bytes) => {
      const file = await disk.open("/image", "w+");
      await file.write(0, bytes);
      await file.close();
      return "/image";
    },
    crash: async () => {
      disk = disk.crash(random);
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

/** What the model holds, in the form and order of exchange. */
function exchanged(model: Model): string[] {
  const lines: string[] = [];
  for (const bucket of EXCHANGE_BUCKETS) {
    if (bucket === "key") {
      const all = [...model.revisions.values()].sort((a, b) => a.main - b.main || a.sub - b.sub);
      for (const r of all) {
        const key = `${r.main.toString(16).padStart(16, "0")}5f${r.sub.toString(16).padStart(16, "0")}`;
        lines.push(`key ${key}${r.tombstone ? "74" : ""} ${r.value}`);
      }
    } else {
      const entries = [...model.buckets.values()].filter((e) => e.bucket === bucket);
      lines.push(...entries.map((e) => `${bucket} ${e.key} ${e.value}`).sort());
    }
  }
  return lines;
}

async function recordsOf(view: BackendView): Promise<string[]> {
  const lines: string[] = [];
  await view.forEach((bucket, key, value) => {
    lines.push(`${bucket} ${hexOf(key)} ${hexOf(value)}`);
  });
  return lines;
}

async function imageOf(view: BackendView): Promise<Uint8Array> {
  const { size, chunks } = await view.exportImage();
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  const image = concatBytes(parts);
  expect(image.length).toBe(size);
  return image;
}

function linesOf(image: Uint8Array): string[] {
  const lines: string[] = [];
  for (const bucket of new ImageReader(new BytesSource("image", image)).buckets()) {
    bucket.forEach((key, value) => {
      lines.push(`${Buffer.from(bucket.name).toString()} ${hexOf(key)} ${hexOf(value)}`);
    });
  }
  return lines;
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

  it("lets its owner write at the start of every commit, and shows views of exactly their moment", async () => {
    const subject = subjectOf();
    const backend = await subject.open();
    let applied = 0;
    backend.beforeCommit = () => backend.put("meta", bytesOf("applied"), bytesOf(String(applied)));
    const markOf = async (view: BackendView): Promise<string> => {
      let text = "";
      await view.forEach((bucket, key, value) => {
        if (bucket === "meta" && Buffer.from(key).toString() === "applied")
          text = Buffer.from(value).toString();
      });
      await view.close();
      return text;
    };
    const countOf = async (view: BackendView): Promise<number> => (await recordsOf(view)).length - 1;
    const write = (): void => {
      applied++;
      backend.appendRevision(applied + 1, 0, false, bytesOf(`value ${applied}`));
    };
    const waiting: Promise<void>[] = [];
    for (let i = 0; i < 40; i++) {
      write();
      if (i % 3 === 0) waiting.push(backend.commit());
      const view = backend.openView();
      const expected = applied;
      write();
      if (i % 2 === 0) waiting.push(backend.commit());
      const opened = await view;
      expect(await countOf(opened)).toBe(expected);
      expect(await markOf(opened)).toBe(String(expected));
    }
    write();
    await backend.defragment();
    await Promise.all(waiting);
    await subject.crash(backend);
    const reopened = await subject.open();
    expect(Buffer.from(reopened.get("meta", bytesOf("applied"))!).toString()).toBe(String(applied));
    await reopened.close();
  });

  it.each([5, 6])("shows consistent views, as records and as an image (seed %i)", async (seed) => {
    const subject = subjectOf();
    const run = new Run(new SeededRandom(seed), subject, await subject.open());
    for (let i = 0; i < 300; i++) run.step();
    const expected = exchanged(run.model);
    const view = await run.backend.openView();
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 60; i++) run.step();
      await run.backend.commit();
    }
    expect(await recordsOf(view)).toEqual(expected);
    const image = await imageOf(view);
    expect(linesOf(image)).toEqual(expected);
    const hash = await view.hash();
    await view.close();
    // The image brings another backend of the same kind to the same state, whatever was in it before.
    const other = subjectOf();
    const copy = await other.open();
    copy.appendRevision(1, 0, false, bytesOf("gone"));
    await copy.commit();
    copy.put("lease", bytesOf("gone"), bytesOf("too"));
    await copy.replaceWith(await other.store(image));
    const copied = await copy.openView();
    expect(await recordsOf(copied)).toEqual(expected);
    expect(await copied.hash()).toBe(hash);
    await copied.close();
    await copy.close();
    const reopened = await other.open();
    const again = await reopened.openView();
    expect(await recordsOf(again)).toEqual(expected);
    await again.close();
    await reopened.close();
    await run.backend.close();
  });

  it.each([7, 8])("defragments under writes without losing any (seed %i)", async (seed) => {
    const subject = subjectOf();
    const run = new Run(new SeededRandom(seed), subject, await subject.open());
    for (let i = 0; i < 2000; i++) run.step();
    await run.backend.commit();
    for (const { main, sub } of [...run.model.revisions.values()].slice(0, -50)) {
      run.backend.deleteRevision(main, sub);
      run.model.revisions.delete(`${main}.${sub}`);
    }
    await run.backend.commit();
    await run.backend.commit();
    const before = run.backend.sizeOnDisk();
    const view = await run.backend.openView();
    const seen = exchanged(run.model);
    let isDone = false;
    const done = run.backend.defragment().finally(() => {
      isDone = true;
    });
    done.catch(() => {}); // awaited below
    // Not without end: on a busy machine the new writes would outgrow what the defragmentation gives back.
    for (let round = 0; !isDone; round++) {
      for (let i = 0; round < 30 && i < 20; i++) run.step();
      await run.commit();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await done;
    check(run.backend, run.model);
    expect(run.backend.sizeOnDisk()).toBeLessThan(before);
    // A view from before goes on showing what it showed.
    expect(await recordsOf(view)).toEqual(seen);
    await view.close();
    await run.commit();
    await run.restart(true);
    for (let i = 0; i < 50; i++) run.step();
    await run.restart(false);
    await run.backend.close();
  });

  it("takes an image while a defragmentation runs, and a defragmentation while an image arrives", async () => {
    const subject = subjectOf();
    const backend = await subject.open();
    for (let main = 1; main <= 3000; main++)
      backend.appendRevision(main, 0, false, new Uint8Array(200).fill(1));
    const view = await backend.openView();
    const expected = await recordsOf(view);
    const path = await subject.store(await imageOf(view));
    await view.close();
    for (let round = 0; round < 4; round++) {
      backend.appendRevision(5000 + round, 0, false, bytesOf("not in the image"));
      const outcomes = await Promise.allSettled(
        round % 2 === 0
          ? [backend.defragment(), backend.replaceWith(path), backend.commit()]
          : [backend.replaceWith(path), backend.defragment(), backend.commit()],
      );
      expect(outcomes[round % 2 === 0 ? 1 : 0].status).toBe("fulfilled");
      const now = await backend.openView();
      expect(await recordsOf(now)).toEqual(expected);
      await now.close();
      backend.put("meta", bytesOf("round"), Uint8Array.of(round));
      await backend.commit();
    }
    await backend.close();
    const reopened = await subject.open();
    expect(reopened.get("meta", bytesOf("round"))).toEqual(Uint8Array.of(3));
    await reopened.close();
  });

  it("leaves the content alone when the image is damaged", async () => {
    const subject = subjectOf();
    const backend = await subject.open();
    backend.appendRevision(3, 0, false, bytesOf("stays"));
    backend.put("meta", bytesOf("k"), bytesOf("v"));
    const view = await backend.openView();
    const image = await imageOf(view);
    await view.close();
    backend.put("meta", bytesOf("pending"), bytesOf("too"));
    const path = await subject.store(image.fill(0xff, image.length - 4096));
    await expect(backend.replaceWith(path)).rejects.toThrow(CorruptImageError);
    expect(hexOf(backend.readRevision(3, 0)!)).toBe(hexOf(bytesOf("stays")));
    expect(backend.get("meta", bytesOf("pending"))).toEqual(bytesOf("too"));
    backend.appendRevision(4, 0, false, bytesOf("on"));
    await backend.commit();
    await backend.close();
  });

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

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}
