// Leaders (§5.3, Figure 2 "Rules for Servers: Leaders"): take proposals, replicate, count acknowledgements, commit, answer
// reads, and keep checking that a quorum still listens.

import { panic } from "#base";
import { MessageType, NO_MEMBER, type RaftMessage } from "#proto";
import { type Progress, ProgressState } from "./progress.js";
import { handleProposal } from "./proposal.js";
import type { Raft } from "./raft.js";
import { confirmReads, handleReadIndex, releaseReads } from "./reads.js";
import { broadcastAppend, broadcastHeartbeat, maybeCommit, maybeSendAppend } from "./replication.js";
import { Role, StepResult } from "./role.js";
import { abortTransfer, continueTransfer, startTransfer } from "./transfer.js";

export function tickLeader(raft: Raft): void {
  raft.heartbeatElapsed++;
  raft.electionElapsed++;
  if (raft.electionElapsed >= raft.config.electionTicks) {
    raft.electionElapsed = 0;
    if (raft.config.checkQuorum) raft.step(raft.localMessage(MessageType.CheckQuorum));
    // Whoever was to take over has not: go on leading.
    if (raft.role === Role.Leader) abortTransfer(raft);
  }
  if (raft.role === Role.Leader && raft.heartbeatElapsed >= raft.config.heartbeatTicks) {
    raft.heartbeatElapsed = 0;
    raft.step(raft.localMessage(MessageType.Beat));
  }
}

/** A message in the own term while leading. */
export function stepLeader(raft: Raft, m: RaftMessage): StepResult {
  switch (m.type) {
    case MessageType.Beat:
      broadcastHeartbeat(raft);
      return StepResult.Ok;
    case MessageType.CheckQuorum:
      checkQuorum(raft);
      return StepResult.Ok;
    case MessageType.Prop:
      return handleProposal(raft, m);
    case MessageType.ReadIndex:
      handleReadIndex(raft, m);
      return StepResult.Ok;
    case MessageType.App:
    case MessageType.Heartbeat:
    case MessageType.Snap:
      // Election safety (§5.2) is broken, for instance because a member came back without its data.
      return panic("two leaders in one term", { term: raft.term, self: raft.id, other: m.from });
    default: {
      const member = raft.tracker.progress(m.from);
      if (member !== undefined) stepMember(raft, m, member);
      return StepResult.Ok;
    }
  }
}

/** Messages about one member's progress. */
function stepMember(raft: Raft, m: RaftMessage, member: Progress): void {
  switch (m.type) {
    case MessageType.AppResp:
      member.recentActive = true;
      if (m.reject) onAppendRejected(raft, m, member);
      else onAppendAccepted(raft, m, member);
      return;
    case MessageType.HeartbeatResp:
      return onHeartbeatAnswered(raft, m, member);
    case MessageType.SnapStatus:
      return onSnapshotReported(m, member);
    case MessageType.Unreachable:
      // What was sent optimistically is probably lost.
      if (member.state === ProgressState.Replicate) member.becomeProbe();
      return;
    case MessageType.TransferLeader:
      return startTransfer(raft, m, member);
    default:
      return;
  }
}

/** Thesis §6.2: a leader that has not heard from a quorum for an election timeout may have been replaced unnoticed. */
function checkQuorum(raft: Raft): void {
  if (!raft.tracker.quorumActive()) raft.becomeFollower(raft.term, NO_MEMBER);
  raft.tracker.markInactive(raft.id);
}

/**
 * The follower's log differs at m.index; the hint says where it ends, or where it may agree. Everything of ours after the
 * hint with a term above the hint's cannot be in its log, so it need not be probed (§5.3): one round per term, not per entry.
 */
function onAppendRejected(raft: Raft, m: RaftMessage, member: Progress): void {
  const hint = m.logTerm > 0 ? raft.log.findConflictByTerm(m.rejectHint, m.logTerm).index : m.rejectHint;
  if (!member.backOff(m.index, hint)) return;
  if (member.state === ProgressState.Replicate) member.becomeProbe();
  maybeSendAppend(raft, member, true);
}

function onAppendAccepted(raft: Raft, m: RaftMessage, member: Progress): void {
  // A repeated acknowledgement still ends a probe: it shows that the member is there and where its log is.
  const answersProbe = member.state === ProgressState.Probe && member.match === m.index;
  if (!member.acknowledge(m.index) && !answersProbe) return;
  if (member.state === ProgressState.Probe) {
    member.becomeReplicate();
  } else if (member.state === ProgressState.Replicate) {
    member.inflights.freeUpTo(m.index);
  } else if (member.match + 1 >= raft.log.firstIndex()) {
    // Whatever snapshot it has installed, ours or one from elsewhere: it can go on from our log.
    member.becomeProbe();
    member.becomeReplicate();
  }
  const isSelf = member.id === raft.id;
  if (maybeCommit(raft)) {
    releaseReads(raft);
    broadcastAppend(raft);
  } else if (!isSelf && member.canBumpCommit(raft.log.committed)) {
    maybeSendAppend(raft, member, true);
  }
  if (isSelf) return;
  // The window has room again, perhaps for several appends.
  while (maybeSendAppend(raft, member, false)) {}
  continueTransfer(raft, member);
}

function onHeartbeatAnswered(raft: Raft, m: RaftMessage, member: Progress): void {
  member.recentActive = true;
  member.appendPaused = false;
  // Behind, or probed with nothing in flight: an append, empty if the window is full, finds out where it stands.
  if (member.match < raft.log.lastIndex() || member.state === ProgressState.Probe) {
    maybeSendAppend(raft, member, true);
  }
  if (m.context.length > 0) confirmReads(raft, m);
}

/** The transport says what became of a snapshot. */
function onSnapshotReported(m: RaftMessage, member: Progress): void {
  if (member.state !== ProgressState.Snapshot) return;
  if (m.reject) member.pendingSnapshot = 0;
  member.becomeProbe();
  // Sent: its acknowledgement comes soon. Failed: try again after a heartbeat.
  member.appendPaused = true;
}
