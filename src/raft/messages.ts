// What kinds of message there are: which a member only sends to itself, which are answers, and which speak for state that
// must be on disk first. And their printed form, used by scenarios and debug endpoints alike.

import { printable } from "#base";
import {
  type Entry,
  EntryType,
  MESSAGE_TYPE_NAMES,
  type MemberId,
  MessageType,
  NO_MEMBER,
  type RaftMessage,
} from "#proto";
import { confChangeOf } from "./confchange.js";

/** Address of the thread that writes the log, with asynchronous storage writes. */
export const APPEND_THREAD: MemberId = 0xffffffffffffffffn;
/** Address of the thread that applies entries, with asynchronous storage writes. */
export const APPLY_THREAD: MemberId = 0xfffffffffffffffen;

export function isStorageThread(id: MemberId): boolean {
  return id === APPEND_THREAD || id === APPLY_THREAD;
}

/** Messages that never come over the network. */
export function isLocalMessage(type: MessageType): boolean {
  switch (type) {
    case MessageType.Hup:
    case MessageType.Beat:
    case MessageType.Unreachable:
    case MessageType.SnapStatus:
    case MessageType.CheckQuorum:
    case MessageType.StorageAppend:
    case MessageType.StorageAppendResp:
    case MessageType.StorageApply:
    case MessageType.StorageApplyResp:
      return true;
    default:
      return false;
  }
}

/** Messages that answer something; they count only from members of the configuration. */
export function isResponse(type: MessageType): boolean {
  switch (type) {
    case MessageType.AppResp:
    case MessageType.VoteResp:
    case MessageType.HeartbeatResp:
    case MessageType.Unreachable:
    case MessageType.ReadIndexResp:
    case MessageType.PreVoteResp:
    case MessageType.StorageAppendResp:
    case MessageType.StorageApplyResp:
      return true;
    default:
      return false;
  }
}

/** Messages passed on to the leader of whatever term: they carry no term. */
export function isForwarded(type: MessageType): boolean {
  return type === MessageType.Prop || type === MessageType.ReadIndex;
}

/**
 * Messages that promise or claim something which a crash must not undo: an acknowledged append, a vote, and the candidacy
 * itself, whose claim about the own log may rest on entries that are still being written. They leave only after
 * everything that the member has decided so far is on disk (paper §5.1, Figure 2: "updated on stable storage before
 * responding to RPCs").
 */
export function dependsOnDisk(type: MessageType): boolean {
  switch (type) {
    case MessageType.AppResp:
    case MessageType.Vote:
    case MessageType.VoteResp:
    case MessageType.PreVoteResp:
      return true;
    default:
      return false;
  }
}

/** Do the fields of a message from outside fit its type? What passes can be processed without further looks at its form. */
export function isWellFormed(m: RaftMessage): boolean {
  switch (m.type) {
    case MessageType.Prop:
      return m.entries.length > 0;
    case MessageType.ReadIndex:
      return m.entries.length === 1;
    case MessageType.ReadIndexResp:
      return m.term !== 0 && m.entries.length === 1;
    case MessageType.TransferLeader:
      return true;
    case MessageType.App:
      return m.term !== 0 && followOn(m.index, m.entries);
    default:
      // Term 0 marks what a member says to itself.
      return m.term !== 0;
  }
}

function followOn(index: number, entries: readonly Entry[]): boolean {
  for (let i = 0; i < entries.length; i++) if (entries[i].index !== index + 1 + i) return false;
  return true;
}

const ENTRY_TYPE_NAMES: readonly string[] = ["", "conf ", "conf2 "];

/** term/index and the payload, for example `1/12 "x"`. */
export function describeEntry(entry: Entry): string {
  const head = `${entry.term}/${entry.index}`;
  if (entry.type === EntryType.Normal) {
    return entry.data.length === 0 ? `${head} ""` : `${head} "${printable(entry.data)}"`;
  }
  const change = confChangeOf(entry);
  const steps = change?.changes.map((step) => `${"vrul"[step.type]}${step.nodeId.toString(16)}`) ?? ["?"];
  return `${head} ${ENTRY_TYPE_NAMES[entry.type]}[${steps.join(" ")}]`;
}

export function describeEntries(entries: readonly Entry[]): string {
  return `[${entries.map(describeEntry).join(", ")}]`;
}

export function describeMember(id: MemberId): string {
  if (id === APPEND_THREAD) return "append";
  if (id === APPLY_THREAD) return "apply";
  return id === NO_MEMBER ? "-" : id.toString(16);
}

/** One line: sender, receiver, type, then every field that is set. */
export function describeMessage(m: RaftMessage): string {
  let text = `${describeMember(m.from)}->${describeMember(m.to)} ${MESSAGE_TYPE_NAMES[m.type]}`;
  if (m.term !== 0) text += ` term=${m.term}`;
  if (m.logTerm !== 0) text += ` log=${m.logTerm}/${m.index}`;
  else if (m.index !== 0) text += ` index=${m.index}`;
  if (m.reject) text += m.type === MessageType.AppResp ? ` reject hint=${m.rejectHint}` : " reject";
  if (m.commit !== 0) text += ` commit=${m.commit}`;
  if (m.vote !== NO_MEMBER) text += ` vote=${describeMember(m.vote)}`;
  if (m.context.length > 0) text += ` context=${printable(m.context)}`;
  if (m.entries.length > 0) text += ` entries=${describeEntries(m.entries)}`;
  if (m.snapshot !== undefined) {
    const { term, index, confState } = m.snapshot;
    text += ` snapshot=${term}/${index} voters=(${confState.voters.map(describeMember).join(" ")})`;
  }
  if (m.responses.length > 0) text += ` responses=[${m.responses.map(describeMessage).join("; ")}]`;
  return text;
}
