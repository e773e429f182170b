// What the store needs from its neighbours besides the backend, and what it tells them.

import type { LeaseId } from "#proto";
import type { EventBatch } from "./watch/events.js";

/** The leases, as the store sees them. Keys are valid only during the call: copy what you keep. */
export interface Leases {
  exists(id: LeaseId): boolean;
  attach(id: LeaseId, key: Uint8Array): void;
  detach(id: LeaseId, key: Uint8Array): void;
}

/** Receives the changes of every revision, in order, right after it was applied. */
export interface EventSink {
  /** False while nobody would look at the events: a revision may then come without them. */
  readonly wantsEvents: boolean;
  onEvents(batch: EventBatch): void;
}
