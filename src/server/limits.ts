// Every bound of the server in one place, with the relations between them asserted at start. A queue without a row here
// is a defect.

import { assert } from "#base";

/** Requests that may wait for their log entry, in number and in bytes not yet proposed, before more are refused. */
export const PROPOSALS_MAX = 100_000;
export const PROPOSAL_BACKLOG_BYTES_MAX = 64 * 1024 * 1024;
/** Linearizable reads that may wait for a confirmation before more are refused. */
export const READS_MAX = 100_000;
/** Renewals that one LeaseKeepAlive stream may have unanswered before it is ended. */
export const KEEPALIVE_QUEUE_MAX = 10_000;
/** gRPC's receive limit and the fragment size of watch responses are this much above the request limit. */
export const GRPC_OVERHEAD_BYTES = 512 * 1024;
/** A request limit above this gets a warning at start: large requests make every member slow. */
export const RECOMMENDED_REQUEST_BYTES_MAX = 10 * 1024 * 1024;
/** Quota used when none is configured, and the size above which a quota gets a warning. */
export const DEFAULT_QUOTA_BYTES = 2 * 1024 * 1024 * 1024;
export const RECOMMENDED_QUOTA_BYTES_MAX = 8 * 1024 * 1024 * 1024;

/** Proposals wait this long for their result, plus two election timeouts. */
export const REQUEST_TIMEOUT_MS = 5000;
/** Pause between two attempts of a linearizable read to confirm leadership. */
export const READ_INDEX_RETRY_MS = 500;

/** The raft log is trimmed once this many bytes have been applied since the last snapshot, whatever the entry count. */
export const SNAPSHOT_LOG_BYTES = 64 * 1024 * 1024;
/** Entries kept behind a snapshot for slow followers are cut to this many bytes. */
export const CATCHUP_LOG_BYTES = 16 * 1024 * 1024;
/** Pause between two rounds of deleting old snapshots and log segments. */
export const PURGE_INTERVAL_MS = 30_000;

/** Largest encoded size of the entries handed to one log write, so that a burst does not become one giant write. */
export const PROPOSAL_BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** Log writes run on the main thread while their recent average stays below this; a slower disk gets a thread. */
export const QUICK_SYNC_MS = 1;
/** A batch of more entries is synced on a thread even on a quick disk: meanwhile the one before it is applied. */
export const SYNC_BESIDE_ENTRIES = 128;
/** Time between two commits of the backend, unless configured. */
export const COMMIT_INTERVAL_MS = 100;
/** With less than this pending, and fewer operations than start a commit, one waits for more, up to so many intervals. */
export const COMMIT_WORTHWHILE_BYTES = 2 * 1024 * 1024;
export const COMMIT_INTERVALS_MAX = 10;
/** Backend operations that may await their commit before proposals are refused. */
export const BACKEND_BACKLOG_MAX = 200_000;

/** Revocations of expired leases that may be in flight. */
export const LEASE_REVOKES_IN_FLIGHT = 16;

/** A range is answered in one go up to this many keys; beyond, it yields to other requests in between. */
export const RANGE_SLICE_KEYS = 2000;
export const RANGE_SLICE_BYTES = 1024 * 1024;
/** Records hashed for HashKV in one round of the event loop. */
export const HASH_SLICE_RECORDS = 2000;
/** Lines about slow requests; writing more would itself make requests slow. */
export const SLOW_REQUEST_LOGS_PER_SECOND = 10;
/** Blob size of Maintenance.Snapshot. */
export const SNAPSHOT_BLOB_BYTES = 32 * 1024;
/** Of a snapshot, so much is sent in one round of the event loop; after each chunk of the image it pauses. */
export const SNAPSHOT_TURN_BYTES = 2 * SNAPSHOT_BLOB_BYTES;
export const SNAPSHOT_PAUSE_MS = 1;
/** Responses that a watch client may leave unread while it goes on asking; events alone stop far below. */
export const WATCH_CONTROL_QUEUE_MAX = 200_000;

assert(
  CATCHUP_LOG_BYTES < SNAPSHOT_LOG_BYTES,
  "the kept log must be shorter than the log that triggers a snapshot",
);
assert(RANGE_SLICE_KEYS >= 1, "a range must make progress");
