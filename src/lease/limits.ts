// The bounds of the lessor, with etcd's values where clients or operators can tell.

/** Largest TTL a client may ask for, in seconds. */
export const TTL_SECONDS_MAX = 9_000_000_000;

/** How often expired leases are looked for. */
export const EXPIRY_PASS_MS = 500;
/** Expired leases taken up per pass. */
export const EXPIRED_PER_PASS_MAX = 500;
/** Revocations proposed and not yet applied. */
export const REVOKES_IN_FLIGHT_MAX = 16;
/** Leases that a new leader lets expire per second at most, when it has at least `SPREAD_FROM` of them. */
export const SPREAD_PER_SECOND = 750;
export const SPREAD_FROM = 1000;

/** How often a lease that lives longer than this has its remaining time replicated. */
export const CHECKPOINT_INTERVAL_MS = 300_000;
export const CHECKPOINTS_PER_BATCH_MAX = 1000;
/** At most one batch of checkpoints in this time. */
export const CHECKPOINT_BATCH_MS = 1000;
