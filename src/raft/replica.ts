// The receiving side of replication, for whoever follows the sender: AppendEntries (Figure 2), heartbeats, and
// InstallSnapshot (Figure 13). Each is answered, also when it told nothing new: the leader's picture of this log comes from
// the answers alone.

import { panic } from "#base";
import { MessageType, type RaftMessage, Snapshot } from "#proto";
import { Configuration } from "./configuration.js";
import { mutations } from "./mutations.js";
import type { Raft } from "./raft.js";
import { switchConfiguration } from "./reconfigure.js";
import { Role } from "./role.js";

const EMPTY_SNAPSHOT = new Snapshot();

export function handleAppend(raft: Raft, m: RaftMessage): void {
  const { log } = raft;
  const { entries } = m;
  const answer = raft.messageTo(MessageType.AppResp, m.from);
  if (m.index < log.committed) {
    // Delayed or repeated: everything up to the commit index is known to agree already.
    answer.index = log.committed;
  } else if (mutations.appendOutOfOrderAccepted && m.index <= log.lastIndex()) {
    answer.index = log.appendMatched(m.index, entries, m.commit);
  } else {
    const last = log.maybeAppend(m.index, m.logTerm, entries, m.commit);
    if (last >= 0) answer.index = last;
    else rejectAppend(raft, m, answer);
  }
  raft.send(answer);
}

/**
 * The logs differ at m.index. The hint is the highest place where they may still agree: nothing of ours with a term above
 * the leader's at m.index can be in its log at or before m.index, since terms never fall along a log (§5.3).
 */
function rejectAppend(raft: Raft, m: RaftMessage, answer: RaftMessage): void {
  const hint = raft.log.findConflictByTerm(Math.min(m.index, raft.log.lastIndex()), m.logTerm);
  answer.index = m.index;
  answer.reject = true;
  answer.rejectHint = hint.index;
  answer.logTerm = hint.term;
}

export function handleHeartbeat(raft: Raft, m: RaftMessage): void {
  // The leader never sends a commit index past what it knows to be on our disk, so this cannot commit a wrong entry.
  raft.log.commitTo(m.commit);
  const answer = raft.messageTo(MessageType.HeartbeatResp, m.from);
  answer.context = m.context;
  raft.send(answer);
}

export function handleSnapshot(raft: Raft, m: RaftMessage): void {
  const restored = restore(raft, m.snapshot ?? EMPTY_SNAPSHOT);
  const answer = raft.messageTo(MessageType.AppResp, m.from);
  answer.index = restored ? raft.log.lastIndex() : raft.log.committed;
  raft.send(answer);
}

/** Replaces log and configuration by the snapshot's. Returns false if it was of no use. */
function restore(raft: Raft, snapshot: Snapshot): boolean {
  const { log } = raft;
  if (snapshot.index <= log.committed && !mutations.installSnapshotOlderThanCommit) return false;
  if (raft.role !== Role.Follower)
    panic("snapshot restored by a member that does not follow", { role: raft.role });
  const configuration = Configuration.fromConfState(snapshot.confState);
  // A snapshot that does not know us cannot be meant for us.
  if (!configuration.has(raft.id)) return false;
  if (log.matchTerm(snapshot.index, snapshot.term) && snapshot.index > log.committed) {
    // The log has all of it: only the commit index was behind (Figure 13, step 6).
    log.commitTo(snapshot.index);
    return false;
  }
  log.restore(snapshot);
  raft.tracker.forgetMembers();
  switchConfiguration(raft, configuration);
  return true;
}
