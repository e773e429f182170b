// Strict reconfiguration: before a change of members is proposed, the member that was asked makes sure that the cluster
// will have a quorum afterwards. "Started" counts members that have published a name at some time; "connected" counts
// those that this member has had a connection to for a while. The rules are functions of that data alone.

import {
  ErrLearnerNotReady,
  ErrMemberNotEnoughStarted,
  ErrUnhealthy,
  type MemberId,
  type RpcError,
} from "#proto";
import { isStarted, type Member } from "./member.js";

/** How long a member must have been connected to count, in milliseconds. */
export const HEALTH_INTERVAL_MS = 5000;

/** A learner may be promoted when it has this share of the leader's log. */
const READY_SHARE = 0.9;

/** What the member that is asked sees of the others. */
export interface Connectivity {
  readonly selfId: MemberId;
  readonly nowMs: number;
  /** Since when there has been a connection to a member, undefined while there is none. */
  activeSince(id: MemberId): number | undefined;
}

function quorum(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

function votersOf(members: readonly Member[]): Member[] {
  return members.filter((member) => !member.isLearner);
}

function startedCount(members: readonly Member[]): number {
  return members.filter(isStarted).length;
}

function connectedCount(members: readonly Member[], view: Connectivity): number {
  const since = view.nowMs - HEALTH_INTERVAL_MS;
  return members.filter(({ id }) => {
    const active = view.activeSince(id);
    return id === view.selfId || (active !== undefined && active <= since);
  }).length;
}

/** Why a member may not be added now, undefined if it may. */
export function addError(
  members: readonly Member[],
  isLearner: boolean,
  view: Connectivity,
): RpcError | undefined {
  const voters = votersOf(members);
  // A cluster of one may always grow: that is how a cluster is restored from one member.
  if (voters.length <= 1) return undefined;
  const after = quorum(voters.length + 1);
  if (!isLearner && startedCount(voters) < after) return ErrMemberNotEnoughStarted;
  return connectedCount(voters, view) < after ? ErrUnhealthy : undefined;
}

/** Why a member may not be removed now, undefined if it may. */
export function removeError(
  members: readonly Member[],
  id: MemberId,
  view: Connectivity,
): RpcError | undefined {
  if (members.some((member) => member.id === id && member.isLearner)) return undefined;
  const voters = votersOf(members);
  const others = voters.filter((member) => member.id !== id);
  if (startedCount(others) < quorum(others.length)) return ErrMemberNotEnoughStarted;
  // One that is down is not part of the quorum that holds now.
  if (id !== view.selfId && view.activeSince(id) === undefined) return undefined;
  return connectedCount(voters, view) - 1 < quorum(voters.length - 1) ? ErrUnhealthy : undefined;
}

/** Why a learner may not be promoted now as far as quorum goes, undefined if it may. */
export function promoteError(members: readonly Member[]): RpcError | undefined {
  const voters = votersOf(members);
  return startedCount(voters) + 1 < quorum(voters.length + 1) ? ErrMemberNotEnoughStarted : undefined;
}

/** Why a learner is not ready, undefined if it is.
 *  @param learnerMatch last index known to be in the learner's log, undefined when the leader tracks no such learner */
export function readyError(learnerMatch: number | undefined, leaderMatch: number): RpcError | undefined {
  const ready = learnerMatch !== undefined && learnerMatch >= leaderMatch * READY_SHARE;
  return ready ? undefined : ErrLearnerNotReady;
}
