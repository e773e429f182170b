// What the member hears when its storage has done what a Ready asked for, and, with asynchronous storage writes, the messages
// that ask for it. Without asynchronous writes RawNode delivers the same two answers to itself at `advance`.
//
//   StorageAppend    entries, hard state and snapshot to make durable, and the messages to deliver once they are
//   StorageApply     committed entries to apply, and the answer to deliver once they are
//
// An answer to an append names the last index and term of the log at that moment, and the term of the member. It counts
// only while that term lasts: in between terms, entries may have been replaced by others and then by the first ones again,
// with the writes of all three still on their way to the disk, so that (index, term) alone would declare entries stable
// that the next write is about to remove. Any later append repeats the claim, so nothing stays unstable for long.

import { EMPTY_BYTES } from "#base";
import { Entry, EntryType, MessageType, RaftMessage, type Snapshot } from "#proto";
import { entriesSize } from "./log.js";
import { APPEND_THREAD, APPLY_THREAD } from "./messages.js";
import { releaseUncommitted } from "./proposal.js";
import type { Raft } from "./raft.js";
import type { Ready } from "./ready.js";
import { Role } from "./role.js";

/** @param sameTerm false: the entries may have been replaced since, only an installed snapshot counts */
export function onStorageAppendResponse(raft: Raft, m: RaftMessage, sameTerm: boolean): void {
  if (sameTerm && m.index !== 0) raft.log.unstable.stableTo(m.index, m.logTerm);
  if (m.snapshot === undefined) return;
  raft.log.unstable.stableSnapshotTo(m.snapshot.index);
  appliedTo(raft, m.snapshot.index, 0);
}

export function onStorageApplyResponse(raft: Raft, m: RaftMessage): void {
  const { entries } = m;
  if (entries.length === 0) return;
  appliedTo(raft, entries[entries.length - 1].index, entriesSize(entries));
  releaseUncommitted(raft, entries);
}

function appliedTo(raft: Raft, index: number, bytes: number): void {
  raft.log.appliedTo(Math.max(index, raft.log.applied), bytes);
  if (raft.role !== Role.Leader || !raft.tracker.configuration.autoLeave) return;
  if (raft.log.applied < raft.pendingConfIndex) return;
  // The joint configuration is applied: leave it. If this is dropped (a transfer is under way), the next applied entry
  // tries again, here or on the next leader.
  const leave = raft.localMessage(MessageType.Prop);
  leave.entries = [new Entry(0, 0, EntryType.ConfChangeV2, EMPTY_BYTES)];
  raft.step(leave);
}

/** The answer to whatever this Ready persists; undefined if raft need not hear of it. */
export function storageAppendResponse(raft: Raft, snapshot: Snapshot | undefined): RaftMessage | undefined {
  const hasUnstable = raft.log.unstable.window.length > 0;
  if (!hasUnstable && snapshot === undefined) return undefined;
  const m = new RaftMessage(MessageType.StorageAppendResp);
  m.to = raft.id;
  m.from = APPEND_THREAD;
  m.term = raft.term;
  if (hasUnstable) {
    m.index = raft.log.lastIndex();
    m.logTerm = raft.log.lastTerm();
  }
  m.snapshot = snapshot;
  return m;
}

/** The answer to applying these entries. It belongs to no term: what is committed stays. */
export function storageApplyResponse(raft: Raft, entries: readonly Entry[]): RaftMessage {
  const m = new RaftMessage(MessageType.StorageApplyResp);
  m.to = raft.id;
  m.from = APPLY_THREAD;
  m.entries = entries;
  return m;
}

/** The order to the append thread; undefined when there is nothing to persist and nothing waits for persistence. */
export function storageAppendMessage(raft: Raft, ready: Ready): RaftMessage | undefined {
  const waiting = raft.messagesAfterPersist;
  const nothing = ready.entries.length === 0 && ready.hardState === undefined && ready.snapshot === undefined;
  if (nothing && waiting.length === 0) return undefined;
  const m = new RaftMessage(MessageType.StorageAppend);
  m.to = APPEND_THREAD;
  m.from = raft.id;
  m.entries = ready.entries;
  if (ready.hardState !== undefined) {
    m.term = ready.hardState.term;
    m.vote = ready.hardState.vote;
    m.commit = ready.hardState.commit;
  }
  m.snapshot = ready.snapshot;
  const answer = storageAppendResponse(raft, ready.snapshot);
  m.responses = answer === undefined ? waiting : [...waiting, answer];
  return m;
}

export function storageApplyMessage(raft: Raft, entries: readonly Entry[]): RaftMessage {
  const m = new RaftMessage(MessageType.StorageApply);
  m.to = APPLY_THREAD;
  m.from = raft.id;
  m.entries = entries;
  m.responses = [storageApplyResponse(raft, entries)];
  return m;
}
