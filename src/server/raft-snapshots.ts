// Raft snapshots: from time to time everything up to the applied index is declared durable elsewhere, so that the log
// can be cut. The state itself is in the backend; the snapshot file only holds index, term and membership.
//
// Order, which is what a crash at any point rests on:
//   1. the backend commits everything up to the index,
//   2. the snapshot file is written and synced,
//   3. the log gets a record that the snapshot exists,
//   4. raft's log in memory is cut, and segments that hold nothing newer are released.
//
// A snapshot is due after a number of entries or of bytes, whichever comes first; entries kept behind it for slow
// followers are bounded both ways too.

import type { Clock, Logger, Timer } from "#base";
import type { ConfState, Entry, HardState, Snapshot } from "#proto";
import type { MemoryLogStorage } from "#raft";
import { type Snapshotter, type StorageBackend, type Wal, WalSnapshot } from "#storage";
import type { Committer } from "./committer.js";
import { CATCHUP_LOG_BYTES, PURGE_INTERVAL_MS, SNAPSHOT_LOG_BYTES } from "./limits.js";

export interface RaftSnapshotsParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly storage: MemoryLogStorage;
  readonly wal: Wal;
  readonly snapshotter: Snapshotter;
  readonly backend: StorageBackend;
  readonly committer: Committer;
  readonly snapshotCount: number;
  readonly catchupEntries: number;
  readonly maxSnapshots: number;
  readonly maxWals: number;
  /** Index of the snapshot that the member started from. */
  readonly startIndex: number;
  /** The membership as Go members read it from a snapshot. */
  readonly membership: () => { readonly confState: ConfState; readonly data: Uint8Array };
  /** Hears how long each snapshot file took. */
  readonly onSaved: (seconds: number) => void;
  readonly fatal: (error: unknown) => void;
}

export class RaftSnapshots {
  private readonly parts: RaftSnapshotsParts;
  /** Index of the last snapshot taken. */
  private lastIndex: number;
  private bytesSince = 0;
  private work: Promise<void> | undefined;
  private purgeTimer: Timer | undefined;
  private stopped = false;

  constructor(parts: RaftSnapshotsParts) {
    this.parts = parts;
    this.lastIndex = parts.startIndex;
  }

  start(): void {
    this.purgeTimer = this.parts.clock.setTimer(PURGE_INTERVAL_MS, () => this.purge());
  }

  stop(): void {
    this.stopped = true;
    if (this.purgeTimer !== undefined) this.parts.clock.clearTimer(this.purgeTimer);
    this.purgeTimer = undefined;
  }

  /** Takes a snapshot when one is due; to be called after each applied batch. */
  onApplied(entries: readonly Entry[]): void {
    for (const entry of entries) this.bytesSince += entry.data.length;
    const index = entries[entries.length - 1].index;
    const due = index - this.lastIndex >= this.parts.snapshotCount || this.bytesSince >= SNAPSHOT_LOG_BYTES;
    if (!due || this.work !== undefined || this.stopped) return;
    this.work = this.take(index).then(
      () => {
        this.work = undefined;
      },
      (error: unknown) => {
        this.work = undefined;
        this.parts.fatal(error);
      },
    );
  }

  /** Waits for the snapshot under way. */
  async settle(): Promise<void> {
    await this.work;
  }

  /** A received snapshot: its file, and its record in the log together with the state without which the record would not
   *  count, before anything is replaced. */
  async announce(snapshot: Snapshot, state: HardState | undefined): Promise<void> {
    const { snapshotter, wal } = this.parts;
    await this.settle();
    this.parts.logger.info("applying snapshot", { "snapshot-index": snapshot.index });
    await snapshotter.save(snapshot);
    await wal.saveSnapshot(new WalSnapshot(snapshot.index, snapshot.term, snapshot.confState), state);
  }

  /** Makes the image that came with an announced snapshot the member's state. A crash before it is done is made good at
   *  the next start (start.ts). */
  async install(snapshot: Snapshot): Promise<void> {
    const { snapshotter, backend } = this.parts;
    await backend.replaceWith(snapshotter.databasePath(snapshot.index));
    this.lastIndex = snapshot.index;
    this.bytesSince = 0;
    this.parts.logger.info("applied snapshot", { "snapshot-index": snapshot.index });
  }

  private async take(index: number): Promise<void> {
    const { storage, committer, snapshotter, wal, logger } = this.parts;
    this.lastIndex = index;
    this.bytesSince = 0;
    const { confState, data } = this.parts.membership();
    const snapshot = storage.createSnapshot(index, confState, data);
    if (snapshot === undefined) return;
    await committer.commit();
    const began = this.parts.clock.now();
    await snapshotter.save(snapshot);
    this.parts.onSaved((this.parts.clock.now() - began) / 1000);
    await wal.saveSnapshot(new WalSnapshot(snapshot.index, snapshot.term, snapshot.confState));
    logger.info("saved snapshot", { "snapshot-index": index });
    const cut = storage.firstWithin(index, this.parts.catchupEntries, CATCHUP_LOG_BYTES) - 1;
    if (storage.compact(cut)) logger.info("compacted Raft logs", { "compact-index": cut });
    wal.releaseTo(index);
  }

  private purge(): void {
    if (this.stopped) return;
    this.purgeTimer = this.parts.clock.setTimer(PURGE_INTERVAL_MS, () => this.purge());
    const { wal, snapshotter, maxWals, maxSnapshots, logger } = this.parts;
    const work: Promise<unknown>[] = [];
    if (maxWals > 0) work.push(wal.purge(maxWals));
    if (maxSnapshots > 0) work.push(snapshotter.purge(maxSnapshots));
    Promise.all(work).catch((error: unknown) => {
      // Old files that stay cost space, not safety; the next round tries again.
      logger.warn("failed to purge files", { error: error instanceof Error ? error.message : String(error) });
    });
  }
}
