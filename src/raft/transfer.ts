// Handing leadership to another voter (thesis §3.10): stop taking proposals, bring the target's log up to the end, and tell
// it to stand for election at once. If it has not taken over within an election timeout, the leader goes on as before.

import { MessageType, NO_MEMBER, type RaftMessage } from "#proto";
import type { Progress } from "./progress.js";
import type { Raft } from "./raft.js";
import { maybeSendAppend } from "./replication.js";

/** @param target progress of the member that is to take over, which is the message's sender */
export function startTransfer(raft: Raft, m: RaftMessage, target: Progress): void {
  if (target.isLearner || !raft.tracker.configuration.voters.has(target.id)) return;
  if (raft.transferee === target.id) return;
  abortTransfer(raft);
  if (target.id === raft.id) return;
  raft.electionElapsed = 0;
  raft.transferee = m.from;
  if (target.match === raft.log.lastIndex()) sendTimeoutNow(raft, target);
  else maybeSendAppend(raft, target, true);
}

/** The target has acknowledged something: is it ready? */
export function continueTransfer(raft: Raft, target: Progress): void {
  if (target.id === raft.transferee && target.match === raft.log.lastIndex()) sendTimeoutNow(raft, target);
}

export function abortTransfer(raft: Raft): void {
  raft.transferee = NO_MEMBER;
}

function sendTimeoutNow(raft: Raft, target: Progress): void {
  raft.send(raft.messageTo(MessageType.TimeoutNow, target.id));
}
