// The bounds of the watch hub. A stream whose client reads slowly holds at most one queue of responses; what does not
// fit is read again from history once the client has caught up. Catching up is cut into slices, so that a watcher of
// the distant past delays nobody.

import { assert } from "#base";

/** Responses queued per stream before its watchers start to lag. */
export const QUEUE_RESPONSES_MAX = 16_384;
/** Bytes of events queued per stream before its watchers start to lag. One event is always let in. */
export const QUEUE_BYTES_MAX = 8 * 1024 * 1024;

/** Bytes of events in one response, a revision that is larger alone apart: with what is around them they mostly fit into one
 *  HTTP/2 frame, so that nobody has to put messages together. */
export const RESPONSE_BYTES_MAX = 16_000;
/** Bytes of events gathered in one turn before they are queued for their watchers in the middle of it. */
export const GATHERED_BYTES_MAX = 4 * 1024 * 1024;

/** Revision-log records read in one catch-up slice, unless the caller says otherwise. */
export const CATCH_UP_RECORDS = 4096;
/** Revisions with events in one catch-up slice, and so in one response. */
export const CATCH_UP_REVISIONS = 1000;
/** Bytes of events copied from history in one catch-up slice. */
export const CATCH_UP_BYTES = 4 * 1024 * 1024;
/** Event-to-watcher pairs looked at in one catch-up slice. */
export const CATCH_UP_VISITS = 20_000;

/** Shortest interval between progress notices. */
export const PROGRESS_INTERVAL_MS_MIN = 100;

assert(CATCH_UP_BYTES * 2 <= QUEUE_BYTES_MAX, "a catch-up slice must leave room in a stream's queue");
