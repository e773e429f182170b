// What all parts of the store share: the two revisions, the key index, the backend, and the readers that compaction
// has to wait for.

import type { Backend } from "./backend.js";
import { KeyIndex } from "./key-index.js";

/** A read that goes on over several turns and needs its revision to stay readable. */
export interface Pin {
  readonly pinnedRevision: number;
}

/** Plain counters, read at scrape time. */
export class StoreCounters {
  puts = 0;
  deletes = 0;
  ranges = 0;
  txns = 0;
  putBytes = 0;
  compactedRevisions = 0;
}

export class StoreState {
  /** The newest revision; an empty store is at 1. */
  currentRevision = 1;
  /** Reads below this revision are refused; -1 when nothing was ever compacted. */
  compactedRevision = -1;
  index = new KeyIndex();
  /** Counts how often the store was rebuilt; what was read before belongs to another store. */
  epoch = 0;
  readonly counters = new StoreCounters();
  private readonly pins = new Set<Pin>();

  constructor(public backend: Backend) {}

  pin(reader: Pin): void {
    this.pins.add(reader);
  }

  unpin(reader: Pin): void {
    this.pins.delete(reader);
  }

  /** True if a reader still reads below `revision`, so that compaction at it may not remove anything yet. */
  isPinnedBelow(revision: number): boolean {
    for (const pin of this.pins) if (pin.pinnedRevision < revision) return true;
    return false;
  }
}
