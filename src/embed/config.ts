// The configuration of a member, as the embedding program or the `etcd` command hands it over: plain data with every
// default resolved. Nothing in here is "0 means something else": where etcd's flags say so (quota, batch sizes,
// intervals), the flag table translates before it fills this object. Units are in the names. Validation is in
// config-check.ts, so that embedding programs and the command line are held to the same rules.
//
// Left out: the options of functions that this version does not have (transport security, authentication, discovery,
// distributed tracing, log rotation). The `etcd` command knows their flags and refuses them by name.

import type { LogLevel } from "#base";
import { parseMemberUrl } from "./urls.js";

export type InitialClusterState = "new" | "existing";
export type AutoCompactionMode = "periodic" | "revision";
export type LogFormat = "json" | "console";
export type MetricsDetail = "basic" | "extensive";

/** Everything that a member can be told at start. Build one with `defaultConfig()` and change fields. */
export interface EtcdConfig {
  /** Human-readable name of this member; must appear in `initialCluster` when a new cluster starts. */
  name: string;
  /** Directory for everything the member keeps; created with mode 0700. Empty: `<name>.etcd` in the working directory. */
  dataDir: string;
  /** Directory of the write-ahead log, if not `<dataDir>/member/wal`. Empty: there. */
  walDir: string;

  /** URLs (http or unix) on which peers are served. A host must be an IP address or `localhost`. */
  listenPeerUrls: string[];
  /** URLs on which clients are served: gRPC and, unless `listenClientHttpUrls` is set, HTTP. Hosts as above. */
  listenClientUrls: string[];
  /** When not empty, HTTP moves here and `listenClientUrls` serve gRPC alone. */
  listenClientHttpUrls: string[];
  /** Extra listeners that serve /metrics and the health endpoints only. */
  listenMetricsUrls: string[];
  /** URLs told to the other members; must equal this member's entry in `initialCluster`. */
  initialAdvertisePeerUrls: string[];
  /** URLs told to clients through the member list. */
  advertiseClientUrls: string[];

  /** `name=url,name=url`; a name that appears again adds a URL. Read with `parseInitialCluster`. */
  initialCluster: string;
  initialClusterState: InitialClusterState;
  /** Mixed into member and cluster ids, so that clusters with equal URLs do not take each other for the same. */
  initialClusterToken: string;
  /** Refuse membership changes that would risk the quorum. */
  strictReconfigCheck: boolean;
  /** Start over as a cluster of one, keeping the data. Unsafe. */
  forceNewCluster: boolean;
  /** Learners allowed in the cluster at once. */
  maxLearners: number;

  /** Raft entries applied between two snapshots of the raft state. */
  snapshotCount: number;
  /** Raft entries kept behind a snapshot for followers that lag. */
  snapshotCatchupEntries: number;
  /** Old snapshot files kept; 0 keeps all. */
  maxSnapshots: number;
  /** Old log segments kept; 0 keeps all. */
  maxWals: number;

  /** One raft tick. */
  heartbeatIntervalMs: number;
  /** At least five times the heartbeat and below 50 000. */
  electionTimeoutMs: number;
  /** Skip most of the first election timeout at start. */
  initialElectionTickAdvance: boolean;
  preVote: boolean;

  /** Size of the backend at which writes are refused; negative: no limit. */
  quotaBackendBytes: number;
  /** Longest time between two commits of the backend; 0: 100 ms, up to a second while little is pending. */
  backendBatchIntervalMs: number;
  /** Operations that force a commit of the backend earlier. */
  backendBatchLimit: number;
  /** Operations allowed in one list of a transaction. */
  maxTxnOps: number;
  /** Largest request taken into the log, as encoded there. */
  maxRequestBytes: number;
  /** HTTP/2 streams one client connection may have open. */
  maxConcurrentStreams: number;

  /** Clients that ping more often than this are sent away. */
  grpcKeepaliveMinTimeMs: number;
  /** Pause between the server's own pings of a client; 0 sends none. */
  grpcKeepaliveIntervalMs: number;
  /** How long a ping may stay unanswered; 0 sends none. */
  grpcKeepaliveTimeoutMs: number;
  socketReusePort: boolean;
  socketReuseAddress: boolean;

  autoCompactionMode: AutoCompactionMode;
  /** Mode periodic: history kept, in milliseconds. Mode revision: revisions kept. 0: no automatic compaction. */
  autoCompactionRetention: number;
  /** Revisions deleted by a compaction in one go. */
  compactionBatchLimit: number;
  /** Pause between two such batches. */
  compactionSleepIntervalMs: number;
  /** Pause between two checks of all members' hashes; 0: none. */
  corruptCheckTimeMs: number;
  compactHashCheckTimeMs: number;
  /** Idle watchers with progress_notify hear from the member this often. */
  watchProgressNotifyIntervalMs: number;
  /** Defragment at start when this much can be reclaimed; 0: never. */
  bootstrapDefragThresholdMegabytes: number;
  /** Feature gates by name; a gate that is not named has its default (`featureEnabled`). */
  featureGates: Readonly<Record<string, boolean>>;

  /** Log an apply that takes longer. */
  warningApplyDurationMs: number;
  /** Log a unary request that takes longer. */
  warningUnaryRequestDurationMs: number;
  logLevel: LogLevel;
  logFormat: LogFormat;
  /** `default`, `stderr`, `stdout`, or paths of files to append to. */
  logOutputs: string[];
  metrics: MetricsDetail;
  enablePprof: boolean;

  /** Serve the JSON form of the API under /v3/. */
  enableGrpcGateway: boolean;
  /** Origins allowed to call the HTTP API; `*` allows all. */
  cors: string[];
  /** Host names accepted in HTTP requests; `*` accepts all. */
  hostWhitelist: string[];

  /** Never fsync. Unsafe: acknowledged writes can be lost. For tests. */
  unsafeNoFsync: boolean;
}

export const DEFAULT_NAME = "default";
export const DEFAULT_LISTEN_PEER_URL = "http://localhost:2380";
export const DEFAULT_LISTEN_CLIENT_URL = "http://localhost:2379";
export const DEFAULT_QUOTA_BYTES = 2 * 1024 * 1024 * 1024;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** A fresh configuration with etcd's defaults: one member on localhost, ports 2379 and 2380, data in `default.etcd`. */
export function defaultConfig(): EtcdConfig {
  return {
    name: DEFAULT_NAME,
    dataDir: "",
    walDir: "",
    listenPeerUrls: [DEFAULT_LISTEN_PEER_URL],
    listenClientUrls: [DEFAULT_LISTEN_CLIENT_URL],
    listenClientHttpUrls: [],
    listenMetricsUrls: [],
    initialAdvertisePeerUrls: [DEFAULT_LISTEN_PEER_URL],
    advertiseClientUrls: [DEFAULT_LISTEN_CLIENT_URL],
    initialCluster: `${DEFAULT_NAME}=${DEFAULT_LISTEN_PEER_URL}`,
    initialClusterState: "new",
    initialClusterToken: "etcd-cluster",
    strictReconfigCheck: true,
    forceNewCluster: false,
    maxLearners: 1,
    snapshotCount: 10_000,
    snapshotCatchupEntries: 5_000,
    maxSnapshots: 5,
    maxWals: 5,
    heartbeatIntervalMs: 100,
    electionTimeoutMs: 1000,
    initialElectionTickAdvance: true,
    preVote: true,
    quotaBackendBytes: DEFAULT_QUOTA_BYTES,
    backendBatchIntervalMs: 0,
    backendBatchLimit: 10_000,
    maxTxnOps: 128,
    maxRequestBytes: 1.5 * 1024 * 1024,
    maxConcurrentStreams: 0xffffffff,
    grpcKeepaliveMinTimeMs: 5000,
    grpcKeepaliveIntervalMs: 2 * HOUR_MS,
    grpcKeepaliveTimeoutMs: 20_000,
    socketReusePort: false,
    socketReuseAddress: false,
    autoCompactionMode: "periodic",
    autoCompactionRetention: 0,
    compactionBatchLimit: 1000,
    compactionSleepIntervalMs: 10,
    corruptCheckTimeMs: 0,
    compactHashCheckTimeMs: MINUTE_MS,
    watchProgressNotifyIntervalMs: 10 * MINUTE_MS,
    bootstrapDefragThresholdMegabytes: 0,
    featureGates: {},
    warningApplyDurationMs: 100,
    warningUnaryRequestDurationMs: 300,
    logLevel: "info",
    logFormat: "json",
    logOutputs: ["default"],
    metrics: "basic",
    enablePprof: false,
    enableGrpcGateway: true,
    cors: ["*"],
    hostWhitelist: ["*"],
    unsafeNoFsync: false,
  };
}

/** The data directory in effect. */
export function dataDirOf(config: EtcdConfig): string {
  return config.dataDir === "" ? `${config.name}.etcd` : config.dataDir;
}

/** The directory of the write-ahead log in effect. */
export function walDirOf(config: EtcdConfig): string {
  return config.walDir === "" ? `${dataDirOf(config)}/member/wal` : config.walDir;
}

/** How long a proposal may take before its client is told so: 5 s and twice the election timeout. */
export function requestTimeoutMs(config: EtcdConfig): number {
  return 5000 + 2 * config.electionTimeoutMs;
}

/**
 * Reads `name=url,name=url` into name -> URLs, in the order given.
 * @throws ConfigError for an entry without a URL, or with one that cannot be read
 */
export function parseInitialCluster(text: string): Map<string, string[]> {
  const members = new Map<string, string[]>();
  for (const part of text.split(",")) {
    if (part.trim() === "") continue;
    const at = part.indexOf("=");
    const name = (at < 0 ? part : part.slice(0, at)).trim();
    const url = parseMemberUrl(at < 0 ? "" : part.slice(at + 1)).text;
    const urls = members.get(name);
    if (urls === undefined) members.set(name, [url]);
    else urls.push(url);
  }
  return members;
}

/** Feature gates and their defaults in 3.7. */
export const FEATURE_GATES: Readonly<Record<string, boolean>> = Object.freeze({
  AllAlpha: false,
  AllBeta: false,
  CompactHashCheck: false,
  FastLeaseKeepAlive: true,
  InitialCorruptCheck: false,
  LeaseCheckpoint: false,
  LeaseCheckpointPersist: false,
  PriorityRequest: false,
  SetMemberLocalAddr: false,
  StopGRPCServiceOnDefrag: false,
  TxnModeWriteWithSharedBuffer: true,
});

/** All gates with the values in effect. */
export function effectiveGates(config: EtcdConfig): Record<string, boolean> {
  const gates = Object.keys(FEATURE_GATES).map((gate) => [gate, featureEnabled(config, gate)] as const);
  return Object.fromEntries(gates);
}

/** All gates with what `etcd_server_feature_enabled` says of them. */
export function featureList(config: EtcdConfig): { name: string; stage: string; enabled: boolean }[] {
  return Object.entries(FEATURE_GATES).map(([name, isBeta]) => ({
    name,
    stage: isBeta || name === "AllBeta" ? "BETA" : "ALPHA",
    enabled: featureEnabled(config, name),
  }));
}

/** Whether a gate is on: named explicitly, else by its stage's switch, else by default. */
export function featureEnabled(config: EtcdConfig, gate: string): boolean {
  const explicit = config.featureGates[gate];
  if (explicit !== undefined) return explicit;
  const isBeta = FEATURE_GATES[gate] === true;
  const byStage = config.featureGates[isBeta ? "AllBeta" : "AllAlpha"];
  return byStage ?? FEATURE_GATES[gate] ?? false;
}
