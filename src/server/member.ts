// The member: everything that one server of a cluster is, wired around the driver. Requests come in through `propose`
// and `linearizableRead`; what the cluster agreed on comes back through the driver and is applied here, in log order.
// Services (api/) put the protocol on top; start.ts builds a member from its files.

import type { Clock, Logger } from "#base";
import { panic, WireWriter } from "#base";
import { type Lessor, leaseIdOf } from "#lease";
import type { Store, WatchHub } from "#mvcc";
import {
  ConfChange,
  type ConfChangeType,
  decodeConfChange,
  decodeConfChangeV2,
  type Entry,
  EntryType,
  ErrNoLeader,
  ErrRequestTooLarge,
  ErrRequestTooManyRequests,
  ErrStopped,
  ErrTimeout,
  type HardState,
  type LeaseId,
  type MemberId,
  NO_MEMBER,
  type RaftMessage,
  type RpcError,
  type Snapshot,
  StatusCode,
} from "#proto";
import { type MemoryLogStorage, type RawNode, STEP_RESULT_TEXTS, StepResult } from "#raft";
import type { StorageBackend } from "#storage";
import type { Alarms } from "./alarms.js";
import { Applier, type ApplyListener } from "./applier.js";
import { AutoCompactor } from "./auto-compactor.js";
import type { Cluster } from "./cluster.js";
import type { Committer } from "./committer.js";
import { CompactionRunner } from "./compaction-runner.js";
import type { ServerConfig } from "./config.js";
import { type LogWriter, RaftDriver, type StateMachine, type Transport } from "./driver.js";
import { HeaderWriter } from "./header.js";
import type { HealthSubject } from "./health.js";
import { Housekeeping } from "./housekeeping.js";
import {
  BACKEND_BACKLOG_MAX,
  PROPOSAL_BACKLOG_BYTES_MAX,
  PROPOSALS_MAX,
  READS_MAX,
  REQUEST_TIMEOUT_MS,
} from "./limits.js";
import type { MemberMetrics } from "./member-metrics.js";
import { NoSpaceAlarm } from "./no-space.js";
import { Publisher } from "./publisher.js";
import type { Quota } from "./quota.js";
import type { RaftSnapshots } from "./raft-snapshots.js";
import { LinearizableReads, ReadWaiter } from "./reads.js";
import { Removal } from "./removal.js";
import { ParsedRequest, parseRequest, RequestIds, wrapRequest } from "./request.js";
import { Revoker } from "./revoker.js";
import { prepareSnapshot, type SnapshotReceiver, type SnapshotSender } from "./snapshot-transfer.js";
import { type LogSpace, SpaceWatch } from "./space-watch.js";
import { EntryOutcome, type Waiter, Waiters } from "./waiters.js";
import type { WatchOutlet } from "./watch-outlet.js";

/** Raft refused a proposal for good; the text is raft's own and has no row, so it goes out as Unknown. */
const DROPPED: RpcError = Object.freeze({
  name: "ProposalDropped",
  code: StatusCode.Unknown,
  message: STEP_RESULT_TEXTS[StepResult.ProposalDropped],
});

/** What a member is built from; start.ts makes it. */
export interface MemberParts {
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
  readonly node: RawNode;
  readonly storage: MemoryLogStorage;
  readonly log: LogWriter & LogSpace & { readonly bytesWritten: number };
  readonly committer: Committer;
  readonly snapshots: RaftSnapshots;
  readonly transport: Transport;
  readonly snapshotSender: SnapshotSender;
  readonly snapshotReceiver: SnapshotReceiver;
  readonly metrics: MemberMetrics;
  /** Entries up to this one were applied before the restart. */
  readonly appliedIndex: number;
  readonly mainThreadSync: boolean;
  /** The member can no longer be trusted, or its disk failed: whoever owns it must stop it. */
  readonly onFatal: (error: unknown) => void;
}

export class Member implements StateMachine, ApplyListener, HealthSubject {
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
  private readonly log: { readonly bytesWritten: number };
  private readonly committer: Committer;
  private readonly snapshots: RaftSnapshots;
  private readonly snapshotSender: SnapshotSender;
  private readonly snapshotReceiver: SnapshotReceiver;
  private readonly waiters: Waiters;
  private readonly reads: LinearizableReads;
  private readonly ids: RequestIds;
  private readonly applier: Applier;
  private readonly revoker: Revoker;
  private readonly noSpaceAlarm: NoSpaceAlarm;
  private readonly space: SpaceWatch;
  private readonly housekeeping: Housekeeping;
  private readonly publisher: Publisher;
  private readonly removal: Removal;
  private readonly autoCompactor: AutoCompactor | undefined;
  private onPublished: () => void = () => {};
  private onNeverReady: () => void = () => {};
  private readonly onFatal: (error: unknown) => void;

  private readonly request = new ParsedRequest();
  private readonly outcome = new EntryOutcome(new WireWriter(64 * 1024));
  private readonly leaseWaiters = new Map<LeaseId, (() => void)[]>();
  private readonly leaseIdStart: number;
  private leaseIdCounter = 0;
  /** Entries up to here have had their effect. */
  appliedIndex: number;
  /** Term of the last applied entry: once it is the present term, this term's leader has committed in it. */
  private appliedTerm = 0;
  /** The term that watch responses carry. */
  private announcedTerm = 0;
  private started = false;
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
    this.snapshotSender = parts.snapshotSender;
    this.snapshotReceiver = parts.snapshotReceiver;
    this.onFatal = parts.onFatal;
    this.appliedIndex = parts.appliedIndex;
    this.appliedTerm = parts.committer.appliedTerm;
    const patienceMs = REQUEST_TIMEOUT_MS + 2 * parts.config.electionTimeoutMs;
    this.waiters = new Waiters(patienceMs);
    this.reads = new LinearizableReads(patienceMs);
    this.leaseIdStart = parts.clock.wallTime();
    this.ids = new RequestIds(Number(parts.cluster.localId & 0x7fffn), this.leaseIdStart);
    this.headers = new HeaderWriter(parts.cluster.id, parts.cluster.localId);
    this.applier = new Applier({
      store: parts.store,
      lessor: parts.lessor,
      alarms: parts.alarms,
      cluster: parts.cluster,
      clock: parts.clock,
      listener: this,
    });
    this.driver = new RaftDriver({
      clock: parts.clock,
      node: parts.node,
      storage: parts.storage,
      log: parts.log,
      transport: parts.transport,
      machine: this,
      tickMs: parts.config.heartbeatIntervalMs,
      mainThreadSync: parts.mainThreadSync,
      fatal: (error) => this.fail(error),
    });
    this.compaction = new CompactionRunner(this, parts.config);
    this.revoker = new Revoker(parts.lessor, parts.clock, this, parts.logger);
    this.noSpaceAlarm = new NoSpaceAlarm(this);
    this.space = new SpaceWatch(parts.log, parts.logger);
    this.publisher = new Publisher(this, () => this.onPublished());
    this.autoCompactor = AutoCompactor.create(this);
    this.removal = new Removal(parts.clock, parts.cluster, (error) => this.fail(error));
    this.housekeeping = new Housekeeping(parts.clock, (now) => this.keepHouse(now));
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
    return new Promise((resolve, reject) => {
      this.onPublished = resolve;
      this.onNeverReady = () => reject(new Error(ErrStopped.message));
      if (this.stopped) this.onNeverReady();
      else this.linearizableRead(new Ready(this, () => this.publisher.start()));
    });
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
    this.waiters.failAll(ErrStopped);
    this.reads.failAll(ErrStopped);
    this.onNeverReady();
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

  /** Term of the entry at `appliedIndex`. */
  get appliedEntryTerm(): number {
    return this.appliedTerm;
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
    return this.waiters.size;
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
    const refusal = this.refuses(body.length);
    if (refusal !== undefined) return waiter.onFailed(refusal);
    const counter = this.ids.next();
    const data = wrapRequest(this.ids.prefix, counter, field, body, 0, body.length);
    if (data.length > this.config.maxRequestBytes) return waiter.onFailed(ErrRequestTooLarge);
    this.waiters.add(counter, waiter, this.housekeeping.now);
    if (onlyAsLeader) this.driver.proposeAsLeader(counter, data);
    else this.driver.propose(counter, data);
  }

  /**
   * Proposes a change of the membership; `waiter` hears whether the membership took it when it was applied. A change that
   * raft dropped (no leader, another one under way) is applied as nothing, so its waiter runs out of patience.
   */
  proposeConfChange(type: ConfChangeType, nodeId: MemberId, context: Uint8Array, waiter: Waiter): void {
    if (this.stopped) return waiter.onFailed(ErrStopped);
    const counter = this.ids.next();
    const id = (BigInt(this.ids.prefix) << 48n) | BigInt(counter);
    this.waiters.add(counter, waiter, this.housekeeping.now);
    if (!this.driver.proposeConfChange(new ConfChange(id, type, nodeId, context))) this.onDropped(counter);
  }

  private refuses(bytes: number): RpcError | undefined {
    if (this.stopped) return ErrStopped;
    if (this.waiters.size >= PROPOSALS_MAX) return ErrRequestTooManyRequests;
    if (this.backend.pendingWrites > BACKEND_BACKLOG_MAX) return ErrRequestTooManyRequests;
    if (this.driver.backlogBytes + bytes > PROPOSAL_BACKLOG_BYTES_MAX) return ErrRequestTooManyRequests;
    return undefined;
  }

  /**
   * Whether local state is linearizable right now, without asking anybody: this member is the only voter, leads, has
   * committed in this term, and has applied all that is committed, so everything that was ever acknowledged is in it. (A
   * learner may have applied, and acknowledged, what this member still has to: it sends before its own write is done.)
   */
  get readableNow(): boolean {
    if (this.appliedTerm !== this.term || !this.cluster.isAlone || this.stopped) return false;
    return this.isLeader && this.appliedIndex >= this.driver.node.commitIndex;
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
    this.leaseIdCounter++;
    return leaseIdOf(this.cluster.localId, this.leaseIdStart, this.leaseIdCounter);
  }

  /** Calls back once a lease that has expired is revoked; at once if it is gone already. */
  onceLeaseGone(id: LeaseId, callback: () => void): void {
    if (!this.lessor.exists(id)) return callback();
    const waiting = this.leaseWaiters.get(id);
    if (waiting === undefined) this.leaseWaiters.set(id, [callback]);
    else waiting.push(callback);
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

  // -- StateMachine ----------------------------------------------------------------------------------------------------

  applyCommitted(entries: readonly Entry[]): void {
    const began = this.clock.now();
    this.metrics.onApplyBegins(began);
    if (entries[0].index !== this.appliedIndex + 1) {
      panic("committed entries do not follow what is applied", {
        appliedIndex: this.appliedIndex,
        firstIndex: entries[0].index,
      });
    }
    for (const entry of entries) this.applyEntry(entry);
    const last = entries[entries.length - 1];
    this.appliedIndex = last.index;
    this.appliedTerm = last.term;
    this.committer.appliedIndex = last.index;
    this.committer.appliedTerm = last.term;
    this.noteSlowApply(began, entries.length);
    if (this.isLeader && !this.lessor.isPrimary) this.judgeLeases();
    this.reads.onApplied(last.index);
    this.committer.onApplied();
    this.snapshots.onApplied(entries);
  }

  private applyEntry(entry: Entry): void {
    if (entry.type !== EntryType.Normal) return this.applyConfChange(entry);
    // The first entry of a term is empty; one that raft replaced is too.
    if (entry.data.length === 0) return;
    const { request, outcome } = this;
    parseRequest(entry.data, request);
    const waiter = request.prefix === this.ids.prefix ? this.waiters.take(request.counter) : undefined;
    outcome.reset();
    this.applier.apply(request, entry.data, waiter !== undefined || this.metrics.wantsBodies, outcome);
    this.metrics.observeApply(request.field, outcome, this.clock.now());
    this.metrics.onEntryApplied(entry, outcome);
    if (waiter !== undefined) waiter.onApplied(outcome);
  }

  private applyConfChange(entry: Entry): void {
    const { node } = this.driver;
    if (entry.type === EntryType.ConfChangeV2) {
      // Members propose single changes only; what else is in the log concerns raft alone.
      return this.cluster.onConfState(node.applyConfChange(decodeConfChangeV2(entry.data)));
    }
    const change = decodeConfChange(entry.data);
    const { effective, outcome } = this.cluster.applyConfChange(change);
    this.cluster.onConfState(node.applyConfChange(effective));
    this.removal.check();
    this.outcome.reset();
    if (!outcome.ok) this.outcome.error = outcome.error;
    this.metrics.onEntryApplied(entry, this.outcome);
    if (Number(change.id >> 48n) !== this.ids.prefix) return;
    this.waiters.take(Number(change.id & 0xffffffffffffn))?.onApplied(this.outcome);
  }

  announceSnapshot(snapshot: Snapshot, state: HardState | undefined): Promise<void> {
    return this.snapshots.announce(snapshot, state);
  }

  async installSnapshot(snapshot: Snapshot): Promise<void> {
    this.committer.hold();
    await this.snapshots.install(snapshot);
    this.lessor.restore();
    this.store.restore();
    this.alarms.restore();
    this.cluster.restore();
    this.removal.check();
    this.compaction.start();
    this.hub.requeueAll();
    this.appliedIndex = snapshot.index;
    this.appliedTerm = snapshot.term;
    this.committer.release(snapshot.index, snapshot.term);
    this.metrics.onSnapshotInstalled(snapshot.index);
    this.reads.onApplied(snapshot.index);
  }

  sendSnapshot(message: RaftMessage): void {
    prepareSnapshot(this, message).then(
      (snapshot) => this.snapshotSender.sendSnapshot(snapshot),
      (error: unknown) => {
        this.logger.warn("failed to prepare a database snapshot", { to: message.to, error });
        this.onSnapshotSent(message.to, false);
      },
    );
  }

  /** What became of an image: raft goes on sending entries, or tries again. */
  onSnapshotSent(to: MemberId, delivered: boolean): void {
    if (this.stopped) return;
    this.driver.node.reportSnapshot(to, delivered);
    this.driver.schedule();
  }

  /** Takes in a Snap message with its image; raft hears of it once the image is on disk. */
  async receiveSnapshot(message: RaftMessage, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    await this.snapshotReceiver.save(message.snapshot?.index ?? 0, chunks);
    this.driver.receive(message);
  }

  onReadConfirmed(attempt: number, index: number): void {
    this.reads.onConfirmed(attempt, index, this.appliedIndex);
  }

  onLeadership(): void {
    this.metrics.onLeadership(this.leader, this.hasLeader);
    this.reads.onLeaderChanged();
    if (this.isLeader) return this.publisher.proposeVersion();
    if (!this.lessor.isPrimary) return;
    this.lessor.demote();
    // Renewals that waited for a revocation by this member must ask the new leader.
    this.releaseLeaseWaiters();
  }

  /** A new leader knows every lease that there is once it has applied an entry of its own term. */
  private judgeLeases(): void {
    if (this.appliedTerm === this.term) this.lessor.promote(this.clock.now(), this.config.electionTimeoutMs);
  }

  onDropped(counter: number): void {
    this.metrics.proposalsFailed++;
    this.waiters.take(counter)?.onFailed(this.hasLeader ? DROPPED : ErrNoLeader);
  }

  nextReadAttempt(): number {
    return this.reads.nextAttempt(this.clock.now());
  }

  onTurnEnd(): void {
    if (!this.started) this.onFirstTurn();
    if (this.term !== this.announcedTerm) {
      this.announcedTerm = this.term;
      this.hub.setHeader(this.cluster.id, this.cluster.localId, this.term);
    }
    this.onFlush();
  }

  /** Alone, nobody can be disturbed by an election: no need to wait for a timeout. */
  private onFirstTurn(): void {
    this.started = true;
    if (!this.config.initialElectionTickAdvance || !this.cluster.isAlone) return;
    this.driver.node.campaign();
    this.driver.schedule();
  }

  // -- ApplyListener ---------------------------------------------------------------------------------------------------

  onCompactionScheduled(): void {
    this.hub.compacted();
    this.compaction.onScheduled();
  }

  onLeaseGranted(ttlSeconds: number): void {
    this.metrics.leaseTtl.observe(ttlSeconds);
  }

  onLeaseRevoked(id: LeaseId): void {
    const waiting = this.leaseWaiters.get(id);
    if (waiting === undefined) return;
    this.leaseWaiters.delete(id);
    for (const callback of waiting) callback();
  }

  onAlarmsChanged(): void {
    this.logger.warn("alarms changed", { alarms: this.alarmNames() });
  }

  /** Called every tenth of a second or so. */
  private keepHouse(now: number): void {
    const expired = this.waiters.expire(now, ErrTimeout);
    this.metrics.proposalsFailed += expired;
    this.reads.expire(now);
    if (this.reads.waitingForAnswer) this.driver.schedule();
    this.hub.tick(now);
    this.revoker.tick();
    this.revoker.tickCheckpoints();
    if (this.space.tick(this.noSpaceAlarm.isKnown)) this.noSpaceAlarm.raise();
    this.onFlush();
  }

  private releaseLeaseWaiters(): void {
    const all = [...this.leaseWaiters.values()];
    this.leaseWaiters.clear();
    for (const waiting of all) for (const callback of waiting) callback();
  }

  private noteSlowApply(began: number, count: number): void {
    const took = this.clock.now() - began;
    if (took <= this.config.warningApplyDurationMs) return;
    this.metrics.slowApplies++;
    this.logger.warn("apply request took too long", { took: `${took.toFixed(3)}ms`, entries: count });
  }
}

/** Waits for the first confirmed read, however long the first election takes. */
class Ready extends ReadWaiter {
  private readonly member: Member;
  private readonly done: () => void;

  constructor(member: Member, done: () => void) {
    super();
    this.member = member;
    this.done = done;
  }

  onReady(): void {
    this.done();
  }

  onFailed(error: RpcError): void {
    // A stopped member tells by itself that it never became ready.
    if (error !== ErrStopped) this.member.linearizableRead(this);
  }
}

const PROBE_KEY = new TextEncoder().encode("consistent_index");
