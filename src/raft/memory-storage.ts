// The stable log in memory: what the server keeps beside its WAL, and all that tests need. The driver appends what a Ready
// told it to persist, after it is durable; the log is cut by `compact` when a snapshot has covered its beginning.
//
// Layout: the snapshot stands for [1, snapshot.index]; `window` holds [boundary + 1, lastIndex], where the boundary is the
// last compacted index, whose term is kept for the consistency check. The boundary may lie behind the snapshot: entries
// are kept for slow followers.

import { panic } from "#base";
import { type ConfState, type Entry, entrySize, HardState, NO_ENTRIES, Snapshot } from "#proto";
import { EntryWindow } from "./entry-window.js";
import { type LogStorage, TERM_COMPACTED, TERM_UNAVAILABLE } from "./storage.js";

export class MemoryLogStorage implements LogStorage {
  private hardState = new HardState();
  private confState: ConfState | undefined = undefined;
  private latest = new Snapshot();
  private boundaryTerm = 0;
  private readonly window = new EntryWindow(1, 1024);

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.hardState, confState: this.confState ?? this.latest.confState };
  }

  firstIndex(): number {
    return this.window.firstIndex;
  }

  lastIndex(): number {
    return this.window.endIndex - 1;
  }

  term(index: number): number {
    const boundary = this.window.firstIndex - 1;
    if (index < boundary) return TERM_COMPACTED;
    if (index === boundary) return this.boundaryTerm;
    return index < this.window.endIndex ? this.window.at(index).term : TERM_UNAVAILABLE;
  }

  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] | undefined {
    if (lo < this.window.firstIndex) return undefined;
    if (hi > this.window.endIndex) panic("read past the end of the log", { hi, lastIndex: this.lastIndex() });
    if (lo >= hi) return NO_ENTRIES;
    let bytes = entrySize(this.window.at(lo));
    let end = lo + 1;
    for (; end < hi; end++) {
      bytes += entrySize(this.window.at(end));
      if (bytes > maxBytes) break;
    }
    return this.window.slice(lo, end);
  }

  /**
   * How far back the newest entries up to `index` go that are at most `count` and hold at most `maxBytes` of data.
   * @returns the index of the first of them, `index + 1` if there is none
   */
  firstWithin(index: number, count: number, maxBytes: number): number {
    const lowest = Math.max(this.window.firstIndex, index - count + 1);
    let bytes = 0;
    let first = index + 1;
    while (first > lowest) {
      bytes += this.window.at(first - 1).data.length;
      if (bytes > maxBytes) break;
      first--;
    }
    return first;
  }

  snapshot(): Snapshot | undefined {
    return this.latest.index === 0 ? undefined : this.latest;
  }

  /** Number of entries held in memory. */
  get length(): number {
    return this.window.length;
  }

  setHardState(state: HardState): void {
    this.hardState = state;
  }

  /** The configuration to begin with, if that is not the snapshot's: the one that the state machine has applied since. */
  setConfState(confState: ConfState): void {
    this.confState = confState;
  }

  /** Appends; entries that conflict with existing ones replace them and all that follow. */
  append(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    const skip = Math.max(0, this.window.firstIndex - entries[0].index);
    if (skip >= entries.length) return;
    const from = entries[skip].index;
    if (from > this.window.endIndex) panic("gap in the log", { lastIndex: this.lastIndex(), appendAt: from });
    this.window.truncateFrom(from);
    this.window.append(entries, skip);
  }

  /** Replaces the whole log by a snapshot received from the leader. Returns false, changing nothing, if it is outdated. */
  applySnapshot(snapshot: Snapshot): boolean {
    if (this.latest.index !== 0 && snapshot.index <= this.latest.index) return false;
    this.latest = snapshot;
    this.boundaryTerm = snapshot.term;
    this.window.reset(snapshot.index + 1);
    return true;
  }

  /**
   * Makes the snapshot at `index` the one that slow followers get; the log stays as it is until `compact`.
   * @param index an applied index inside the log; returns undefined if it is not past the present snapshot
   */
  createSnapshot(index: number, confState: ConfState, data: Uint8Array): Snapshot | undefined {
    if (index <= this.latest.index) return undefined;
    if (index > this.lastIndex())
      panic("snapshot past the end of the log", { index, lastIndex: this.lastIndex() });
    const term = this.term(index);
    if (term < 0) panic("snapshot of a compacted index", { index, firstIndex: this.firstIndex() });
    this.latest = new Snapshot(index, term, confState, data);
    return this.latest;
  }

  /** Drops the entries up to and including `index`. Returns false if they are gone already. */
  compact(index: number): boolean {
    if (index < this.window.firstIndex) return false;
    if (index > this.lastIndex())
      panic("compaction past the end of the log", { index, lastIndex: this.lastIndex() });
    this.boundaryTerm = this.window.at(index).term;
    this.window.dropBefore(index + 1);
    return true;
  }

  describe(): string {
    const range = this.window.length === 0 ? "empty" : `${this.firstIndex()}..${this.lastIndex()}`;
    return `entries=${range} snapshot=${this.latest.index}/${this.latest.term}`;
  }
}
