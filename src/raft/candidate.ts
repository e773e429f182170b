// Candidates and pre-candidates (§5.2; thesis §9.6 for the pre-vote). An election runs in up to two rounds: first, without
// touching term or vote, "would you vote for me?"; then, if a quorum would, the real one in a new term. A transfer of
// leadership skips the first: the leader itself asked for it.

import { utf8 } from "#base";
import { EntryType, MessageType, NO_MEMBER, type RaftMessage } from "#proto";
import { VoteResult } from "./quorum/majority.js";
import type { Raft } from "./raft.js";
import { handleAppend, handleHeartbeat, handleSnapshot } from "./replica.js";
import { broadcastAppend } from "./replication.js";
import { Role, StepResult } from "./role.js";
import { TRANSFER_CONTEXT } from "./vote.js";

export const Campaign = { PreElection: 0, Election: 1, Transfer: 2 } as const;
export type Campaign = (typeof Campaign)[keyof typeof Campaign];

/** The election timer has run out, or a campaign was asked for: stand for election if that is allowed. */
export function hup(raft: Raft, kind: Campaign): void {
  if (raft.role === Role.Leader || !raft.promotable) return;
  // A change that is committed but not applied could mean that this member counts votes by the wrong configuration.
  if (hasUnappliedConfChange(raft)) return;
  campaign(raft, kind);
}

function hasUnappliedConfChange(raft: Raft): boolean {
  const { log } = raft;
  let lo = log.applied + 1;
  while (lo <= log.committed) {
    const entries = log.slice(lo, log.committed + 1, raft.config.applyingBytesMax);
    if (entries === undefined) return false;
    if (entries.some((entry) => entry.type !== EntryType.Normal)) return true;
    lo += entries.length;
  }
  return false;
}

function campaign(raft: Raft, kind: Campaign): void {
  const isPreVote = kind === Campaign.PreElection;
  if (isPreVote) raft.becomePreCandidate();
  else raft.becomeCandidate();
  const term = isPreVote ? raft.term + 1 : raft.term;
  const lastIndex = raft.log.lastIndex();
  const lastTerm = raft.log.lastTerm();
  for (const id of raft.tracker.configuration.voters.ids()) {
    if (id === raft.id) {
      // The own vote counts when it is on disk, like any other: it comes back through the outgoing list.
      const own = raft.messageTo(isPreVote ? MessageType.PreVoteResp : MessageType.VoteResp, id);
      own.term = term;
      raft.send(own);
      continue;
    }
    const request = raft.messageTo(isPreVote ? MessageType.PreVote : MessageType.Vote, id);
    request.term = term;
    request.index = lastIndex;
    request.logTerm = lastTerm;
    if (kind === Campaign.Transfer) request.context = utf8(TRANSFER_CONTEXT);
    raft.send(request);
  }
}

/** A message in the own term while standing for election. */
export function stepCandidate(raft: Raft, m: RaftMessage): StepResult {
  switch (m.type) {
    case MessageType.Prop:
      return StepResult.ProposalDropped;
    case MessageType.App:
      // Somebody else has won this term (§5.2).
      raft.becomeFollower(m.term, m.from);
      handleAppend(raft, m);
      return StepResult.Ok;
    case MessageType.Heartbeat:
      raft.becomeFollower(m.term, m.from);
      handleHeartbeat(raft, m);
      return StepResult.Ok;
    case MessageType.Snap:
      raft.becomeFollower(m.term, m.from);
      handleSnapshot(raft, m);
      return StepResult.Ok;
    case MessageType.VoteResp:
      // Answers to the pre-vote of this very candidacy may still come in during the election, and the reverse.
      if (raft.role === Role.Candidate) countVote(raft, m);
      return StepResult.Ok;
    case MessageType.PreVoteResp:
      if (raft.role === Role.PreCandidate) countVote(raft, m);
      return StepResult.Ok;
    default:
      return StepResult.Ok;
  }
}

function countVote(raft: Raft, m: RaftMessage): void {
  raft.tracker.recordVote(m.from, !m.reject);
  const result = raft.tracker.electionResult();
  if (result === VoteResult.Won && raft.role === Role.PreCandidate) {
    campaign(raft, Campaign.Election);
  } else if (result === VoteResult.Won) {
    raft.becomeLeader();
    broadcastAppend(raft);
  } else if (result === VoteResult.Lost) {
    // A rejected pre-vote does not change the term.
    raft.becomeFollower(raft.term, NO_MEMBER);
  }
}
