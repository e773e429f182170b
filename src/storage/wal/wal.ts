// The write-ahead log: what a member must not forget, in etcd's own files (docs/formats/wal.md).
//
// Invariants:
// - A `save` that must be durable has returned (or its promise is fulfilled) only after its bytes were synced.
// - Bytes reach the file in the order of the calls; the sum in each record chains to the one before.
// - After any failed write or sync nobody knows what is on disk, so the log is poisoned: every later call throws, and
//   the member has to stop and read back what there really is. A sync is never tried again.
// - The log holds either the old set of segments or that plus one whole new segment, at any crash.
//
// Saves queue; one writer takes all that wait, encodes them into one buffer, writes once and syncs once. `saveSync` does
// the same on the calling thread, for a disk so quick that going through the thread pool would cost more; it is
// there only while nothing is under way (`canSaveSync`). A save may also write on the calling thread and leave only the
// sync to another, which spares one change of threads. The change to the next segment happens behind the save that
// filled the current one, and nobody waits for it unless there is more to save meanwhile.
//
// A state that differs in nothing but the commit index needs no sync (raft finds the commit index again), so it is not
// even written by itself: the next record takes it along, or `close`.
//
// Locks on the segments, as etcd takes them, are left out: the data directory has one (datadir.ts).

import { type Disk, DiskError, type DiskFile, type Logger, Panic, panic, Ring, SILENT } from "#base";
import { type Entry, HardState, NO_ENTRIES } from "#proto";
import { listSegments, type SegmentName, segmentName } from "./names.js";
import { NextSegment } from "./next-segment.js";
import { RecordEncoder, WalSnapshot } from "./record.js";
import { removeSegment } from "./segment-file.js";
import {
  buildFirstSegment,
  readAndMend,
  SEGMENT_BYTES,
  type WalContents,
  type WalOptions,
  type WalStart,
} from "./wal-start.js";

/** A sync that takes longer is worth a line in the log. */
const SLOW_SYNC_MS = 1000;
/** Copying more than this into the page cache takes longer than a change of threads. */
const WRITE_HERE_BYTES_MAX = 256 * 1024;

/** One call of `save` in the queue. */
class Job {
  constructor(
    readonly state: HardState | undefined,
    readonly entries: readonly Entry[],
    readonly snapshot: WalSnapshot | undefined,
    readonly writeHere: boolean,
    readonly resolve: () => void,
    readonly reject: (error: unknown) => void,
  ) {}
}

export class Wal {
  readonly directory: string;
  /** Bytes written to segments since the log was opened. */
  bytesWritten = 0;

  private readonly disk: Disk;
  private readonly metadata: Uint8Array;
  private readonly encoder: RecordEncoder;
  private readonly next: NextSegment;
  private readonly segmentBytes: number;
  private readonly unsafeNoFsync: boolean;
  private readonly logger: Logger;
  private readonly now: () => number;
  private readonly onFsync: ((seconds: number) => void) | undefined;
  private readonly onWrite: ((seconds: number) => void) | undefined;
  private readonly onFailure: ((failure: Panic) => void) | undefined;

  /** Segments that may hold something needed, oldest first; the last one is being written. */
  private readonly held: SegmentName[];
  private file: DiskFile;
  /** Where the next byte goes in the last segment. */
  private offset: number;
  /** The last state that was saved, and whether its record still has to be written. */
  private state: HardState;
  private stateIsUnwritten = false;
  private lastIndex: number;

  private readonly jobs = new Ring<Job>();
  private isWorking = false;
  private working: Promise<void> = Promise.resolve();
  private purging: Promise<unknown> | undefined;
  private failure: Panic | undefined;
  private isClosed = false;

  private constructor(disk: Disk, directory: string, start: WalStart, options: WalOptions) {
    this.disk = disk;
    this.directory = directory;
    this.metadata = start.metadata;
    this.held = start.segments;
    this.file = start.file;
    this.offset = start.offset;
    this.encoder = new RecordEncoder(start.crc);
    this.state = start.state;
    this.lastIndex = start.lastIndex;
    this.segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.unsafeNoFsync = options.unsafeNoFsync ?? false;
    this.logger = options.logger ?? SILENT;
    this.now = options.now ?? (() => performance.now());
    this.onFsync = options.onFsync;
    this.onWrite = options.onWrite;
    this.onFailure = options.onFailure;
    this.next = new NextSegment(disk, directory, this.segmentBytes, !this.unsafeNoFsync);
    this.next.prepare();
  }

  static async exists(disk: Disk, directory: string): Promise<boolean> {
    return (await listSegments(disk, directory)).length > 0;
  }

  /**
   * Makes a new log. It is built beside its place and renamed, so that a crash leaves the whole first segment or no log.
   * @param metadata opaque; comes back from every later `open`
   */
  static async create(
    disk: Disk,
    directory: string,
    metadata: Uint8Array,
    options: WalOptions = {},
  ): Promise<Wal> {
    return new Wal(disk, directory, await buildFirstSegment(disk, directory, metadata, options), options);
  }

  /**
   * Opens the log for writing, from `snapshot` on, and reads all of it. A torn last batch is cut off (a copy is kept);
   * other damage throws WalError and changes nothing.
   * @param snapshot one that `validSnapshots` returned, or the empty one
   */
  static async open(
    disk: Disk,
    directory: string,
    snapshot: WalSnapshot = new WalSnapshot(),
    options: WalOptions = {},
  ): Promise<{ wal: Wal; contents: WalContents }> {
    const { start, contents } = await readAndMend(disk, directory, snapshot, options);
    return { wal: new Wal(disk, directory, start, options), contents };
  }

  /** Why no next segment could be prepared (a full disk, most likely): time to stop taking writes. */
  get spaceProblem(): unknown {
    return this.next.problem;
  }

  /** Tries again after `spaceProblem`. */
  retrySpace(): void {
    if (!this.isClosed) this.next.retry();
  }

  /** Whether `saveSync` may be called now. */
  get canSaveSync(): boolean {
    return !this.isWorking && this.failure === undefined && !this.isClosed;
  }

  /**
   * Appends the entries and the state. Fulfilled when they are durable, as far as they must be. Neither the array nor the
   * entries may change before that.
   * @param writeHere whether the bytes may be handed to the system on the calling thread, unless they are many
   */
  save(state: HardState | undefined, entries: readonly Entry[], writeHere = false): Promise<void> {
    return this.enqueue(state, entries, undefined, writeHere);
  }

  /**
   * Marks a snapshot, durably. The snapshot file must be durable before.
   * @param state the state that goes with a snapshot beyond the end of the log: without it the record would not count
   */
  saveSnapshot(snapshot: WalSnapshot, state?: HardState): Promise<void> {
    return this.enqueue(state, NO_ENTRIES, snapshot, false);
  }

  /** As `save`, but done when it returns. Only while `canSaveSync`. Throws Panic when the disk fails. */
  saveSync(state: HardState | undefined, entries: readonly Entry[]): void {
    this.checkUsable();
    if (this.isWorking) panic("saveSync while the log is busy", { directory: this.directory });
    this.encoder.out.reset();
    if (!this.encode(state, entries)) return;
    try {
      const start = this.now();
      this.file.writeSync(this.offset, this.encoder.out.view());
      this.onWrite?.((this.now() - start) / 1000);
      if (!this.unsafeNoFsync) {
        const written = this.now();
        this.file.datasyncSync();
        this.observeSync(written);
      }
    } catch (error) {
      throw this.poison(error);
    }
    this.advance();
    if (this.offset >= this.segmentBytes) this.startWork();
  }

  /**
   * Entries before `index` are no longer needed: lets `purge` remove the segments that end before it.
   * The segment that `index` may lie in and the one before its first entry stay.
   */
  releaseTo(index: number): void {
    let keep = 0;
    while (keep + 1 < this.held.length && this.held[keep + 1].firstIndex < index) keep++;
    this.held.splice(0, keep);
  }

  /**
   * Removes released segments, oldest first, until `keep` files are left.
   * @returns the names of the removed files; none once the log is closed
   */
  purge(keep: number): Promise<string[]> {
    if (this.isClosed) return Promise.resolve([]);
    const work = this.removeReleased(keep);
    // Only close waits for this; whoever called gets the error itself.
    this.purging = work.catch(() => undefined);
    return work;
  }

  /** Writes what is left, syncs and closes. A poisoned log is closed too, without a word about what it holds. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    while (this.isWorking) await this.working;
    await this.purging;
    try {
      if (this.failure === undefined) await this.flushState();
    } catch (error) {
      throw this.poison(error);
    } finally {
      await this.next.close();
      await this.file.close();
    }
  }

  private async removeReleased(keep: number): Promise<string[]> {
    const removed: string[] = [];
    const segments = await listSegments(this.disk, this.directory);
    for (const segment of segments) {
      if (segments.length - removed.length <= keep || this.isClosed) break;
      if (segment.sequence >= this.held[0].sequence) break;
      await removeSegment(this.disk, this.directory, segment.name);
      this.logger.info("purged", { path: `${this.directory}/${segment.name}` });
      removed.push(segment.name);
    }
    return removed;
  }

  private enqueue(
    state: HardState | undefined,
    entries: readonly Entry[],
    snapshot: WalSnapshot | undefined,
    writeHere: boolean,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.checkUsable();
      this.jobs.push(new Job(state, entries, snapshot, writeHere, resolve, reject));
      if (!this.isWorking) this.startWork();
    });
  }

  private startWork(): void {
    this.isWorking = true;
    this.working = this.work();
  }

  /** Runs until the queue is empty. Never rejects: a failure goes to the waiting calls and into `failure`. */
  private async work(): Promise<void> {
    const batch: Job[] = [];
    try {
      for (;;) {
        if (this.offset >= this.segmentBytes) await this.cut();
        for (let job = this.jobs.shift(); job !== undefined; job = this.jobs.shift()) batch.push(job);
        if (batch.length === 0) break;
        this.encoder.out.reset();
        let mustSync = false;
        let writeHere = true;
        for (const job of batch) {
          mustSync = this.encodeJob(job) || mustSync;
          writeHere &&= job.writeHere;
        }
        if (mustSync) await this.flush(writeHere);
        for (const job of batch) job.resolve();
        batch.length = 0;
      }
    } catch (error) {
      const failure = this.poison(error);
      for (const job of batch) job.reject(failure);
      for (let job = this.jobs.shift(); job !== undefined; job = this.jobs.shift()) job.reject(failure);
    }
    this.isWorking = false;
  }

  private encodeJob(job: Job): boolean {
    if (job.snapshot === undefined) return this.encode(job.state, job.entries);
    // The record counts only up to a commit index that the log itself tells, so what is known goes first. A commit index
    // that only the snapshot can reach goes behind it: a crash in between leaves a record that does not count yet.
    this.encodeState();
    this.encoder.snapshot(job.snapshot);
    if (job.snapshot.index > this.lastIndex) this.lastIndex = job.snapshot.index;
    this.encode(job.state, job.entries);
    this.encodeState();
    return true;
  }

  /** Adds to the output what must be durable now. False when that is nothing. */
  private encode(state: HardState | undefined, entries: readonly Entry[]): boolean {
    let mustSync = entries.length > 0;
    this.checkFollow(entries);
    for (let i = 0; i < entries.length; i++) this.encoder.entry(entries[i]);
    if (mustSync) this.lastIndex = entries[entries.length - 1].index;
    if (state !== undefined && !isEmpty(state)) {
      const { state: last } = this;
      if (state.term !== last.term || state.vote !== last.vote) mustSync = true;
      if (mustSync || state.commit !== last.commit) {
        this.state = new HardState(state.term, state.vote, state.commit);
        this.stateIsUnwritten = true;
      }
    }
    if (mustSync) this.encodeState();
    return mustSync;
  }

  /** Before anything is encoded: the sum cannot be taken back. */
  private checkFollow(entries: readonly Entry[]): void {
    for (let i = 0; i < entries.length; i++) {
      const { index } = entries[i];
      const { lastIndex } = this;
      if (i === 0 ? index > lastIndex + 1 : index !== entries[i - 1].index + 1) {
        panic("a gap in the log", { index, lastIndex });
      }
    }
  }

  private encodeState(): void {
    if (!this.stateIsUnwritten) return;
    this.encoder.state(this.state);
    this.stateIsUnwritten = false;
  }

  private async flush(writeHere = false): Promise<void> {
    const start = this.now();
    const bytes = this.encoder.out.view();
    if (writeHere && bytes.length <= WRITE_HERE_BYTES_MAX) this.file.writeSync(this.offset, bytes);
    else await this.file.write(this.offset, bytes);
    this.onWrite?.((this.now() - start) / 1000);
    this.advance();
    await this.sync();
  }

  private advance(): void {
    const { length } = this.encoder.out;
    this.offset += length;
    this.bytesWritten += length;
  }

  private async sync(): Promise<void> {
    if (this.unsafeNoFsync) return;
    const start = this.now();
    await this.file.datasync();
    this.observeSync(start);
  }

  private observeSync(start: number): void {
    const took = this.now() - start;
    if (took > SLOW_SYNC_MS) {
      this.logger.warn("slow fdatasync", { took: `${took}ms`, "expected-duration": `${SLOW_SYNC_MS}ms` });
    }
    this.onFsync?.(took / 1000);
  }

  private async flushState(): Promise<void> {
    this.encoder.out.reset();
    this.encodeState();
    if (this.encoder.out.length > 0) await this.flush();
  }

  /**
   * Changes over to the next segment. The order is what makes it safe: the old segment is whole before the new one can
   * be seen, and the new one has its head before it gets its name.
   */
  private async cut(): Promise<void> {
    await this.file.truncate(this.offset);
    await this.sync();
    const last = this.held[this.held.length - 1];
    const sequence = last.sequence + 1;
    const firstIndex = this.lastIndex + 1;
    const name = segmentName(sequence, firstIndex);
    const file = await this.next.take();
    const old = this.file;
    this.file = file;
    this.offset = 0;
    this.encoder.out.reset();
    this.encoder.carryCrc();
    this.encoder.metadata(this.metadata);
    this.stateIsUnwritten = !isEmpty(this.state);
    this.encodeState();
    try {
      await this.flush();
    } finally {
      await old.close();
    }
    const path = `${this.directory}/${name}`;
    await this.disk.rename(file.path, path);
    if (!this.unsafeNoFsync) await this.disk.syncDirectory(this.directory);
    // Opened once more by its name: errors carry the path that the file was opened with.
    this.file = await this.disk.open(path, "r+");
    await file.close();
    this.held.push({ name, sequence, firstIndex });
    this.next.prepare();
    this.logger.info("created a new WAL segment", { path });
  }

  private checkUsable(): void {
    if (this.failure !== undefined) throw this.failure;
    if (this.isClosed) panic("the log is closed", { directory: this.directory });
  }

  private poison(cause: unknown): Panic {
    if (this.failure !== undefined) return this.failure;
    const path = `${this.directory}/${this.held[this.held.length - 1].name}`;
    const text = cause instanceof Error ? cause.message : String(cause);
    const remedy = remedyFor(cause);
    const failure = new Panic(`wal: write failed: ${text}`, { path, offset: this.offset, remedy }, cause);
    this.failure = failure;
    this.onFailure?.(failure);
    return failure;
  }
}

function remedyFor(cause: unknown): string {
  const isFull = cause instanceof DiskError && (cause.code === "ENOSPC" || cause.code === "EDQUOT");
  return isFull
    ? "make room on this disk and start the member again; what was acknowledged is there"
    : "look for the disk's trouble in the system log before starting again; what was acknowledged is there if the disk keeps what it synced";
}

function isEmpty(state: HardState): boolean {
  return state.term === 0 && state.vote === 0n && state.commit === 0;
}
