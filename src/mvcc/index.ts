// mvcc: the multi-version store. Revisions, key index, ranges, transactions, compaction, hashes, watchers. Pure: storage
// comes in as a `Backend`, time does not come in at all.

export type { Backend, BucketName, RevisionVisitor } from "./backend.js";
export { CompactionProgress } from "./compaction.js";
export type { HashReader, RevisionHash } from "./hash.js";
export { writeRevisionKey } from "./meta.js";
export { mvccBugs } from "./mutations.js";
export type { EventSink, Leases } from "./ports.js";
export { LEASE_GRANT_COST, putCost, txnCost } from "./quota.js";
export type { RangeReader } from "./range.js";
export { type RangeStream, rangeStreamRefusal } from "./range-stream.js";
export type { StoreCounters } from "./state.js";
export { ApplyResult, Store, type StoreOptions } from "./store.js";
export { isTxnReadOnly, isTxnSerializable } from "./txn.js";
export { checkDelete, checkPut, checkRange, checkTxn, TXN_OPS_MAX_DEFAULT } from "./validate.js";
export * from "./watch/index.js";
