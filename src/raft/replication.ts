// The sending side of replication: what the leader sends to each member, given what it knows of it (progress.ts). Also the
// commit rule (§5.3, §5.4.2).
//
// Hot: one call per follower and batch of proposals, one per acknowledgement.

import { EMPTY_BYTES } from "#base";
import { MessageType, NO_ENTRIES } from "#proto";
import { payloadBytes } from "./log.js";
import { mutations } from "./mutations.js";
import { type Progress, ProgressState } from "./progress.js";
import type { Raft } from "./raft.js";

/**
 * Raises the commit index to what a quorum has on disk, if the entry there is of the current term: entries of earlier terms
 * are never committed by counting, only together with a later one (§5.4.2, Figure 8). Returns true if it rose.
 */
export function maybeCommit(raft: Raft): boolean {
  const index = raft.tracker.committedIndex();
  if (index <= raft.log.committed) return false;
  if (!mutations.commitEarlierTermByCount && !raft.log.matchTerm(index, raft.term)) return false;
  raft.log.commitTo(index);
  return true;
}

/** Has an entry of the own term been committed? Before that, a leader does not know what is committed (§8). */
export function committedInCurrentTerm(raft: Raft): boolean {
  return raft.log.term(raft.log.committed) === raft.term;
}

export function broadcastAppend(raft: Raft): void {
  for (const member of raft.tracker.members) if (member.id !== raft.id) maybeSendAppend(raft, member, true);
}

/**
 * Sends the member what comes next in its log, or a snapshot if that is gone; nothing if its flow is paused.
 * @param evenIfEmpty also when there are no entries to send, to tell the commit index or to probe
 * @returns true if something was sent
 */
export function maybeSendAppend(raft: Raft, member: Progress, evenIfEmpty: boolean): boolean {
  if (member.isPaused()) return false;
  const previous = member.next - 1;
  const previousTerm = raft.log.term(previous);
  if (previousTerm < 0) return maybeSendSnapshot(raft, member);
  // A full window lets only empty appends through: if all that is in flight was lost, their answers get things going.
  const full = member.state === ProgressState.Replicate && member.inflights.isFull();
  const entries = full ? NO_ENTRIES : raft.log.entriesFrom(member.next, raft.config.messageBytesMax);
  if (entries === undefined) return maybeSendSnapshot(raft, member);
  if (entries.length === 0 && !evenIfEmpty) return false;
  const m = raft.messageTo(MessageType.App, member.id);
  m.index = previous;
  m.logTerm = previousTerm;
  m.entries = entries;
  m.commit = raft.log.committed;
  raft.send(m);
  member.sentEntries(entries.length, payloadBytes(entries));
  member.sentCommit = raft.log.committed;
  return true;
}

function maybeSendSnapshot(raft: Raft, member: Progress): boolean {
  // A snapshot is expensive: not for someone who may not be there.
  if (!member.recentActive) return false;
  const snapshot = raft.log.snapshot();
  if (snapshot === undefined || snapshot.index === 0) return false;
  member.becomeSnapshot(snapshot.index);
  const m = raft.messageTo(MessageType.Snap, member.id);
  m.snapshot = snapshot;
  raft.send(m);
  return true;
}

/** Heartbeats to all members, carrying the number of the newest waiting read. */
export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.reads.length === 0 ? EMPTY_BYTES : raft.reads.heartbeatContext();
  for (const member of raft.tracker.members) {
    if (member.id === raft.id) continue;
    const m = raft.messageTo(MessageType.Heartbeat, member.id);
    // Not past what is known to be in the member's log: it takes the index without any check.
    m.commit = Math.min(member.match, raft.log.committed);
    m.context = context;
    raft.send(m);
    member.sentCommit = m.commit;
  }
}
