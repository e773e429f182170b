// The member: everything that one server of a cluster is, wired around the driver. Requests come in through `propose` and
// `linearizableRead`. What the cluster agreed on comes back through the driver to state-machine.ts, which gives it to the parts:
// proposals.ts (what waits for a result), apply-loop.ts (entries in log order), reads.ts, lease-duties.ts, snapshot-transfer.ts
// (images between members). Services (api/) put the protocol on top; start.ts builds a member from its files.

import type { Clock, Logger, WireWriter } from "#base";
import type { Lessor } from "#lease";
import type { Store, WatchHub } from "#mvcc";
import {
  type ConfChangeType,
  ErrRequestTooManyRequests,
  ErrStopped,
  type LeaseId,
  type MemberId,
  NO_MEMBER,
  type RaftMessage,
} from "#proto";
import type { StorageBackend } from "#storage";
import type { Alarms } from "./alarms.js";
import { Applier } from "./applier.js";
import { ApplyLoop } from "./apply-loop.js";
import { AutoCompactor } from "./auto-compactor.js";
import type { Cluster } from "./cluster.js";
import type { Committer } from "./committer.js";
import { CompactionRunner } from "./compaction-runner.js";
import type { ServerConfig } from "./config.js";
import { RaftDriver } from "./driver.js";
import { HeaderWriter } from "./header.js";
import type { HealthSubject } from "./health.js";
import { Housekeeping } from "./housekeeping.js";
import { LeaseDuties } from "./lease-duties.js";
import { READS_MAX, REQUEST_TIMEOUT_MS } from "./limits.js";
import type { MemberMetrics } from "./member-metrics.js";
import type { MemberParts } from "./member-parts.js";
import { mutations } from "./mutations.js";
import { NoSpaceAlarm } from "./no-space.js";
import { Proposals } from "./proposals.js";
import { Publisher } from "./publisher.js";
import type { Quota } from "./quota.js";
import type { RaftSnapshots } from "./raft-snapshots.js";
import { Readiness } from "./readiness.js";
import { LinearizableReads, type ReadWaiter } from "./reads.js";
import { Removal } from "./removal.js";
import { Revoker } from "./revoker.js";
import { SnapshotExchange } from "./snapshot-transfer.js";
import { SpaceWatch } from "./space-watch.js";
import { MemberStateMachine } from "./state-machine.js";
import type { Waiter } from "./waiters.js";
import type { WatchOutlet } from "./watch-outlet.js";

export class Member implements HealthSubject {
  readonly config: ServerConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backend: StorageBackend;
  readonly store: Store;
  readonly lessor: Lessor;
  readonly hub: WatchHub;
  readonly outlet: WatchOutlet;
  readonly alarms: Alarms;
  readonly quota: Quota;
  readonly cluster: Cluster;
  readonly metrics: MemberMetrics;
  readonly driver: RaftDriver;
  readonly compaction: CompactionRunner;
  readonly headers: HeaderWriter;
  // For state-machine.ts, nobody else.
  readonly committer: Committer;
  readonly snapshots: RaftSnapshots;
  readonly images: SnapshotExchange;
  readonly proposals: Proposals;
  readonly applying: ApplyLoop;
  readonly reads: LinearizableReads;
  readonly leases: LeaseDuties;
  readonly publisher: Publisher;
  readonly removal: Removal;

  private readonly log: { readonly bytesWritten: number };
  private readonly noSpaceAlarm: NoSpaceAlarm;
  private readonly space: SpaceWatch;
  private readonly housekeeping: Housekeeping;
  private readonly autoCompactor: AutoCompactor | undefined;
  private readonly readiness: Readiness;
  private readonly onFatal: (error: unknown) => void;

  private stopped = false;
  /** The state in memory may hold half of an entry's effects: it must not reach the backend any more. */
  private abandoned = false;
  /** Called at the end of each turn: the services flush what they have answered. */
  onFlush: () => void = () => {};

  constructor(parts: MemberParts) {
    this.config = parts.config;
    this.clock = parts.clock;
    this.logger = parts.logger;
    this.backend = parts.backend;
    this.store = parts.store;
    this.lessor = parts.lessor;
    this.hub = parts.hub;
    this.outlet = parts.outlet;
    this.alarms = parts.alarms;
    this.quota = parts.quota;
    this.cluster = parts.cluster;
    this.metrics = parts.metrics;
    this.log = parts.log;
    this.committer = parts.committer;
    this.snapshots = parts.snapshots;
    this.onFatal = parts.onFatal;
    this.headers = new HeaderWriter(parts.cluster.id, parts.cluster.localId);
    const machine = new MemberStateMachine(this);
    this.driver = new RaftDriver({
      clock: parts.clock,
      node: parts.node,
      storage: parts.storage,
      log: parts.log,
      transport: parts.transport,
      machine,
      tickMs: parts.config.heartbeatIntervalMs,
      mainThreadSync: parts.mainThreadSync,
      fatal: (error) => this.fail(error),
    });
    const patienceMs = REQUEST_TIMEOUT_MS + 2 * parts.config.electionTimeoutMs;
    const startedAt = parts.clock.wallTime();
    this.reads = new LinearizableReads(patienceMs);
    this.housekeeping = new Housekeeping(parts.clock, (now) => this.keepHouse(now));
    this.proposals = new Proposals({
      driver: this.driver,
      backend: parts.backend,
      metrics: parts.metrics,
      clock: this.housekeeping,
      requestBytesMax: parts.config.maxRequestBytes,
      localId: parts.cluster.localId,
      startedAt,
      patienceMs,
    });
    this.removal = new Removal(parts.clock, parts.cluster, (error) => this.fail(error));
    this.applying = new ApplyLoop({
      ...parts,
      applier: new Applier({ ...parts, listener: machine }),
      proposals: this.proposals,
      removal: this.removal,
      warningMs: parts.config.warningApplyDurationMs,
    });
    this.leases = new LeaseDuties({
      lessor: parts.lessor,
      revoker: new Revoker(parts.lessor, parts.clock, this, parts.logger),
      clock: parts.clock,
      localId: parts.cluster.localId,
      startedAt,
      electionTimeoutMs: parts.config.electionTimeoutMs,
    });
    this.images = new SnapshotExchange(this, parts.snapshotSender, parts.snapshotReceiver);
    this.compaction = new CompactionRunner(this, parts.config);
    this.noSpaceAlarm = new NoSpaceAlarm(this);
    this.space = new SpaceWatch(parts.log, parts.logger);
    this.publisher = new Publisher(this, () => this.readiness.onPublished());
    this.readiness = new Readiness(
      (waiter) => this.linearizableRead(waiter),
      () => this.publisher.start(),
    );
    this.autoCompactor = AutoCompactor.create(this);
  }

  start(): void {
    this.committer.start();
    this.compaction.start();
    this.housekeeping.start();
    this.autoCompactor?.start();
    this.driver.start();
    this.removal.check();
  }

  /** Resolves once this member serves: it takes part, its log is applied, and the cluster knows of it. */
  ready(): Promise<void> {
    return this.readiness.wait(this.stopped);
  }

  /** Stops taking requests and lets go of everything but the files. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.driver.stop();
    this.committer.stop();
    this.compaction.stop();
    this.housekeeping.stop();
    this.autoCompactor?.stop();
    this.publisher.stop();
    this.removal.stop();
    this.proposals.stop();
    this.reads.failAll(ErrStopped);
    this.readiness.stop();
    this.onFlush();
  }

  /** This member can no longer be trusted, or its disk failed: whoever owns it is told, and has it abandoned. */
  fail(error: unknown): void {
    this.onFatal(error);
  }

  /** As `stop`, and what was not committed to the backend yet never will be: the log has it. */
  abandon(): void {
    this.abandoned = true;
    this.stop();
  }

  /** Commits what is applied and waits for background work; after `stop`, before the files are closed. */
  async settle(): Promise<void> {
    await this.snapshots.settle();
    if (!this.abandoned) await this.commitBackend();
  }

  /** Makes everything applied so far durable in the backend. */
  commitBackend(): Promise<void> {
    return this.committer.commit();
  }

  /** Entries up to here have had their effect. */
  get appliedIndex(): number {
    return this.applying.appliedIndex;
  }

  /** Term of the entry at `appliedIndex`. */
  get appliedEntryTerm(): number {
    return this.applying.appliedTerm;
  }

  /** It answers nothing any more. */
  get isStopped(): boolean {
    return this.stopped;
  }

  get term(): number {
    return this.driver.node.term;
  }

  get leader(): bigint {
    return this.driver.node.leader;
  }

  get hasLeader(): boolean {
    return this.leader !== NO_MEMBER;
  }

  get isLeader(): boolean {
    return this.driver.node.isLeader;
  }

  get isLearner(): boolean {
    return this.cluster.isLearner(this.cluster.localId);
  }

  get readStatistics(): { readonly slowReads: number; readonly failedReads: number } {
    return this.reads;
  }

  get logBytesWritten(): number {
    return this.log.bytesWritten;
  }

  /** Proposals that have no result yet. */
  get pendingProposals(): number {
    return this.proposals.pending;
  }

  /** Writes the response header as field 1. @param revision the store's current one if 0 */
  writeHeader(out: WireWriter, revision = 0): void {
    this.headers.write(out, revision === 0 ? this.store.currentRevision : revision, this.term);
  }

  /**
   * Proposes an operation; `waiter` hears of the result, perhaps before this returns.
   * @param field one of `Operation`
   * @param body the operation's encoded message; copied
   * @param onlyAsLeader drop it rather than let a later leader have it
   */
  propose(field: number, body: Uint8Array, waiter: Waiter, onlyAsLeader = false): void {
    this.proposals.propose(field, body, waiter, onlyAsLeader);
  }

  /**
   * Proposes a change of the membership; `waiter` hears whether the membership took it when it was applied. A change that
   * raft dropped (no leader, another one under way) is applied as nothing, so its waiter runs out of patience.
   */
  proposeConfChange(type: ConfChangeType, nodeId: MemberId, context: Uint8Array, waiter: Waiter): void {
    this.proposals.proposeConfChange(type, nodeId, context, waiter);
  }

  /**
   * Whether local state is linearizable right now, without asking anybody: this member is the only voter, leads, has
   * committed in this term, and has applied all that is committed, so everything that was ever acknowledged is in it. (A
   * learner may have applied, and acknowledged, what this member still has to: it sends before its own write is done.)
   */
  get readableNow(): boolean {
    if (this.applying.appliedTerm !== this.term || !this.needsNobody || this.stopped) return false;
    return this.isLeader && this.applying.appliedIndex >= this.driver.node.commitIndex;
  }

  private get needsNobody(): boolean {
    return this.cluster.isAlone || (mutations.staleReadIndexAfterLeaderChange && this.reads.wasConfirmed);
  }

  linearizableRead(waiter: ReadWaiter): void {
    if (this.stopped) return waiter.onFailed(ErrStopped);
    if (this.readableNow) return waiter.onReady();
    if (this.reads.waiting >= READS_MAX) return waiter.onFailed(ErrRequestTooManyRequests);
    this.reads.add(waiter, this.clock.now());
    this.driver.schedule();
  }

  /**
   * Whether a renewal may be acknowledged: whoever leads by now, if it is not this member, gives the lease all the time that
   * the client is told of. Voters that have heard from this leader elect nobody for an election timeout, and a new leader
   * adds another to every lease, so half of one since the last confirmation is safe whatever clocks and ticks do.
   */
  get leadsForCertain(): boolean {
    if (!this.isLeader) return false;
    if (this.cluster.isAlone) return true;
    return this.reads.wasConfirmedWithin(this.config.electionTimeoutMs / 2, this.clock.now());
  }

  nextLeaseId(): LeaseId {
    return this.leases.nextId();
  }

  /** Calls back once a lease that has expired is revoked; at once if it is gone already. */
  onceLeaseGone(id: LeaseId, callback: () => void): void {
    this.leases.onceGone(id, callback);
  }

  /** The backend has outgrown its quota: makes the whole cluster refuse growth. */
  raiseNoSpace(): void {
    this.noSpaceAlarm.raise();
  }

  alarmNames(): string[] {
    const names: string[] = [];
    if (this.alarms.noSpace) names.push("NOSPACE");
    if (this.alarms.corrupt) names.push("CORRUPT");
    return names;
  }

  probeRead(): void {
    this.backend.get("meta", PROBE_KEY);
  }

  /** What became of an image that was sent. */
  onSnapshotSent(to: MemberId, delivered: boolean): void {
    this.images.onSent(to, delivered);
  }

  /** Takes in a Snap message with its image; raft hears of it once the image is on disk. */
  receiveSnapshot(message: RaftMessage, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.images.receive(message, chunks);
  }

  /** Called every tenth of a second or so. */
  private keepHouse(now: number): void {
    this.proposals.expire(now);
    this.reads.expire(now);
    if (this.reads.waitingForAnswer) this.driver.schedule();
    this.hub.tick(now);
    this.leases.tick();
    if (this.space.tick(this.noSpaceAlarm.isKnown)) this.noSpaceAlarm.raise();
    this.onFlush();
  }
}

const PROBE_KEY = new TextEncoder().encode("consistent_index");
