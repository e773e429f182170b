// The part of the log that is not known to be on disk yet, and possibly a snapshot that is not installed yet. An entry is
// here from the moment raft accepts it until the driver reports it stable. In between it is handed out once:
//
//   [window.firstIndex, inProgress)   given to the driver, being written
//   [inProgress, window.endIndex)     new, goes out with the next Ready
//
// Invariant: whatever is here overrides the storage at the same index. The window may begin before the storage's last
// index: then the coming write replaces a conflicting tail.

import type { Entry, Snapshot } from "#proto";
import { EntryWindow } from "./entry-window.js";

export class Unstable {
  readonly window: EntryWindow;
  snapshot: Snapshot | undefined = undefined;
  snapshotInProgress = false;
  /** One past the last entry that is being written. */
  inProgress: number;

  /** @param firstIndex one past the last index in storage */
  constructor(firstIndex: number) {
    this.window = new EntryWindow(firstIndex);
    this.inProgress = firstIndex;
  }

  /** Index of the first entry that is not in storage. */
  get offset(): number {
    return this.window.firstIndex;
  }

  /** Last index if this part of the log determines it, otherwise undefined. */
  lastIndex(): number | undefined {
    if (this.window.length > 0) return this.window.endIndex - 1;
    return this.snapshot?.index;
  }

  /** Term at `index` if this part of the log knows it, otherwise undefined. */
  term(index: number): number | undefined {
    if (index >= this.window.firstIndex) {
      return index < this.window.endIndex ? this.window.at(index).term : undefined;
    }
    return this.snapshot !== undefined && this.snapshot.index === index ? this.snapshot.term : undefined;
  }

  hasNextEntries(): boolean {
    return this.window.endIndex > this.inProgress;
  }

  /** The snapshot to install with the next Ready. */
  nextSnapshot(): Snapshot | undefined {
    return this.snapshotInProgress ? undefined : this.snapshot;
  }

  /** Everything that is here now has been given to the driver. */
  acceptInProgress(): void {
    this.inProgress = this.window.endIndex;
    if (this.snapshot !== undefined) this.snapshotInProgress = true;
  }

  /**
   * Entries up to `index` are on disk. Ignored unless the entry at `index` still has that `term`: otherwise it has been
   * replaced while it was being written.
   */
  stableTo(index: number, term: number): void {
    if (index < this.window.firstIndex || this.term(index) !== term) return;
    this.window.dropBefore(index + 1);
    this.inProgress = Math.max(this.inProgress, this.window.firstIndex);
  }

  /** The snapshot at `index` is installed. */
  stableSnapshotTo(index: number): void {
    if (this.snapshot === undefined || this.snapshot.index !== index) return;
    this.snapshot = undefined;
    this.snapshotInProgress = false;
  }

  /** The snapshot replaces the whole log. */
  restore(snapshot: Snapshot): void {
    this.window.reset(snapshot.index + 1);
    this.inProgress = snapshot.index + 1;
    this.snapshot = snapshot;
    this.snapshotInProgress = false;
  }

  /** Appends from `entries[from]` on, first cutting off whatever is at or after its index. Returns true if it cut. */
  truncateAndAppend(entries: readonly Entry[], from: number): boolean {
    const index = entries[from].index;
    const cut = index !== this.window.endIndex;
    if (index < this.window.firstIndex) this.window.reset(index);
    else if (cut) this.window.truncateFrom(index);
    this.inProgress = Math.min(this.inProgress, index);
    this.window.append(entries, from);
    return cut;
  }
}
