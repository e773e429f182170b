// One member's part in the algorithm: its state (Figure 2 of the paper), the transitions between roles, and the rules about
// terms that come before anything else (§5.1: "if a message's term is newer, adopt it; if older, ignore it"). What each role
// does with a message of its own term is in follower.ts, candidate.ts and leader.ts.
//
// Calls go in (`step`, `tick`), effects collect in fields that RawNode turns into a Ready: nothing here does I/O, reads a
// clock or draws a number except from the `Random` it was given. Two lists of messages leave: `messages` may go at once,
// `messagesAfterPersist` must wait until everything decided so far is on disk (messages.ts, `dependsOnDisk`). The leader
// acknowledges its own entries, and a candidate its own vote, through that second list too, as anyone else would.

import { panic } from "#base";
import { Entry, HardState, type MemberId, MessageType, NO_MEMBER, RaftMessage } from "#proto";
import { Campaign, hup, stepCandidate } from "./candidate.js";
import type { ResolvedConfig } from "./config.js";
import { Configuration } from "./configuration.js";
import { stepFollower } from "./follower.js";
import { stepLeader, tickLeader } from "./leader.js";
import { RaftLog } from "./log.js";
import { dependsOnDisk, describeMember, isForwarded } from "./messages.js";
import { mutations } from "./mutations.js";
import { appendEntries } from "./proposal.js";
import { ReadIndexQueue, type ReadState } from "./read-index.js";
import { ROLE_NAMES, Role, StepResult } from "./role.js";
import { onStorageAppendResponse, onStorageApplyResponse } from "./storage-messages.js";
import { Tracker } from "./tracker.js";
import { abortTransfer } from "./transfer.js";
import { answerVoteRequest, inLeaderLease } from "./vote.js";

export class Raft {
  readonly id: MemberId;
  readonly config: ResolvedConfig;
  readonly log: RaftLog;
  readonly tracker: Tracker;

  term = 0;
  vote: MemberId = NO_MEMBER;
  role: Role = Role.Follower;
  leader: MemberId = NO_MEMBER;
  isLearner = false;

  /** Where leadership is being handed to; NO_MEMBER when it is not. */
  transferee: MemberId = NO_MEMBER;
  /** Leader: no configuration change may be proposed until the entry at this index is applied. */
  pendingConfIndex = 0;
  /** Leader: estimate of payload bytes that are not applied yet; never too high. */
  uncommittedBytes = 0;
  /** Leader: reads that wait for a confirmation of leadership. */
  reads = new ReadIndexQueue();
  /** Leader: reads that wait for the first commit of the term. */
  readsBeforeCommit: RaftMessage[] = [];

  /** Follower, candidate: ticks since something was heard of the leader. Leader: since the last quorum check. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  electionTimeout = 0;

  messages: RaftMessage[] = [];
  messagesAfterPersist: RaftMessage[] = [];
  readStates: ReadState[] = [];

  private readonly initialTerm: number;

  constructor(config: ResolvedConfig) {
    this.id = config.id;
    this.config = config;
    this.log = new RaftLog(config.storage, config.applyingBytesMax);
    this.tracker = new Tracker(config.inflightMessagesMax, config.inflightBytesMax);
    const { hardState, confState } = config.storage.initialState();
    this.tracker.switchTo(Configuration.fromConfState(confState), this.log.lastIndex());
    this.isLearner = this.tracker.configuration.isLearner(this.id);
    this.load(hardState);
    this.initialTerm = this.term;
    if (config.applied > 0) this.log.appliedTo(config.applied, 0);
    this.becomeFollower(this.term, NO_MEMBER);
  }

  private load(state: HardState): void {
    if (state.term === 0 && state.vote === NO_MEMBER && state.commit === 0) return;
    const lastIndex = this.log.lastIndex();
    if (state.commit < this.log.committed || state.commit > lastIndex) {
      panic("saved commit index out of range", {
        commit: state.commit,
        first: this.log.committed,
        lastIndex,
      });
    }
    this.log.committed = state.commit;
    this.term = state.term;
    this.vote = state.vote;
  }

  /** currentTerm as it is to be saved. */
  get savedTerm(): number {
    return mutations.termNotPersisted ? this.initialTerm : this.term;
  }

  /** votedFor as it is to be saved. */
  get savedVote(): MemberId {
    return mutations.voteTwiceAfterRestart ? NO_MEMBER : this.vote;
  }

  /** What must be on disk before a message that depends on it leaves. */
  hardState(): HardState {
    return new HardState(this.savedTerm, this.savedVote, this.log.committed);
  }

  /** May this member become leader? A voter without a snapshot waiting to be installed. */
  get promotable(): boolean {
    return this.tracker.configuration.voters.has(this.id) && this.log.unstable.snapshot === undefined;
  }

  // --- time ---

  tick(): void {
    if (this.role === Role.Leader) return tickLeader(this);
    this.electionElapsed++;
    if (this.promotable && this.electionElapsed >= this.electionTimeout) {
      this.electionElapsed = 0;
      this.step(this.localMessage(MessageType.Hup));
    }
  }

  // --- messages ---

  /** Processes one message; the rules about terms first. The message belongs to raft and must not change afterwards. */
  step(m: RaftMessage): StepResult {
    if (m.term > this.term) {
      if (!this.admitHigherTerm(m)) return StepResult.Ok;
    } else if (m.term < this.term && m.term !== 0) {
      this.answerLowerTerm(m);
      return StepResult.Ok;
    }
    switch (m.type) {
      case MessageType.Hup:
        hup(this, this.config.preVote ? Campaign.PreElection : Campaign.Election);
        return StepResult.Ok;
      case MessageType.Vote:
      case MessageType.PreVote:
        answerVoteRequest(this, m);
        return StepResult.Ok;
      case MessageType.StorageAppendResp:
        onStorageAppendResponse(this, m, true);
        return StepResult.Ok;
      case MessageType.StorageApplyResp:
        onStorageApplyResponse(this, m);
        return StepResult.Ok;
      default:
        return this.stepRole(m);
    }
  }

  private stepRole(m: RaftMessage): StepResult {
    switch (this.role) {
      case Role.Leader:
        return stepLeader(this, m);
      case Role.Follower:
        return stepFollower(this, m);
      default:
        return stepCandidate(this, m);
    }
  }

  /** A message of a later term. Returns false if it is to be ignored. */
  private admitHigherTerm(m: RaftMessage): boolean {
    const asksForVote = m.type === MessageType.Vote || m.type === MessageType.PreVote;
    if (asksForVote && inLeaderLease(this, m)) return false;
    // A pre-vote is a question about a term that does not exist yet; a granted one an answer to it.
    if (m.type === MessageType.PreVote) return true;
    if (m.type === MessageType.PreVoteResp && !m.reject) return true;
    this.becomeFollower(m.term, isFromLeader(m.type) ? m.from : NO_MEMBER);
    return true;
  }

  /** A message of an earlier term: ignored, except where silence would leave its sender stuck. */
  private answerLowerTerm(m: RaftMessage): void {
    if (mutations.staleTermAccepted && m.type === MessageType.App && this.role === Role.Follower) {
      this.stepRole(m);
      return;
    }
    if (m.type === MessageType.Heartbeat || m.type === MessageType.App) {
      // Figure 2: the answer carries the own term. A leader whose followers are past its term might never hear of it
      // otherwise: learners do not campaign, and with CheckQuorum or PreVote voters hardly do. (etcd answers only if one of
      // these two is on.)
      this.send(this.messageTo(MessageType.AppResp, m.from));
    } else if (m.type === MessageType.PreVote || m.type === MessageType.Vote) {
      // Figure 2 again. A candidate with a lower term but a longer log must learn of the term, or nobody could ever be elected:
      // the other one, whose configuration may be older, need not ask this candidate for its vote. (etcd answers pre-votes
      // only.)
      const isPreVote = m.type === MessageType.PreVote;
      const answer = this.messageTo(isPreVote ? MessageType.PreVoteResp : MessageType.VoteResp, m.from);
      answer.term = this.term;
      answer.reject = true;
      this.send(answer);
    } else if (m.type === MessageType.StorageAppendResp) {
      // Its entries may have been replaced since; an installed snapshot is valid in any term.
      onStorageAppendResponse(this, m, false);
    }
  }

  localMessage(type: MessageType): RaftMessage {
    const m = new RaftMessage(type);
    m.from = this.id;
    return m;
  }

  messageTo(type: MessageType, to: MemberId): RaftMessage {
    const m = new RaftMessage(type);
    m.to = to;
    return m;
  }

  /** Completes a message and puts it into one of the two outgoing lists. */
  send(m: RaftMessage): void {
    if (m.from === NO_MEMBER) m.from = this.id;
    if (isElection(m.type)) {
      if (m.term === 0) panic("election message without a term", { type: m.type });
    } else if (!isForwarded(m.type)) {
      m.term = this.term;
    }
    if (dependsOnDisk(m.type)) this.sendAfterPersist(m);
    else if (m.to === this.id) panic("message to oneself", { type: m.type });
    else this.messages.push(m);
  }

  private sendAfterPersist(m: RaftMessage): void {
    if (!mutations.acknowledgedBeforeSync || m.type !== MessageType.AppResp)
      this.messagesAfterPersist.push(m);
    else if (m.to === this.id) this.step(m);
    else this.messages.push(m);
  }

  // --- roles ---

  private reset(term: number): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = NO_MEMBER;
    }
    this.leader = NO_MEMBER;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.electionTimeout = this.config.electionTicks + this.config.random.below(this.config.electionTicks);
    abortTransfer(this);
    this.tracker.resetVotes();
    this.tracker.resetProgress(this.id, this.log.lastIndex());
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    if (mutations.staleReadIndexAfterLeaderChange) return;
    this.reads = new ReadIndexQueue();
    this.readsBeforeCommit = [];
  }

  becomeFollower(term: number, leader: MemberId): void {
    this.reset(term);
    this.role = Role.Follower;
    this.leader = leader;
    this.logTransition();
  }

  becomeCandidate(): void {
    if (this.role === Role.Leader) panic("invalid transition [leader -> candidate]");
    this.reset(this.term + 1);
    this.vote = this.id;
    this.role = Role.Candidate;
    this.logTransition();
  }

  /** Only asks around: neither term nor vote change, and the election timer goes on. */
  becomePreCandidate(): void {
    if (this.role === Role.Leader) panic("invalid transition [leader -> pre-candidate]");
    this.tracker.resetVotes();
    this.leader = NO_MEMBER;
    this.role = Role.PreCandidate;
    this.logTransition();
  }

  becomeLeader(): void {
    if (this.role === Role.Follower) panic("invalid transition [follower -> leader]");
    this.reset(this.term);
    this.leader = this.id;
    this.role = Role.Leader;
    const own = this.tracker.progress(this.id);
    if (own === undefined) panic("a leader outside the configuration", { id: this.id });
    own.becomeReplicate();
    own.recentActive = true;
    // Any entry so far may be a configuration change: allow none until all are applied. Cheaper than looking.
    this.pendingConfIndex = this.log.lastIndex();
    // §8: only an entry of the own term can be committed by counting, and with it all before it.
    appendEntries(this, [new Entry()]);
    this.logTransition();
  }

  private logTransition(): void {
    if (!this.config.logger.isEnabled("info")) return;
    const id = describeMember(this.id);
    this.config.logger.info(`${id} became ${ROLE_NAMES[this.role]} at term ${this.term}`);
  }

  /** One line: role, term, and what belongs to the role. */
  describe(): string {
    let text = `${describeMember(this.id)} ${ROLE_NAMES[this.role]} term=${this.term}`;
    if (this.vote !== NO_MEMBER) text += ` vote=${describeMember(this.vote)}`;
    if (this.leader !== NO_MEMBER) text += ` leader=${describeMember(this.leader)}`;
    if (this.isLearner) text += " learner";
    if (this.transferee !== NO_MEMBER) text += ` transferee=${describeMember(this.transferee)}`;
    return `${text} ${this.log.describe()}`;
  }
}

function isFromLeader(type: MessageType): boolean {
  return type === MessageType.App || type === MessageType.Heartbeat || type === MessageType.Snap;
}

/** Messages about a term that need not be the sender's own. */
function isElection(type: MessageType): boolean {
  switch (type) {
    case MessageType.Vote:
    case MessageType.VoteResp:
    case MessageType.PreVote:
    case MessageType.PreVoteResp:
      return true;
    default:
      return false;
  }
}
