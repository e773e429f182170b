// Followers (§5.2): passive; they take what the leader sends, vote, and pass on to the leader what only it can do.

import { type Entry, entrySize, MessageType, NO_MEMBER, RaftMessage } from "#proto";
import { Campaign, hup } from "./candidate.js";
import { ReadOnlyMode } from "./config.js";
import type { Raft } from "./raft.js";
import { ReadState } from "./read-index.js";
import { handleAppend, handleHeartbeat, handleSnapshot } from "./replica.js";
import { StepResult } from "./role.js";

/** A message in the own term while following. */
export function stepFollower(raft: Raft, m: RaftMessage): StepResult {
  switch (m.type) {
    case MessageType.Prop:
      return forwardProposal(raft, m);
    case MessageType.App:
      heardOfLeader(raft, m);
      handleAppend(raft, m);
      return StepResult.Ok;
    case MessageType.Heartbeat:
      heardOfLeader(raft, m);
      handleHeartbeat(raft, m);
      return StepResult.Ok;
    case MessageType.Snap:
      heardOfLeader(raft, m);
      handleSnapshot(raft, m);
      return StepResult.Ok;
    case MessageType.TransferLeader:
    case MessageType.ReadIndex:
      if (raft.leader !== NO_MEMBER) forward(raft, m, m.entries);
      return StepResult.Ok;
    case MessageType.ForgetLeader:
      // With lease-based reads the leader's lease relies on everyone remembering it.
      if (raft.config.readOnlyMode !== ReadOnlyMode.LeaseBased) raft.leader = NO_MEMBER;
      return StepResult.Ok;
    case MessageType.TimeoutNow:
      // Thesis §3.10. No pre-vote: this is no returning straggler, the leader itself wants the election.
      hup(raft, Campaign.Transfer);
      return StepResult.Ok;
    case MessageType.ReadIndexResp:
      raft.readStates.push(new ReadState(m.index, m.entries[0].data));
      return StepResult.Ok;
    default:
      return StepResult.Ok;
  }
}

function heardOfLeader(raft: Raft, m: RaftMessage): void {
  raft.electionElapsed = 0;
  raft.leader = m.from;
}

/** To the leader, in messages of the size of an append: a batch of proposals is one call here, but need not be one message. */
function forwardProposal(raft: Raft, m: RaftMessage): StepResult {
  if (raft.leader === NO_MEMBER || raft.config.disableProposalForwarding) return StepResult.ProposalDropped;
  const entries = m.entries;
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < entries.length; i++) {
    const size = entrySize(entries[i]);
    if (i > start && bytes + size > raft.config.messageBytesMax) {
      forward(raft, m, entries.slice(start, i));
      start = i;
      bytes = 0;
    }
    bytes += size;
  }
  forward(raft, m, start === 0 ? entries : entries.slice(start));
  return StepResult.Ok;
}

function forward(raft: Raft, m: RaftMessage, entries: readonly Entry[]): void {
  const copy = new RaftMessage(m.type);
  copy.to = raft.leader;
  copy.from = m.from;
  copy.entries = entries;
  copy.context = m.context;
  raft.send(copy);
}
