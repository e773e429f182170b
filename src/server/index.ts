// server: one member of a cluster. start.ts builds it from its files, member.ts is what it is, driver.ts how it runs;
// api/ puts the gRPC services and the HTTP endpoints on top.

export type { SharingCall, StreamCall, StreamObserver, UnaryCall } from "./api/call.js";
export { HealthCounters, HttpApi, type HttpOptions } from "./api/http.js";
export { Services } from "./api/services.js";
export { CLUSTER_VERSION, ETCD_VERSION, type ServerConfig } from "./config.js";
export type { Transport } from "./driver.js";
export { GRPC_OVERHEAD_BYTES, RECOMMENDED_QUOTA_BYTES_MAX, RECOMMENDED_REQUEST_BYTES_MAX } from "./limits.js";
export type { Member } from "./member.js";
export type { AppliedHook } from "./member-metrics.js";
export { Metrics } from "./metrics.js";
export { type MetricSources, registerMetrics } from "./metrics-table.js";
export { serverBugs } from "./mutations.js";
export { ReadWaiter } from "./reads.js";
export { RemovedError } from "./removal.js";
export { Operation } from "./request.js";
export type { OutgoingSnapshot, SnapshotSender } from "./snapshot-transfer.js";
export {
  type JoinedCluster,
  MismatchedFilesError,
  RunningMember,
  type StartBounds,
  type StartOptions,
  startMember,
} from "./start.js";
export { EntryOutcome, Waiter } from "./waiters.js";
