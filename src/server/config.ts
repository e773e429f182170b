// What the server needs to know of a member's configuration. The embed room's configuration has all of it under the same
// names; tests and the simulator fill in what they care about.

export interface ServerConfig {
  readonly name: string;
  readonly advertiseClientUrls: readonly string[];
  readonly initialAdvertisePeerUrls: readonly string[];
  readonly initialCluster: string;
  readonly initialClusterToken: string;
  readonly snapshotCount: number;
  readonly snapshotCatchupEntries: number;
  readonly maxSnapshots: number;
  readonly maxWals: number;
  readonly heartbeatIntervalMs: number;
  readonly electionTimeoutMs: number;
  readonly initialElectionTickAdvance: boolean;
  readonly preVote: boolean;
  readonly quotaBackendBytes: number;
  /** 0 leaves it to the committer. */
  readonly backendBatchIntervalMs: number;
  readonly backendBatchLimit: number;
  readonly maxTxnOps: number;
  readonly maxRequestBytes: number;
  readonly autoCompactionMode: "periodic" | "revision";
  readonly autoCompactionRetention: number;
  readonly compactionBatchLimit: number;
  readonly compactionSleepIntervalMs: number;
  readonly watchProgressNotifyIntervalMs: number;
  readonly warningApplyDurationMs: number;
  readonly warningUnaryRequestDurationMs: number;
  readonly unsafeNoFsync: boolean;
  readonly featureGates: Readonly<Record<string, boolean>>;
}

/** etcd's version whose behaviour this server has: reported wherever a protocol asks for one. */
export const ETCD_VERSION = "3.7.1";
/** The cluster version that goes with it. */
export const CLUSTER_VERSION = "3.7.0";
