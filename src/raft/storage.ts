// The stable log as raft reads it. Raft itself never writes: what must become stable leaves in a Ready (or, with
// asynchronous writes, in a StorageAppend message), and the driver puts it here once it is durable. Reads are plain calls,
// so whatever implements this keeps the entries that raft may still ask for in memory.

import type { ConfState, Entry, HardState, Snapshot } from "#proto";

/** `term()` of an index that a snapshot has swallowed. */
export const TERM_COMPACTED = -1;
/** `term()` of an index past the end of the log. */
export const TERM_UNAVAILABLE = -2;

export interface LogStorage {
  /** What a restarted member begins with: the saved hard state and the configuration of the saved snapshot. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /** Index of the first entry that `entries` can return; one past the snapshot when there are none. */
  firstIndex(): number;
  /** Index of the last entry, or of the snapshot when there are none. */
  lastIndex(): number;
  /**
   * Term of the entry at `index`. Defined on [firstIndex - 1, lastIndex]: the term just before the first entry is kept
   * for the consistency check of appends. Otherwise TERM_COMPACTED or TERM_UNAVAILABLE, both negative.
   */
  term(index: number): number;
  /**
   * Entries of [lo, hi) as an array that never changes: the longest prefix of at most `maxBytes` encoded bytes, but at
   * least one entry. Undefined when `lo` has been compacted. `hi` is at most lastIndex + 1.
   */
  entries(lo: number, hi: number, maxBytes: number): readonly Entry[] | undefined;
  /** The latest snapshot, or undefined while it cannot be had (raft asks again). Index 0 must never be returned here. */
  snapshot(): Snapshot | undefined;
}
