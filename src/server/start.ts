// Builds a member from its files, or its first files from the configuration.
//
// First start: a log whose first entries add the initial members, the same on every one of them. Restart: the newest
// snapshot file that the log vouches for, then the log behind it, then the backend, which says how far it is. Entries
// that the backend already contains are run past raft but not applied again.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Clock, Disk, Logger, Panic, Random } from "#base";
import { Lessor, ttlSecondsMin } from "#lease";
import { Store, WatchHub } from "#mvcc";
import { HardState, type MemberId, type Snapshot, serverpb } from "#proto";
import { MemoryLogStorage, type RaftConfig, RawNode } from "#raft";
import {
  type DataDir,
  openDataDir,
  Snapshotter,
  type StorageBackend,
  validSnapshots,
  Wal,
  type WalContents,
  WalSnapshot,
} from "#storage";
import { Alarms } from "./alarms.js";
import { Cluster } from "./cluster.js";
import { Committer, readConsistentIndex } from "./committer.js";
import type { ServerConfig } from "./config.js";
import type { Transport } from "./driver.js";
import { GuardedClock } from "./guarded-clock.js";
import { GRPC_OVERHEAD_BYTES, REQUEST_TIMEOUT_MS } from "./limits.js";
import { Member } from "./member.js";
import { type AppliedHook, MemberMetrics } from "./member-metrics.js";
import { Quota } from "./quota.js";
import { RaftSnapshots } from "./raft-snapshots.js";
import { SnapshotReceiver, type SnapshotSender } from "./snapshot-transfer.js";
import { WatchOutlet } from "./watch-outlet.js";

/** Bounds that a simulation makes small, so that it reaches them. Left out: the product's. */
export interface StartBounds {
  readonly walSegmentBytes?: number;
  readonly watchQueueResponses?: number;
  /** Watch responses above this size go out in fragments, to those who asked for them. */
  readonly watchFragmentBytes?: number;
  readonly leaseCheckpointIntervalMs?: number;
  /** Sizes of what raft sends and of what it lets wait. */
  readonly raft?: Pick<RaftConfig, "messageBytesMax" | "inflightMessagesMax" | "applyingBytesMax">;
}

/** What a member that joins a running cluster has learned from it. */
export interface JoinedCluster {
  readonly clusterId: bigint;
  readonly memberId: MemberId;
}

export interface StartOptions {
  readonly config: ServerConfig;
  readonly dataDir: string;
  /** Empty: in the data directory. */
  readonly walDir: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly openBackend: (snapDirectory: string) => Promise<StorageBackend>;
  readonly transport: Transport;
  readonly snapshotSender: SnapshotSender;
  /** Whether log writes may run on the main thread. */
  readonly mainThreadSync: boolean;
  readonly appliedHook?: AppliedHook;
  /** Set when a member without files joins a cluster that has added it; otherwise it begins a new one. */
  readonly join?: JoinedCluster;
  readonly bounds?: StartBounds;
  /** The member can go on no longer; it has stopped acknowledging. Called at most once. */
  readonly onFatal: (error: unknown) => void;
}

/** A member and the files that it holds. */
export class RunningMember {
  readonly member: Member;
  private readonly dataDir: DataDir;
  private readonly wal: Wal;
  private readonly backend: StorageBackend;
  private readonly snapshots: RaftSnapshots;

  constructor(member: Member, dataDir: DataDir, wal: Wal, backend: StorageBackend, snapshots: RaftSnapshots) {
    this.member = member;
    this.dataDir = dataDir;
    this.wal = wal;
    this.backend = backend;
    this.snapshots = snapshots;
  }

  /** Stops in order: no more requests, everything applied is committed, files are closed, the lock is released. */
  async stop(): Promise<void> {
    this.member.stop();
    this.snapshots.stop();
    await inTurn([
      () => this.member.settle(),
      () => this.wal.close(),
      () => this.backend.close(),
      () => this.dataDir.release(),
    ]);
  }
}

/** Takes every step, whatever became of the ones before; then throws what went wrong first. */
async function inTurn(steps: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Where a member starts: its log, read, and the snapshot that it begins with. */
interface Origin {
  readonly wal: Wal;
  readonly contents: WalContents | undefined;
  readonly snapshot: Snapshot | undefined;
  readonly cluster: Cluster;
  /** The backend holds the effects of every entry up to this one. */
  readonly appliedIndex: number;
}

/** The parts of a start that may have to be closed again when a later one fails. */
class Opened {
  private readonly closers: (() => Promise<void>)[] = [];

  keep(close: () => Promise<void>): void {
    this.closers.push(close);
  }

  closeAll(): Promise<void> {
    return inTurn(this.closers.reverse());
  }
}

export async function startMember(options: StartOptions): Promise<RunningMember> {
  const opened = new Opened();
  try {
    return await open(options, opened);
  } catch (error) {
    await opened.closeAll().catch((again: unknown) => {
      // Why the start failed matters more.
      options.logger.warn("failed to close files", { error: again });
    });
    throw error;
  }
}

async function open(options: StartOptions, opened: Opened): Promise<RunningMember> {
  const { config, disk, logger } = options;
  const fatal = new FatalOnce(options.onFatal);
  const clock = new GuardedClock(options.clock, (error) => fatal.report(error));
  const metrics = new MemberMetrics(options.appliedHook);
  const dataDir = await openDataDir(disk, { dataDir: options.dataDir, walDir: options.walDir, logger });
  opened.keep(() => dataDir.release());
  const snapshotter = new Snapshotter(disk, dataDir.snapDirectory, logger);
  await snapshotter.removeLeftovers();
  const backend = await options.openBackend(dataDir.snapDirectory);
  opened.keep(() => backend.close());
  const origin = await openLog(options, dataDir, snapshotter, backend, metrics, (failure) =>
    fatal.report(failure),
  );
  const { wal, contents, snapshot, cluster } = origin;
  opened.keep(() => wal.close());

  const storage = new MemoryLogStorage();
  if (snapshot !== undefined) storage.applySnapshot(snapshot);
  if (contents !== undefined) loadLog(storage, contents, origin);
  const node = new RawNode({
    id: cluster.localId,
    storage,
    random: options.random,
    logger,
    applied: origin.appliedIndex,
    electionTicks: Math.floor(config.electionTimeoutMs / config.heartbeatIntervalMs),
    heartbeatTicks: 1,
    preVote: config.preVote,
    checkQuorum: true,
    ...options.bounds?.raft,
  });
  if (contents === undefined && options.join === undefined) node.bootstrap(cluster.bootstrapPeers());

  const lessor = new Lessor(backend, {
    ttlMin: ttlSecondsMin(config.electionTimeoutMs),
    revokeRetryMs: REQUEST_TIMEOUT_MS + 2 * config.electionTimeoutMs,
    checkpoints: config.featureGates.LeaseCheckpoint === true,
    checkpointIntervalMs: options.bounds?.leaseCheckpointIntervalMs,
    storesCheckpoints: () => config.featureGates.LeaseCheckpointPersist === true || cluster.storesCheckpoints,
  });
  lessor.restore();
  const store = new Store(backend, { leases: lessor });
  store.restore();
  const alarms = new Alarms(backend);
  alarms.restore();
  const outlet = new WatchOutlet();
  const hub = new WatchHub(store, {
    random: options.random,
    onReady: (stream) => outlet.onReady(stream),
    fragmentBytes: options.bounds?.watchFragmentBytes ?? config.maxRequestBytes + GRPC_OVERHEAD_BYTES,
    progressIntervalMs: config.watchProgressNotifyIntervalMs,
    queueResponsesMax: options.bounds?.watchQueueResponses,
  });
  store.events = hub;
  const quota = new Quota(config.quotaBackendBytes, () => backend.sizeOnDisk());
  const committer = new Committer({
    backend,
    clock,
    intervalMs: config.backendBatchIntervalMs,
    quota,
    pendingMax: config.backendBatchLimit,
    durations: metrics.backendCommit,
    fatal: (error) => fatal.report(error),
  });
  const snapshots = new RaftSnapshots({
    clock,
    logger,
    storage,
    wal,
    snapshotter,
    backend,
    committer,
    snapshotCount: config.snapshotCount,
    catchupEntries: config.snapshotCatchupEntries,
    maxSnapshots: config.maxSnapshots,
    maxWals: config.maxWals,
    startIndex: snapshot?.index ?? 0,
    membership: () => cluster.snapshotState(),
    onSaved: (seconds) => metrics.snapSave.observe(seconds),
    fatal: (error) => fatal.report(error),
  });
  const member = new Member({
    config,
    clock,
    logger,
    backend,
    store,
    lessor,
    hub,
    outlet,
    alarms,
    quota,
    cluster,
    node,
    storage,
    log: wal,
    committer,
    snapshots,
    transport: options.transport,
    snapshotSender: options.snapshotSender,
    snapshotReceiver: new SnapshotReceiver(disk, snapshotter, logger),
    metrics,
    appliedIndex: origin.appliedIndex,
    mainThreadSync: options.mainThreadSync,
    onFatal: (error) => fatal.report(error),
  });
  fatal.member = member;
  snapshots.start();
  member.start();
  return new RunningMember(member, dataDir, wal, backend, snapshots);
}

/** A crash between the announcement of a received snapshot and the end of its installation: its image is still there. */
async function finishInstall(
  disk: Disk,
  snapshotter: Snapshotter,
  index: number,
  backend: StorageBackend,
): Promise<void> {
  if (readConsistentIndex(backend).index < index) {
    const path = snapshotter.databasePath(index);
    if ((await disk.stat(path)) !== undefined) await backend.replaceWith(path);
  }
  await snapshotter.removeOrphanDatabases(index);
}

/**
 * Puts the log where raft reads it. What the backend contains was committed, whatever the saved commit index says (it is
 * not synced by itself), and the backend's configuration is the one after its last applied entry; a snapshot at that
 * entry, in memory only, tells raft so, and no entry is applied twice.
 */
function loadLog(storage: MemoryLogStorage, contents: WalContents, origin: Origin): void {
  const { appliedIndex, cluster, snapshot } = origin;
  const { term, vote, commit } = contents.hardState;
  storage.setHardState(new HardState(term, vote, Math.max(commit, appliedIndex)));
  storage.append(contents.entries);
  if (appliedIndex <= (snapshot?.index ?? 0)) return;
  const { confState, data } = cluster.snapshotState();
  storage.createSnapshot(appliedIndex, confState, data);
}

/** Several parts may fail at once and over again; the owner hears of the first. */
class FatalOnce {
  member: Member | undefined;
  private reported = false;
  private readonly onFatal: (error: unknown) => void;

  constructor(onFatal: (error: unknown) => void) {
    this.onFatal = onFatal;
  }

  report(error: unknown): void {
    if (this.reported) return;
    this.reported = true;
    this.member?.abandon();
    this.onFatal(error);
  }
}

async function openLog(
  options: StartOptions,
  dataDir: DataDir,
  snapshotter: Snapshotter,
  backend: StorageBackend,
  metrics: MemberMetrics,
  onLogFailure: (failure: Panic) => void,
): Promise<Origin> {
  const { disk, logger, clock, config } = options;
  const walOptions = {
    segmentBytes: options.bounds?.walSegmentBytes,
    unsafeNoFsync: config.unsafeNoFsync,
    logger,
    now: () => clock.now(),
    onFsync: (seconds: number) => metrics.walFsync.observe(seconds),
    onWrite: (seconds: number) => metrics.walWrite.observe(seconds),
    onFailure: (failure: Panic) => onLogFailure(failure),
  };
  if (!dataDir.hasWal) {
    const cluster = firstCluster(options, backend);
    const metadata = encodeMetadata(cluster.localId, cluster.id);
    const wal = await Wal.create(disk, dataDir.walDirectory, metadata, walOptions);
    logger.info("starting local member", {
      "local-member-id": cluster.localId,
      "cluster-id": cluster.id,
    });
    return { wal, contents: undefined, snapshot: undefined, cluster, appliedIndex: 0 };
  }
  const valid = await validSnapshots(disk, dataDir.walDirectory);
  const snapshot = await snapshotter.loadNewest(valid);
  const at = snapshot === undefined ? new WalSnapshot() : new WalSnapshot(snapshot.index, snapshot.term);
  const { wal, contents } = await Wal.open(disk, dataDir.walDirectory, at, walOptions);
  const { nodeId, clusterId } = decodeMetadata(contents.metadata);
  if (snapshot === undefined && contents.hardState.term === 0 && contents.entries.length === 0) {
    // The first start crashed before anything was logged: it is still the first start.
    const cluster = firstCluster(options, backend);
    if (cluster.localId !== nodeId || cluster.id !== clusterId) throw anotherConfiguration(dataDir);
    return { wal, contents: undefined, snapshot: undefined, cluster, appliedIndex: 0 };
  }
  if (snapshot !== undefined) await finishInstall(disk, snapshotter, snapshot.index, backend);
  const appliedIndex = readConsistentIndex(backend).index;
  checkBackendMatchesLog(appliedIndex, at.index, contents, dataDir);
  logger.info("restarting local member", {
    "local-member-id": nodeId,
    "cluster-id": clusterId,
    "commit-index": contents.hardState.commit,
  });
  return { wal, contents, snapshot, cluster: Cluster.restart(clusterId, nodeId, backend), appliedIndex };
}

function firstCluster({ join, config }: StartOptions, backend: StorageBackend): Cluster {
  return join === undefined
    ? Cluster.bootstrap(config, backend)
    : Cluster.join(join.clusterId, join.memberId, backend);
}

function anotherConfiguration(dataDir: DataDir): MismatchedFilesError {
  return new MismatchedFilesError(
    `the empty log in ${dataDir.walDirectory} was made for another member or cluster than the flags describe. Remedy: start with the flags of the first attempt, or remove the data directory, which holds nothing yet`,
  );
}

/** Thrown when backend and log do not belong together: going on would lose or repeat writes. */
export class MismatchedFilesError extends Error {
  override readonly name = "MismatchedFilesError";
}

function checkBackendMatchesLog(
  applied: number,
  snapshotIndex: number,
  contents: WalContents,
  dataDir: DataDir,
): void {
  const last = contents.entries.at(-1)?.index ?? snapshotIndex;
  if (applied >= snapshotIndex && applied <= last) return;
  const cause =
    applied < snapshotIndex
      ? `the database in ${dataDir.snapDirectory} ends at applied index ${applied}, before the snapshot at ${snapshotIndex}`
      : `the database in ${dataDir.snapDirectory} has applied index ${applied}, but the log in ${dataDir.walDirectory} ends at ${last}`;
  throw new MismatchedFilesError(
    `database and log do not belong together: ${cause}. Remedy: restore both from the same backup, or remove this member and add it again`,
  );
}

function encodeMetadata(nodeId: bigint, clusterId: bigint): Uint8Array {
  return toBinary(
    serverpb.MetadataSchema,
    create(serverpb.MetadataSchema, { NodeID: nodeId, ClusterID: clusterId }),
  );
}

function decodeMetadata(metadata: Uint8Array): { nodeId: bigint; clusterId: bigint } {
  const decoded = fromBinary(serverpb.MetadataSchema, metadata);
  return { nodeId: decoded.NodeID, clusterId: decoded.ClusterID };
}
