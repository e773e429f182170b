// Answering a request for a vote or a pre-vote, in any role (Figure 2, RequestVote RPC, receiver). At most one vote per
// term, first come first served, and only for a candidate whose log is at least as up to date as the own one: that is what
// keeps every committed entry in the log of every later leader (§5.4.1).
//
// Learners vote too. A learner may have been promoted without knowing it yet, and its vote may be needed to elect the
// leader that would tell it; a candidate that does not count it as a voter ignores the vote.

import { utf8Text } from "#base";
import { MessageType, NO_MEMBER, type RaftMessage } from "#proto";
import { mutations } from "./mutations.js";
import type { Raft } from "./raft.js";

/** Context of a vote request that the present leader asked for: such a candidate may disturb its lease. */
export const TRANSFER_CONTEXT = "CampaignTransfer";

/**
 * Thesis §4.2.3: a member that has heard of a leader within the election timeout ignores requests for votes, so that a
 * removed or reconnected member cannot depose a leader that works.
 */
export function inLeaderLease(raft: Raft, m: RaftMessage): boolean {
  if (!raft.config.checkQuorum || raft.leader === NO_MEMBER) return false;
  if (raft.electionElapsed >= raft.config.electionTicks) return false;
  return utf8Text(m.context) !== TRANSFER_CONTEXT;
}

/** The message's term is not below ours; for a real vote it is ours by now. */
export function answerVoteRequest(raft: Raft, m: RaftMessage): void {
  const isPreVote = m.type === MessageType.PreVote;
  const free =
    raft.vote === m.from ||
    (raft.vote === NO_MEMBER && raft.leader === NO_MEMBER) ||
    (isPreVote && m.term > raft.term);
  const upToDate = mutations.voteForShorterLog || raft.log.isUpToDate(m.index, m.logTerm);
  const granted = free && upToDate;
  const answer = raft.messageTo(isPreVote ? MessageType.PreVoteResp : MessageType.VoteResp, m.from);
  // The term asked for, not the own: a pre-vote is about a term that we have not entered, and an answer with our lower
  // one would be ignored as outdated.
  answer.term = granted ? m.term : raft.term;
  answer.reject = !granted;
  raft.send(answer);
  if (!granted) return;
  if (!isPreVote) {
    raft.vote = m.from;
    raft.electionElapsed = 0;
  } else if (mutations.preVoteResetsTimer) {
    raft.electionElapsed = 0;
  }
}
