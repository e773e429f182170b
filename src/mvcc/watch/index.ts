// Watch: from applied revisions to the responses of watch streams. Start with hub.ts.

export type { EventBatch, StoreEvent } from "./events.js";
export type { History, RecordVisitor } from "./history.js";
export { WatchHub, type WatchHubOptions } from "./hub.js";
export { watchBugs } from "./mutations.js";
export { NO_WATCH, type WatchId } from "./queue.js";
export { WatchStream } from "./stream.js";
export type { Watcher, WatchSpec } from "./watcher.js";
