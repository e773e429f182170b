// What the driver has to do now. The order is part of the algorithm (paper §5.1: answer only from stable storage):
//
//   1. send `messages`; this may overlap with 2, so that followers write while the leader does (thesis §10.2.1)
//   2. make `snapshot`, `entries` and `hardState` durable, in one write; with a sync if `mustSync`; then put snapshot and
//      entries into the LogStorage
//   3. send `messagesAfterPersist`: acknowledgements, votes, candidacies
//   4. install `snapshot`, apply `committedEntries`, and answer `readStates` whose index is applied; for an entry that is a
//      configuration change, call `applyConfChange`
//   5. `advance()`
//
// A committed entry may be among `entries` of the same Ready (on a follower: the leader says it is committed), so 2 comes
// before 4. A leader's own new entries are never committed by itself before `advance` has told it that 2 is done.
//
// With asynchronous storage writes, steps 2 to 5 are the StorageAppend and StorageApply messages found in `messages`;
// `messagesAfterPersist` is empty, and `advance` is not called.

import { printable } from "#base";
import {
  type Entry,
  type HardState,
  type MemberId,
  NO_ENTRIES,
  NO_MEMBER,
  NO_MESSAGES,
  type RaftMessage,
  type Snapshot,
} from "#proto";
import { describeEntries, describeMember, describeMessage } from "./messages.js";
import type { ReadState } from "./read-index.js";
import { ROLE_NAMES, Role } from "./role.js";

/** State that need not survive a restart. */
export class SoftState {
  readonly leader: MemberId;
  readonly role: Role;

  constructor(leader: MemberId = NO_MEMBER, role: Role = Role.Follower) {
    this.leader = leader;
    this.role = role;
  }
}

const NO_READ_STATES: readonly ReadState[] = Object.freeze([]);

/** One round of work. Nothing in it changes afterwards; arrays are shared with raft and must not be changed either. */
export class Ready {
  /** Set when leader or role changed. */
  softState: SoftState | undefined = undefined;
  /** Set when term, vote or commit index changed. */
  hardState: HardState | undefined = undefined;
  /** To append to the log; replaces whatever was there at the same or later indexes. */
  entries: readonly Entry[] = NO_ENTRIES;
  /** A snapshot from the leader that replaces log and state machine. */
  snapshot: Snapshot | undefined = undefined;
  /** To apply, in order. */
  committedEntries: readonly Entry[] = NO_ENTRIES;
  /** Independent of what this Ready persists. */
  messages: readonly RaftMessage[] = NO_MESSAGES;
  /** To send only after this Ready is durable. */
  messagesAfterPersist: readonly RaftMessage[] = NO_MESSAGES;
  /** Reads that may be served once their index is applied. */
  readStates: readonly ReadState[] = NO_READ_STATES;
  /** There are entries or a snapshot, or term or vote changed: the write must be synced before what depends on it. */
  mustSync = false;

  /** Several lines, one per part that is not empty. */
  describe(): string {
    const lines: string[] = [];
    if (this.softState !== undefined) {
      const { leader, role } = this.softState;
      lines.push(`state: ${ROLE_NAMES[role]} leader=${describeMember(leader)}`);
    }
    if (this.hardState !== undefined) {
      const { term, vote, commit } = this.hardState;
      lines.push(`hard: term=${term} vote=${describeMember(vote)} commit=${commit}`);
    }
    if (this.snapshot !== undefined) lines.push(`snapshot: ${this.snapshot.term}/${this.snapshot.index}`);
    if (this.entries.length > 0) lines.push(`entries: ${describeEntries(this.entries)}`);
    for (const m of this.messages) lines.push(`send: ${describeMessage(m)}`);
    for (const m of this.messagesAfterPersist) lines.push(`then send: ${describeMessage(m)}`);
    if (this.committedEntries.length > 0) lines.push(`apply: ${describeEntries(this.committedEntries)}`);
    for (const read of this.readStates) lines.push(`read: ${printable(read.context)} at ${read.index}`);
    if (lines.length > 0 && this.mustSync) lines.push("sync");
    return lines.length === 0 ? "nothing" : lines.join("\n");
  }
}
