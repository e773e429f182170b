// lease: which leases exist, when they end, and which keys go with them. Start with lessor.ts.

export type { LeaseCheckpoint } from "./checkpoints.js";
export { FOREVER, type Lease } from "./lease.js";
export { leaseIdOf } from "./lease-id.js";
export {
  type GrantOutcome,
  type LeaseBackend,
  Lessor,
  type LessorOptions,
  type RenewFailure,
  ttlSecondsMin,
} from "./lessor.js";
export { leaseBugs } from "./mutations.js";
