// raftpb as plain classes: what raft consumes and emits, what the WAL stores and what members send each other. Codecs
// for them are in raft-codec.ts. One shape per class: every field is set in the constructor.

import { EMPTY_BYTES } from "#base";

/** A member's id: 64 bits, opaque; 0n means "none". */
export type MemberId = bigint;
export const NO_MEMBER: MemberId = 0n;

export const EntryType = { Normal: 0, ConfChange: 1, ConfChangeV2: 2 } as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** One slot of the replicated log. `data` is owned by the entry and never changes. */
export class Entry {
  term: number;
  index: number;
  type: EntryType;
  data: Uint8Array;

  constructor(term = 0, index = 0, type: EntryType = EntryType.Normal, data: Uint8Array = EMPTY_BYTES) {
    this.term = term;
    this.index = index;
    this.type = type;
    this.data = data;
  }
}

export const NO_ENTRIES: readonly Entry[] = Object.freeze([]);

/** What must survive a restart besides the log: Figure 2 of the paper, plus the commit index as a hint. */
export class HardState {
  term: number;
  vote: MemberId;
  commit: number;

  constructor(term = 0, vote: MemberId = NO_MEMBER, commit = 0) {
    this.term = term;
    this.vote = vote;
    this.commit = commit;
  }
}

/** The members as of some log index. In a joint configuration `votersOutgoing` is not empty. */
export class ConfState {
  voters: readonly MemberId[];
  learners: readonly MemberId[];
  votersOutgoing: readonly MemberId[];
  learnersNext: readonly MemberId[];
  autoLeave: boolean;

  constructor(
    voters: readonly MemberId[] = [],
    learners: readonly MemberId[] = [],
    votersOutgoing: readonly MemberId[] = [],
    learnersNext: readonly MemberId[] = [],
    autoLeave = false,
  ) {
    this.voters = voters;
    this.learners = learners;
    this.votersOutgoing = votersOutgoing;
    this.learnersNext = learnersNext;
    this.autoLeave = autoLeave;
  }
}

/** The state machine up to and including `index`. `data` is opaque to raft. `index` 0 means "no snapshot". */
export class Snapshot {
  index: number;
  term: number;
  confState: ConfState;
  data: Uint8Array;

  constructor(index = 0, term = 0, confState = new ConfState(), data: Uint8Array = EMPTY_BYTES) {
    this.index = index;
    this.term = term;
    this.confState = confState;
    this.data = data;
  }
}

export const MessageType = {
  Hup: 0,
  Beat: 1,
  Prop: 2,
  App: 3,
  AppResp: 4,
  Vote: 5,
  VoteResp: 6,
  Snap: 7,
  Heartbeat: 8,
  HeartbeatResp: 9,
  Unreachable: 10,
  SnapStatus: 11,
  CheckQuorum: 12,
  TransferLeader: 13,
  TimeoutNow: 14,
  ReadIndex: 15,
  ReadIndexResp: 16,
  PreVote: 17,
  PreVoteResp: 18,
  StorageAppend: 19,
  StorageAppendResp: 20,
  StorageApply: 21,
  StorageApplyResp: 22,
  ForgetLeader: 23,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** Names of the message types as logs and scenarios print them, indexed by type. */
export const MESSAGE_TYPE_NAMES: readonly string[] = Object.keys(MessageType);

/** A raft message, between members or between a member and its storage threads. */
export class RaftMessage {
  type: MessageType;
  to: MemberId = NO_MEMBER;
  from: MemberId = NO_MEMBER;
  term = 0;
  /** Term of the entry at `index`, for appends and votes. */
  logTerm = 0;
  index = 0;
  entries: readonly Entry[] = NO_ENTRIES;
  commit = 0;
  vote: MemberId = NO_MEMBER;
  snapshot: Snapshot | undefined = undefined;
  reject = false;
  rejectHint = 0;
  context: Uint8Array = EMPTY_BYTES;
  responses: readonly RaftMessage[] = NO_MESSAGES;

  constructor(type: MessageType = MessageType.Hup) {
    this.type = type;
  }
}

export const NO_MESSAGES: readonly RaftMessage[] = Object.freeze([]);

export const ConfChangeType = { AddNode: 0, RemoveNode: 1, UpdateNode: 2, AddLearnerNode: 3 } as const;
export type ConfChangeType = (typeof ConfChangeType)[keyof typeof ConfChangeType];

/** Auto: simple when one change suffices, otherwise joint with automatic leave. */
export const ConfChangeTransition = { Auto: 0, JointImplicit: 1, JointExplicit: 2 } as const;
export type ConfChangeTransition = (typeof ConfChangeTransition)[keyof typeof ConfChangeTransition];

export class ConfChangeSingle {
  type: ConfChangeType;
  nodeId: MemberId;

  constructor(type: ConfChangeType, nodeId: MemberId) {
    this.type = type;
    this.nodeId = nodeId;
  }
}

/** The V1 form: one change, as etcd's members propose it. */
export class ConfChange {
  id: bigint;
  type: ConfChangeType;
  nodeId: MemberId;
  context: Uint8Array;

  constructor(id: bigint, type: ConfChangeType, nodeId: MemberId, context: Uint8Array = EMPTY_BYTES) {
    this.id = id;
    this.type = type;
    this.nodeId = nodeId;
    this.context = context;
  }
}

/** The V2 form: several changes through a joint configuration; with no changes it leaves the joint configuration. */
export class ConfChangeV2 {
  transition: ConfChangeTransition;
  changes: readonly ConfChangeSingle[];
  context: Uint8Array;

  constructor(
    transition: ConfChangeTransition = ConfChangeTransition.Auto,
    changes: readonly ConfChangeSingle[] = [],
    context: Uint8Array = EMPTY_BYTES,
  ) {
    this.transition = transition;
    this.changes = changes;
    this.context = context;
  }
}
