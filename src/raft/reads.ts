// Linearizable reads on the leader (§8; thesis §6.4). Three conditions before a commit index may be given out: it is the
// leader's own (an entry of its term is committed), it was taken after the request came in, and the leader was still the
// leader then (a quorum says so, or, with lease-based reads, nobody can have replaced it yet).

import { MessageType, NO_MEMBER, type RaftMessage } from "#proto";
import { ReadOnlyMode } from "./config.js";
import { mutations } from "./mutations.js";
import type { Raft } from "./raft.js";
import { ReadState } from "./read-index.js";
import { broadcastHeartbeat, committedInCurrentTerm } from "./replication.js";

export function handleReadIndex(raft: Raft, m: RaftMessage): void {
  if (committedInCurrentTerm(raft) || mutations.readBeforeFirstCommitOfTerm) beginRead(raft, m);
  else if (raft.readsBeforeCommit.length < raft.config.pendingReadsMax) raft.readsBeforeCommit.push(m);
}

function beginRead(raft: Raft, m: RaftMessage): void {
  const { tracker, config, log } = raft;
  const isQuorum = tracker.isSingleton && tracker.configuration.voters.has(raft.id);
  if (isQuorum || config.readOnlyMode === ReadOnlyMode.LeaseBased) return answerRead(raft, m, log.committed);
  if (raft.reads.length >= config.pendingReadsMax) return;
  raft.reads.add(m, log.committed);
  raft.reads.acknowledge(raft.id, raft.reads.heartbeatContext());
  broadcastHeartbeat(raft);
}

/** The commit index has moved: if it is in the own term now, the reads that waited for that begin. */
export function releaseReads(raft: Raft): void {
  if (raft.readsBeforeCommit.length === 0 || !committedInCurrentTerm(raft)) return;
  const waiting = raft.readsBeforeCommit;
  raft.readsBeforeCommit = [];
  for (const m of waiting) beginRead(raft, m);
}

/** A heartbeat came back with the number of a read. */
export function confirmReads(raft: Raft, m: RaftMessage): void {
  raft.reads.acknowledge(m.from, m.context);
  answerConfirmedReads(raft);
}

/** Answers every read that a quorum of the configuration in force has confirmed. */
export function answerConfirmedReads(raft: Raft): void {
  const { voters } = raft.tracker.configuration;
  for (;;) {
    const read = raft.reads.takeConfirmed(voters);
    if (read === undefined) return;
    answerRead(raft, read.request, read.index);
  }
}

function answerRead(raft: Raft, request: RaftMessage, index: number): void {
  if (request.from === NO_MEMBER || request.from === raft.id) {
    raft.readStates.push(new ReadState(index, request.entries[0].data));
    return;
  }
  const answer = raft.messageTo(MessageType.ReadIndexResp, request.from);
  answer.index = index;
  answer.entries = request.entries;
  raft.send(answer);
}
