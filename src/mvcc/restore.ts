// Start: the key index is rebuilt from the revision log, in one pass over the backend.
//
// The current revision must never be lower than before the restart, or a revision would be given out twice. The newest
// record alone does not tell: compaction at the current revision may have deleted it, and the crash may have come
// before that was noted as finished. So the compaction marks count as well; the first of them is written before
// anything is deleted.

import type { Compactor } from "./compaction.js";
import { KeyIndex } from "./key-index.js";
import { readFinishedCompaction, readScheduledCompaction } from "./meta.js";
import { mutations } from "./mutations.js";
import type { Leases } from "./ports.js";
import { RecordHead } from "./record.js";
import type { StoreState } from "./state.js";

/** Rebuilds everything that is kept in memory from `state.backend`. */
export function restoreState(state: StoreState, compactor: Compactor, leases: Leases): void {
  const { backend } = state;
  const finished = readFinishedCompaction(backend);
  const scheduled = readScheduledCompaction(backend);
  state.index = new KeyIndex();
  state.epoch++;
  let newest = Math.max(1, restoreIndex(state), finished);
  if (!mutations.revisionDownAfterCompactionCrash) newest = Math.max(newest, scheduled);
  state.currentRevision = newest;
  compactor.resume(finished, Math.min(scheduled, newest));
  state.index.forEachLeased((key, lease) => leases.attach(lease, key));
}

/** @returns the main revision of the newest record, 0 if there is none */
function restoreIndex(state: StoreState): number {
  const { index } = state;
  const head = new RecordHead();
  let newest = 0;
  index.beginRestore();
  state.backend.walkRevisions((main, sub, tombstone, bytes, start, end) => {
    head.read(bytes, start, end);
    const { keyStart, keyEnd, createRevision, version, lease } = head;
    index.restore(bytes, keyStart, keyEnd, main, sub, tombstone, createRevision, version, lease);
    newest = main;
  });
  index.endRestore();
  return newest;
}
