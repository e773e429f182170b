// The face of raft to its driver: calls in, one Ready out. It is called from one place, one call at a time, and never
// blocks; ready.ts says what the driver owes for each Ready.
//
//   loop:  tick / propose / step / readIndex ...   any number of calls
//          while (node.hasReady()) { const ready = node.ready(); ...steps 1-4...; node.advance(); }
//
// A batch of proposals on a single member takes two rounds: the first persists, its `advance` commits, the second applies.

import { panic } from "#base";
import {
  type ConfState,
  Entry,
  EntryType,
  HardState,
  type MemberId,
  MessageType,
  NO_MESSAGES,
  RaftMessage,
} from "#proto";
import { type BootstrapPeer, bootstrap } from "./bootstrap.js";
import { type AnyConfChange, confChangeEntry } from "./confchange.js";
import { type RaftConfig, resolveConfig } from "./config.js";
import type { Configuration } from "./configuration.js";
import { isLocalMessage, isResponse, isStorageThread, isWellFormed } from "./messages.js";
import { proposeData } from "./proposal.js";
import { Raft } from "./raft.js";
import { Ready, SoftState } from "./ready.js";
import { applyConfChange } from "./reconfigure.js";
import { Role, StepResult } from "./role.js";
import { type BasicStatus, basicStatus, fullStatus, type Status } from "./status.js";
import {
  storageAppendMessage,
  storageAppendResponse,
  storageApplyMessage,
  storageApplyResponse,
} from "./storage-messages.js";

export class RawNode {
  private readonly raft: Raft;
  private readonly async: boolean;
  private softState: SoftState;
  private hardState: HardState;
  /** What the member hears at `advance`; undefined when no Ready is out. */
  private onAdvance: RaftMessage[] | undefined = undefined;

  /** A member as its storage left it: with the saved hard state, configuration and log, or empty. */
  constructor(config: RaftConfig) {
    this.raft = new Raft(resolveConfig(config));
    this.async = this.raft.config.asyncStorageWrites;
    this.softState = new SoftState(this.raft.leader, this.raft.role);
    this.hardState = this.raft.hardState();
  }

  /**
   * First start of a cluster, on empty storage: the log begins with one committed change per member, in ascending order of
   * id and in term 1, so that all members of the new cluster begin alike. They come out as entries to apply.
   */
  bootstrap(peers: readonly BootstrapPeer[]): void {
    bootstrap(this.raft, peers);
    // Nothing is saved yet: the first Ready has it all.
    this.hardState = new HardState();
  }

  /** One tick of the clock has passed. */
  tick(): void {
    this.raft.tick();
  }

  /** Stand for election now (with a pre-vote if configured). */
  campaign(): void {
    this.raft.step(this.raft.localMessage(MessageType.Hup));
  }

  /**
   * Proposes a batch; each element becomes the data of one entry and belongs to raft from now on. All are taken or none.
   * On a follower they are forwarded: Ok then does not mean that the leader will take them.
   */
  propose(datas: readonly Uint8Array[]): StepResult {
    if (this.raft.role === Role.Leader && datas.length > 0) return proposeData(this.raft, datas);
    return this.proposeEntries(datas.map((data) => new Entry(0, 0, EntryType.Normal, data)));
  }

  /** As `propose`, for prepared entries of any type; their index and term are ignored. */
  proposeEntries(entries: readonly Entry[]): StepResult {
    if (entries.length === 0) return StepResult.Ok;
    const m = this.raft.localMessage(MessageType.Prop);
    m.entries = entries;
    return this.raft.step(m);
  }

  /**
   * Proposes a configuration change; undefined leaves a joint configuration. A change that cannot be made now is committed
   * as an empty normal entry.
   */
  proposeConfChange(change: AnyConfChange | undefined): StepResult {
    return this.proposeEntries([confChangeEntry(change)]);
  }

  /**
   * Puts a committed change in force; to be called when its entry is applied, before `advance`. For a change that the
   * application refuses, set the node ids in it to zero. Not for entries that an installed snapshot covers. Returns the
   * configuration for the next snapshot.
   */
  applyConfChange(change: AnyConfChange): ConfState {
    return applyConfChange(this.raft, change);
  }

  /** A message from another member, or, with asynchronous storage, from a storage thread. It belongs to raft from now on. */
  step(m: RaftMessage): StepResult {
    const fromThread = isStorageThread(m.from);
    if (isLocalMessage(m.type) && !fromThread) return StepResult.LocalMessage;
    if (!fromThread && isResponse(m.type) && this.raft.tracker.progress(m.from) === undefined) {
      return StepResult.PeerNotFound;
    }
    return fromThread || isWellFormed(m) ? this.raft.step(m) : StepResult.Malformed;
  }

  /**
   * Asks for a linearizable read. A ReadState with this context follows when it may be served, or never (no leader, a lost
   * message): ask again with another context.
   */
  readIndex(context: Uint8Array): StepResult {
    const m = new RaftMessage(MessageType.ReadIndex);
    m.entries = [new Entry(0, 0, EntryType.Normal, context)];
    return this.raft.step(m);
  }

  /** Starts to hand leadership to a voter; a follower forwards the wish. Watch the leader to see whether it happened. */
  transferLeader(to: MemberId): void {
    const m = new RaftMessage(MessageType.TransferLeader);
    m.from = to;
    this.raft.step(m);
  }

  /** A follower forgets its leader, so that it grants votes although the election timeout has not passed. */
  forgetLeader(): void {
    this.raft.step(this.raft.localMessage(MessageType.ForgetLeader));
  }

  /** The last message to this member could not be sent. */
  reportUnreachable(id: MemberId): void {
    const m = new RaftMessage(MessageType.Unreachable);
    m.from = id;
    this.raft.step(m);
  }

  /** What became of a snapshot: every `Snap` message must be followed by one report. */
  reportSnapshot(id: MemberId, sent: boolean): void {
    const m = new RaftMessage(MessageType.SnapStatus);
    m.from = id;
    m.reject = !sent;
    this.raft.step(m);
  }

  /** Is there anything to do? */
  hasReady(): boolean {
    const { raft } = this;
    return (
      raft.messages.length > 0 ||
      raft.messagesAfterPersist.length > 0 ||
      raft.log.unstable.hasNextEntries() ||
      raft.log.hasNextCommitted(!this.async) ||
      raft.readStates.length > 0 ||
      raft.log.unstable.nextSnapshot() !== undefined ||
      this.softStateChanged() ||
      this.hardStateChanged()
    );
  }

  private softStateChanged(): boolean {
    return this.raft.leader !== this.softState.leader || this.raft.role !== this.softState.role;
  }

  private hardStateChanged(): boolean {
    return this.raft.log.committed !== this.hardState.commit || this.termOrVoteChanged();
  }

  private termOrVoteChanged(): boolean {
    return this.raft.savedTerm !== this.hardState.term || this.raft.savedVote !== this.hardState.vote;
  }

  /** Hands out everything that there is to do. Must be followed by `advance`, except with asynchronous storage. */
  ready(): Ready {
    if (this.onAdvance !== undefined) panic("ready before the previous one was advanced");
    const { raft } = this;
    const { log } = raft;
    const ready = new Ready();
    ready.entries = log.nextUnstable();
    ready.committedEntries = log.nextCommitted(!this.async);
    ready.snapshot = log.unstable.nextSnapshot();
    ready.mustSync = ready.entries.length > 0 || ready.snapshot !== undefined || this.termOrVoteChanged();
    if (this.softStateChanged()) ready.softState = this.softState = new SoftState(raft.leader, raft.role);
    if (this.hardStateChanged()) ready.hardState = this.hardState = raft.hardState();
    this.takeReadStates(ready);
    this.takeMessages(ready);
    log.unstable.acceptInProgress();
    if (ready.committedEntries.length > 0) log.acceptApplying(ready.committedEntries, !this.async);
    return ready;
  }

  private takeReadStates(ready: Ready): void {
    if (this.raft.readStates.length === 0) return;
    ready.readStates = this.raft.readStates;
    this.raft.readStates = [];
  }

  private takeMessages(ready: Ready): void {
    const { raft } = this;
    if (this.async) this.takeMessagesForThreads(ready);
    else this.takeMessagesForAdvance(ready);
    if (raft.messages.length > 0) ready.messages = raft.messages;
    raft.messages = [];
    raft.messagesAfterPersist = [];
  }

  /** Everything that waits for storage becomes part of the order to the thread. */
  private takeMessagesForThreads(ready: Ready): void {
    const { raft } = this;
    const append = storageAppendMessage(raft, ready);
    if (append !== undefined) raft.messages.push(append);
    if (ready.committedEntries.length > 0) {
      raft.messages.push(storageApplyMessage(raft, ready.committedEntries));
    }
  }

  /** What is addressed to the member itself is delivered by `advance`. */
  private takeMessagesForAdvance(ready: Ready): void {
    const { raft } = this;
    const own: RaftMessage[] = [];
    const others: RaftMessage[] = [];
    for (const m of raft.messagesAfterPersist) (m.to === raft.id ? own : others).push(m);
    const stable = storageAppendResponse(raft, ready.snapshot);
    if (stable !== undefined) own.push(stable);
    if (ready.committedEntries.length > 0) own.push(storageApplyResponse(raft, ready.committedEntries));
    ready.messagesAfterPersist = others.length === 0 ? NO_MESSAGES : others;
    this.onAdvance = own;
  }

  /** The Ready that is out has been dealt with: persisted, sent, applied. */
  advance(): void {
    const messages = this.onAdvance;
    if (messages === undefined) panic("advance without a Ready, or with asynchronous storage");
    this.onAdvance = undefined;
    for (const m of messages) this.raft.step(m);
  }

  get isLeader(): boolean {
    return this.raft.role === Role.Leader;
  }

  /** The known leader, or NO_MEMBER. */
  get leader(): MemberId {
    return this.raft.leader;
  }

  get term(): number {
    return this.raft.term;
  }

  /** Entries up to this one are committed, as far as this member knows. */
  get commitIndex(): number {
    return this.raft.log.committed;
  }

  basicStatus(): BasicStatus {
    return basicStatus(this.raft);
  }

  status(): Status {
    return fullStatus(this.raft);
  }

  /** The configuration in force; another object after each change. */
  get configuration(): Configuration {
    return this.raft.tracker.configuration;
  }

  /** The configuration in force, as it is sent and stored. */
  confState(): ConfState {
    return this.configuration.toConfState();
  }

  /** Several lines: the member, then what it knows of the others. */
  describe(): string {
    return `${this.raft.describe()}\n${this.raft.tracker.describe()}`;
  }
}
