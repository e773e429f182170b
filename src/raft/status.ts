// A view of a member for status calls, metrics and debug endpoints. Copied out, so that it can be kept.

import type { MemberId } from "#proto";
import type { Configuration } from "./configuration.js";
import { describeMember } from "./messages.js";
import { PROGRESS_STATE_NAMES, type ProgressState } from "./progress.js";
import type { Raft } from "./raft.js";
import { ROLE_NAMES, Role } from "./role.js";

/** Cheap enough for every request. */
export interface BasicStatus {
  readonly id: MemberId;
  readonly term: number;
  readonly vote: MemberId;
  readonly commit: number;
  readonly applied: number;
  readonly lastIndex: number;
  readonly leader: MemberId;
  readonly role: Role;
  readonly isLearner: boolean;
  /** Target of the leadership transfer under way, or NO_MEMBER. */
  readonly transferee: MemberId;
}

export interface MemberStatus {
  readonly id: MemberId;
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  readonly stateName: string;
  readonly isLearner: boolean;
  readonly recentActive: boolean;
  readonly paused: boolean;
  readonly pendingSnapshot: number;
  readonly inflight: number;
}

export interface Status extends BasicStatus {
  readonly configuration: Configuration;
  /** Per member, ascending by id; empty unless leading. */
  readonly members: readonly MemberStatus[];
}

export function basicStatus(raft: Raft): BasicStatus {
  return {
    id: raft.id,
    term: raft.term,
    vote: raft.vote,
    commit: raft.log.committed,
    applied: raft.log.applied,
    lastIndex: raft.log.lastIndex(),
    leader: raft.leader,
    role: raft.role,
    isLearner: raft.isLearner,
    transferee: raft.transferee,
  };
}

export function fullStatus(raft: Raft): Status {
  const members = raft.role !== Role.Leader ? [] : raft.tracker.members;
  return {
    ...basicStatus(raft),
    configuration: raft.tracker.configuration,
    members: members.map((member) => ({
      id: member.id,
      match: member.match,
      next: member.next,
      state: member.state,
      stateName: PROGRESS_STATE_NAMES[member.state],
      isLearner: member.isLearner,
      recentActive: member.recentActive,
      paused: member.isPaused(),
      pendingSnapshot: member.pendingSnapshot,
      inflight: member.inflights.count,
    })),
  };
}

/** One line. */
export function describeStatus(status: BasicStatus): string {
  return (
    `${describeMember(status.id)} ${ROLE_NAMES[status.role]} term=${status.term} leader=${describeMember(status.leader)}` +
    ` commit=${status.commit} applied=${status.applied} last=${status.lastIndex}`
  );
}
