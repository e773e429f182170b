// wal: the write-ahead log.

export * from "./record.js";
export { validSnapshots, verifyWal } from "./scan.js";
export { SEGMENT_BYTES, Wal, type WalContents, type WalOptions } from "./wal.js";
export * from "./wal-error.js";
