// Proposals on the leader: admission, the checks of configuration changes, and the append (§5.3). All that is proposed in
// one call becomes one append, and one message to each follower.
//
// At most one configuration change may be in the log and not applied (thesis §4.1): with two, their quorums need not
// overlap. A change that comes too early, or that cannot be made at all, stays in the log as an empty entry: its proposer
// notices that nothing was applied.
//
// Hot: `proposeData` (one Entry per proposal and nothing else).

import { Entry, EntryType, MessageType, NO_MEMBER, type RaftMessage } from "#proto";
import { changeConfiguration, confChangeOf } from "./confchange.js";
import { payloadBytes } from "./log.js";
import { mutations } from "./mutations.js";
import type { Raft } from "./raft.js";
import { broadcastAppend } from "./replication.js";
import { StepResult } from "./role.js";

/** Proposals of normal entries on the leader, which owns the bytes from now on. All or none are taken. */
export function proposeData(raft: Raft, datas: readonly Uint8Array[]): StepResult {
  if (!acceptsProposals(raft)) return StepResult.ProposalDropped;
  const entries: Entry[] = [];
  for (let i = 0; i < datas.length; i++) entries.push(new Entry(0, 0, EntryType.Normal, datas[i]));
  return appendAndSend(raft, entries);
}

/** Proposals as entries, from here or forwarded by a follower. Their term and index are ignored; they are not changed. */
export function handleProposal(raft: Raft, m: RaftMessage): StepResult {
  if (!acceptsProposals(raft)) return StepResult.ProposalDropped;
  const before = raft.pendingConfIndex;
  const entries: Entry[] = [];
  let index = raft.log.lastIndex();
  for (const given of m.entries) {
    index++;
    if (given.type === EntryType.Normal) {
      entries.push(new Entry(0, 0, EntryType.Normal, given.data));
    } else if (mayChangeConfiguration(raft, given)) {
      entries.push(new Entry(0, 0, given.type, given.data));
      raft.pendingConfIndex = index;
    } else {
      entries.push(new Entry());
    }
  }
  const result = appendAndSend(raft, entries);
  if (result !== StepResult.Ok) raft.pendingConfIndex = before;
  return result;
}

function acceptsProposals(raft: Raft): boolean {
  // Removed while leading, or about to hand over: whoever leads next should take it.
  return raft.tracker.progress(raft.id) !== undefined && raft.transferee === NO_MEMBER;
}

function mayChangeConfiguration(raft: Raft, entry: Entry): boolean {
  const change = confChangeOf(entry);
  if (change === undefined) return false;
  if (raft.config.disableConfChangeValidation) return true;
  const isPending = raft.pendingConfIndex > raft.log.applied;
  if (isPending && !mutations.secondChangeBeforeFirstApplied) return false;
  // No other change is unapplied, so the configuration in force is the one that this change will meet.
  return changeConfiguration(raft.tracker.configuration, change).ok;
}

function appendAndSend(raft: Raft, entries: Entry[]): StepResult {
  if (!appendEntries(raft, entries)) return StepResult.ProposalDropped;
  broadcastAppend(raft);
  return StepResult.Ok;
}

/**
 * Appends to the leader's own log, giving the entries their term and index. The leader's acknowledgement to itself goes out
 * when they are on disk. Returns false if too much is uncommitted.
 */
export function appendEntries(raft: Raft, entries: readonly Entry[]): boolean {
  if (!reserveUncommitted(raft, entries)) return false;
  let index = raft.log.lastIndex();
  for (let i = 0; i < entries.length; i++) {
    entries[i].term = raft.term;
    entries[i].index = ++index;
  }
  raft.log.append(entries);
  const ack = raft.messageTo(MessageType.AppResp, raft.id);
  ack.index = index;
  raft.send(ack);
  return true;
}

function reserveUncommitted(raft: Raft, entries: readonly Entry[]): boolean {
  const limit = raft.config.uncommittedBytesMax;
  if (limit === Number.POSITIVE_INFINITY) return true;
  const bytes = payloadBytes(entries);
  // One proposal of any size passes when nothing else is uncommitted, and entries without payload (the first of a term,
  // the end of a joint configuration) always do.
  if (raft.uncommittedBytes > 0 && bytes > 0 && raft.uncommittedBytes + bytes > limit) return false;
  raft.uncommittedBytes += bytes;
  return true;
}

/** The entries are applied: their payload no longer counts. */
export function releaseUncommitted(raft: Raft, entries: readonly Entry[]): void {
  if (raft.config.uncommittedBytesMax === Number.POSITIVE_INFINITY) return;
  raft.uncommittedBytes = Math.max(0, raft.uncommittedBytes - payloadBytes(entries));
}
