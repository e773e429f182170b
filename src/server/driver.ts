// The driver: the one loop that turns raft's effects into I/O. Everything proposed in one turn of the event loop becomes
// one raft append, one log write and one sync; committed entries are then applied in the same turn where that is
// possible (a single voter on a quick disk), and replies leave together. Large batches overlap: while one is synced on a
// thread, the one before it is applied (bench: put 1000 in flight).
//
// Order within a turn, which is what durability rests on:
//   1. messages that need not wait for the disk (a leader's appends) leave,
//   2. entries and hard state are written and synced,
//   3. messages that promise persistence leave, committed entries are applied; those that were durable before the write
//      began need not wait for it,
//   4. raft is told (advance), which may commit more: the loop goes round once more.
//
// A failed write or sync, or any broken invariant, ends the member: `fatal` is called once and nothing is acknowledged
// after it. Source: Raft paper §5 and Figure 2; the Ready/Advance shape follows etcd's raft library.

import type { Clock, Timer } from "#base";
import {
  type ConfChange,
  type ConfChangeV2,
  type Entry,
  HardState,
  MessageType,
  NO_MEMBER,
  type RaftMessage,
  type Snapshot,
} from "#proto";
import { type MemoryLogStorage, type RawNode, type Ready, StepResult } from "#raft";
import { PROPOSAL_BATCH_BYTES_MAX, SYNC_BESIDE_ENTRIES } from "./limits.js";
import { mutations } from "./mutations.js";
import { SyncPolicy } from "./sync-policy.js";

/** Sends raft messages to other members; may drop any of them. Snapshots take another way (`StateMachine`). */
export interface Transport {
  send(messages: readonly RaftMessage[]): void;
}

/** The write-ahead log as the driver needs it. */
export interface LogWriter {
  /** Whether `saveSync` may be called now. */
  readonly canSaveSync: boolean;
  saveSync(hardState: HardState | undefined, entries: readonly Entry[]): void;
  /** @param writeHere whether the bytes may be handed to the system on the calling thread; the sync gets one of its own */
  save(hardState: HardState | undefined, entries: readonly Entry[], writeHere: boolean): Promise<void>;
}

/** What the member does with raft's output. All methods are called from the loop, in log order. */
export interface StateMachine {
  applyCommitted(entries: readonly Entry[]): void;
  /** Replaces all state by a snapshot received from the leader; the loop waits. */
  installSnapshot(snapshot: Snapshot): Promise<void>;
  /** Makes known, durably, that a received snapshot is about to be installed, and the state that goes with it. */
  announceSnapshot(snapshot: Snapshot, state: HardState | undefined): Promise<void>;
  /** A follower needs everything: the message is to be sent together with an image of the database. */
  sendSnapshot(message: RaftMessage): void;
  onReadConfirmed(attempt: number, index: number): void;
  /** Leader, role or term changed. */
  onLeadership(): void;
  /** A proposal that raft refused; it never entered the log. */
  onDropped(counter: number): void;
  /** Called at the start of each turn, before raft is asked for anything: reads may want an attempt. */
  nextReadAttempt(): number;
  /** The turn is over: everything answered in it may leave. */
  onTurnEnd(): void;
}

export class RaftDriver {
  readonly node: RawNode;
  /** What of the log is durable. */
  readonly storage: MemoryLogStorage;
  private readonly clock: Clock;
  private readonly log: LogWriter;
  private readonly transport: Transport;
  private readonly machine: StateMachine;
  private readonly fatal: (error: unknown) => void;
  readonly syncPolicy: SyncPolicy;
  private readonly tickMs: number;

  private queued: Uint8Array[] = [];
  private queuedCounters: number[] = [];
  /** Proposals that hold only while this member leads a certain term, by counter. */
  private readonly boundToTerm = new Map<number, number>();
  private queuedBytes = 0;
  private scheduled = false;
  /** A log write or snapshot install is under way on another thread. */
  private busy = false;
  private stopped = false;
  private tickTimer: Timer | undefined;
  private nextTickAt = 0;
  /** Ticks as the leader that came a whole tick too late: heartbeats were late. */
  lateTicks = 0;
  private readonly runTurn = (): void => this.turn();
  private readonly runTick = (): void => this.tick();

  constructor(parts: {
    clock: Clock;
    node: RawNode;
    storage: MemoryLogStorage;
    log: LogWriter;
    transport: Transport;
    machine: StateMachine;
    tickMs: number;
    /** Whether log writes may run on the main thread. */
    mainThreadSync: boolean;
    fatal: (error: unknown) => void;
  }) {
    this.clock = parts.clock;
    this.node = parts.node;
    this.storage = parts.storage;
    this.log = parts.log;
    this.transport = parts.transport;
    this.machine = parts.machine;
    this.tickMs = parts.tickMs;
    this.fatal = parts.fatal;
    this.syncPolicy = new SyncPolicy(parts.mainThreadSync);
  }

  start(): void {
    this.nextTickAt = this.clock.now() + this.tickMs;
    this.tickTimer = this.clock.setTimer(this.tickMs, this.runTick);
    this.schedule();
  }

  stop(): void {
    this.stopped = true;
    if (this.tickTimer !== undefined) this.clock.clearTimer(this.tickTimer);
    this.tickTimer = undefined;
  }

  get hasLeader(): boolean {
    return this.node.leader !== NO_MEMBER;
  }

  /** Encoded size of the proposals that wait for the next turn. */
  get backlogBytes(): number {
    return this.queuedBytes;
  }

  /** Queues an entry payload; it is proposed in the next turn, or as soon as there is a leader. */
  propose(counter: number, data: Uint8Array): void {
    this.queued.push(data);
    this.queuedCounters.push(counter);
    this.queuedBytes += data.length;
    this.schedule();
  }

  /**
   * As `propose`, but only as the leader of the present term: what a leader decided alone (a lease has expired) must not
   * be forwarded to a later leader, who may know better.
   */
  proposeAsLeader(counter: number, data: Uint8Array): void {
    if (!mutations.deposedLeaderRevoke) this.boundToTerm.set(counter, this.node.term);
    this.propose(counter, data);
  }

  /** Proposes a configuration change. @returns false when raft refuses it (no leader, or stopped) */
  proposeConfChange(change: ConfChange | ConfChangeV2): boolean {
    if (this.stopped) return false;
    const accepted = this.node.proposeConfChange(change) === StepResult.Ok;
    this.schedule();
    return accepted;
  }

  /** Hands in a message from another member. */
  receive(message: RaftMessage): void {
    if (this.stopped) return;
    this.guard(() => {
      this.node.step(message);
    });
    this.schedule();
  }

  /** Makes sure that a turn follows in this round of the event loop. */
  schedule(): void {
    if (this.scheduled || this.busy || this.stopped) return;
    this.scheduled = true;
    this.clock.setNext(this.runTurn);
  }

  private tick(): void {
    if (this.stopped) return;
    this.nextTickAt += this.tickMs;
    const now = this.clock.now();
    // After a long stall missed ticks are not made up for: a burst of them would look like a dead leader.
    if (this.nextTickAt <= now) {
      this.nextTickAt = now + this.tickMs;
      if (this.node.isLeader) this.lateTicks++;
    }
    this.tickTimer = this.clock.setTimer(this.nextTickAt - now, this.runTick);
    this.guard(() => this.node.tick());
    this.schedule();
  }

  private turn(): void {
    this.scheduled = false;
    if (this.busy || this.stopped) return;
    this.guard(() => this.run());
  }

  private run(): void {
    this.askForReads();
    this.proposeQueued();
    while (this.node.hasReady() && !this.busy && !this.stopped) this.handle(this.node.ready());
    this.machine.onTurnEnd();
    if (this.queued.length > 0 && this.hasLeader) this.schedule();
  }

  private askForReads(): void {
    const attempt = this.machine.nextReadAttempt();
    if (attempt === 0) return;
    const context = new Uint8Array(8);
    new DataView(context.buffer).setBigUint64(0, BigInt(attempt));
    this.node.readIndex(context);
  }

  /** One batch for everything that came in since the last turn; what exceeds the bound stays for the next. */
  private proposeQueued(): void {
    if (this.boundToTerm.size > 0) this.dropOutdated();
    if (this.queued.length === 0 || !this.hasLeader) return;
    let batch = this.queued;
    let counters = this.queuedCounters;
    if (this.queuedBytes > PROPOSAL_BATCH_BYTES_MAX) {
      let bytes = 0;
      let count = 0;
      while (count < batch.length && bytes < PROPOSAL_BATCH_BYTES_MAX) bytes += batch[count++].length;
      this.queued = batch.slice(count);
      this.queuedCounters = counters.slice(count);
      this.queuedBytes -= bytes;
      batch = batch.slice(0, count);
      counters = counters.slice(0, count);
    } else {
      this.queued = [];
      this.queuedCounters = [];
      this.queuedBytes = 0;
    }
    if (this.node.propose(batch) !== StepResult.Ok)
      for (const counter of counters) this.machine.onDropped(counter);
  }

  /** Takes out what was decided under a leadership that is over. */
  private dropOutdated(): void {
    const { node, boundToTerm } = this;
    const batch = this.queued;
    const counters = this.queuedCounters;
    this.queued = [];
    this.queuedCounters = [];
    this.queuedBytes = 0;
    for (let i = 0; i < counters.length; i++) {
      const term = boundToTerm.get(counters[i]);
      if (term !== undefined && (!node.isLeader || node.term !== term)) {
        this.machine.onDropped(counters[i]);
        continue;
      }
      this.queued.push(batch[i]);
      this.queuedCounters.push(counters[i]);
      this.queuedBytes += batch[i].length;
    }
    boundToTerm.clear();
  }

  private handle(ready: Ready): void {
    this.sendAll(ready.messages);
    if (ready.snapshot !== undefined) {
      this.waitFor(this.persistSnapshot(ready, ready.snapshot), ready, false);
      return;
    }
    if (ready.entries.length > 0 || ready.hardState !== undefined) {
      if (mutations.acknowledgeBeforeSync) {
        this.log.save(ready.hardState, ready.entries, false).catch((error: unknown) => this.fail(error));
        return this.finish(ready, false);
      }
      const { isQuick } = this.syncPolicy;
      if (!isQuick || ready.entries.length > SYNC_BESIDE_ENTRIES || !this.log.canSaveSync) {
        if (ready.mustSync && !isQuick) this.syncPolicy.observeThread();
        return this.saveBeside(ready, isQuick);
      }
      const began = this.clock.now();
      this.log.saveSync(ready.hardState, ready.entries);
      if (ready.mustSync) this.syncPolicy.observe(this.clock.now() - began);
    }
    this.finish(ready, false);
  }

  private async persistSnapshot(ready: Ready, snapshot: Snapshot): Promise<void> {
    // The log vouches for the snapshot only once a commit index beside it says so: both are durable before the backend
    // is replaced, so that a crash in between finds either the old state whole or the new one announced. Entries behind the
    // snapshot may be committed already; the log must not say so before it has them.
    await this.machine.announceSnapshot(snapshot, upTo(ready.hardState, snapshot.index));
    if (ready.entries.length > 0) await this.log.save(ready.hardState, ready.entries, false);
    await this.machine.installSnapshot(snapshot);
    this.storage.applySnapshot(snapshot);
  }

  /** Writes and syncs on another thread and applies meanwhile what need not wait for that. */
  private saveBeside(ready: Ready, writeHere: boolean): void {
    const appliesNow = this.isAppliable(ready);
    this.waitFor(this.log.save(ready.hardState, ready.entries, writeHere), ready, appliesNow);
    if (appliesNow) this.machine.applyCommitted(ready.committedEntries);
  }

  /** Whether all its committed entries were durable before it, and nothing else in it has to come before them. */
  private isAppliable({ committedEntries, entries, softState }: Ready): boolean {
    if (committedEntries.length === 0 || softState !== undefined) return false;
    const last = committedEntries[committedEntries.length - 1].index;
    return last <= this.storage.lastIndex() && (entries.length === 0 || entries[0].index > last);
  }

  private waitFor(work: Promise<void>, ready: Ready, isApplied: boolean): void {
    this.busy = true;
    work.then(
      () => {
        this.busy = false;
        if (this.stopped) return;
        this.guard(() => {
          this.finish(ready, isApplied);
          this.run();
        });
      },
      (error: unknown) => this.fail(error),
    );
  }

  /**
   * Everything in `ready` is durable.
   * @param isApplied its committed entries have had their effect
   */
  private finish(ready: Ready, isApplied: boolean): void {
    if (ready.hardState !== undefined) this.storage.setHardState(ready.hardState);
    this.storage.append(ready.entries);
    this.sendAll(ready.messagesAfterPersist);
    if (ready.softState !== undefined) this.machine.onLeadership();
    if (!isApplied && ready.committedEntries.length > 0) {
      this.machine.applyCommitted(ready.committedEntries);
    }
    for (const read of ready.readStates) {
      const context = read.context;
      if (context.length !== 8) continue;
      const view = new DataView(context.buffer, context.byteOffset, 8);
      this.machine.onReadConfirmed(Number(view.getBigUint64(0)), read.index);
    }
    this.node.advance();
  }

  private sendAll(messages: readonly RaftMessage[]): void {
    if (messages.length === 0) return;
    if (!messages.some(isSnapshot)) return this.transport.send(messages);
    for (const message of messages) if (isSnapshot(message)) this.machine.sendSnapshot(message);
    this.transport.send(messages.filter((message) => !isSnapshot(message)));
  }

  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    if (this.stopped) return;
    this.stop();
    this.fatal(error);
  }
}

function isSnapshot(message: RaftMessage): boolean {
  return message.type === MessageType.Snap;
}

/** The state as it is when nothing behind `index` is known to be committed. */
function upTo(state: HardState | undefined, index: number): HardState | undefined {
  return state === undefined || state.commit <= index ? state : new HardState(state.term, state.vote, index);
}
