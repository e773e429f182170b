// Planted bugs, for one purpose: the simulator switches one on and must find it, or it is the simulator that is
// broken. Each is a mistake that etcd once made. In a member they are constants: only code that runs in a simulation
// can switch them.

export const mutations = {
  /** Compaction drops a tombstone that lies exactly at the compaction revision; a watch from there misses a delete. */
  tombstoneDroppedAtCompactRevision: false,
  /** A transaction is not checked as a whole first: a range at a compacted revision ends it after some writes. */
  compactedRangeAbortsTxnHalfway: false,
  /** After a restart the revision is taken from the newest record alone, though compaction may have deleted it; it can
   *  delete it, because tombstones at the compaction revision are dropped as well. */
  revisionDownAfterCompactionCrash: false,
};

export type MutationName = keyof typeof mutations;

/** Switches a planted bug on or off. Refuses outside a simulation. */
export function plantMutation(name: MutationName, on = true): void {
  if ((globalThis as { ETCD_TS_SIMULATION?: unknown }).ETCD_TS_SIMULATION !== true) {
    throw new Error("mutations exist only in simulations");
  }
  mutations[name] = on;
}

/** Whether a planted bug makes compaction drop tombstones that lie exactly at its revision. */
export function dropsLastTombstones(): boolean {
  return mutations.tombstoneDroppedAtCompactRevision || mutations.revisionDownAfterCompactionCrash;
}
