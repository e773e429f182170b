// snap: raft's snapshot files.

export * from "./snapshotter.js";
