// The bugs that can be planted in this room; each is a mistake that etcd once made.

import { PlantedBugs } from "#base";

export const mvccBugs = new PlantedBugs({
  tombstoneDroppedAtCompactRevision:
    "compaction drops a tombstone that lies exactly at its revision; a watch from there misses a delete",
  compactedRangeAbortsTxnHalfway:
    "a transaction is not checked as a whole first: a range at a compacted revision ends it after some writes",
  revisionDownAfterCompactionCrash:
    "after a restart the revision is that of the newest record, though compaction may have deleted the newest: tombstones " +
    "at the compaction revision are dropped as well",
});

export const { mutations } = mvccBugs;

/** Whether a planted bug makes compaction drop tombstones that lie exactly at its revision. */
export function dropsLastTombstones(): boolean {
  return mutations.tombstoneDroppedAtCompactRevision || mutations.revisionDownAfterCompactionCrash;
}
