// wal: the write-ahead log.

export * from "./record.js";
export { validSnapshots, verifyWal } from "./scan.js";
export { Wal } from "./wal.js";
export * from "./wal-error.js";
export { SEGMENT_BYTES, type WalContents, type WalOptions } from "./wal-start.js";
export { type WalkEnd, type WalkedRecord, walkWal } from "./walk.js";
