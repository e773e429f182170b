// Hand codecs of raftpb. Readers accept what every release writes; writers emit every scalar field, zeros included, since
// members up to 3.6 have fixed fields there and Go's log tools compare bytes. Fields go out in the order of their
// numbers. Hot: Entry (each write of the log) and RaftMessage (each append to a follower); bench: bench:raft.

import { EMPTY_BYTES, varintSize, WireError, WireReader, WireWriter } from "#base";
import {
  ConfChange,
  ConfChangeSingle,
  type ConfChangeTransition,
  type ConfChangeType,
  ConfChangeV2,
  ConfState,
  Entry,
  type EntryType,
  HardState,
  type MemberId,
  type MessageType,
  NO_ENTRIES,
  NO_MESSAGES,
  RaftMessage,
  Snapshot,
} from "./raft.js";

export function encodeEntry(w: WireWriter, entry: Entry): void {
  w.byte(0x08);
  w.varint(entry.type);
  w.byte(0x10);
  w.varint(entry.term);
  w.byte(0x18);
  w.varint(entry.index);
  if (entry.data.length > 0) {
    w.byte(0x22);
    w.bytes(entry.data);
  }
}

/** Decodes one Entry. Its data is a view into `buf`. */
export function decodeEntry(buf: Uint8Array, start = 0, end = buf.length): Entry {
  const r = new WireReader(buf, start, end);
  const entry = new Entry();
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x08) entry.type = oneOf(r.uint32(), 2, "EntryType") as EntryType;
    else if (tag === 0x10) entry.term = r.uint64();
    else if (tag === 0x18) entry.index = r.uint64();
    else if (tag === 0x22) entry.data = r.bytes();
    else r.skip(tag);
  }
  return entry;
}

export function encodeHardState(w: WireWriter, state: HardState): void {
  w.byte(0x08);
  w.varint(state.term);
  w.byte(0x10);
  w.bigint(state.vote);
  w.byte(0x18);
  w.varint(state.commit);
}

export function decodeHardState(buf: Uint8Array, start = 0, end = buf.length): HardState {
  const r = new WireReader(buf, start, end);
  const state = new HardState();
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x08) state.term = r.uint64();
    else if (tag === 0x10) state.vote = r.bigUint64();
    else if (tag === 0x18) state.commit = r.uint64();
    else r.skip(tag);
  }
  return state;
}

export function encodeConfState(w: WireWriter, state: ConfState): void {
  writeIds(w, 0x08, state.voters);
  writeIds(w, 0x10, state.learners);
  writeIds(w, 0x18, state.votersOutgoing);
  writeIds(w, 0x20, state.learnersNext);
  w.byte(0x28);
  w.byte(state.autoLeave ? 1 : 0);
}

export function decodeConfState(buf: Uint8Array, start = 0, end = buf.length): ConfState {
  const r = new WireReader(buf, start, end);
  const lists: MemberId[][] = [[], [], [], []];
  let autoLeave = false;
  while (!r.done) {
    const tag = r.tag();
    const field = tag >>> 3;
    if (field >= 1 && field <= 4 && (tag & 7) === 0) lists[field - 1].push(r.bigUint64());
    else if (field >= 1 && field <= 4 && (tag & 7) === 2) readPackedIds(r, lists[field - 1]);
    else if (tag === 0x28) autoLeave = r.bool();
    else r.skip(tag);
  }
  return new ConfState(lists[0], lists[1], lists[2], lists[3], autoLeave);
}

export function encodeSnapshot(w: WireWriter, snapshot: Snapshot): void {
  if (snapshot.data.length > 0) {
    w.byte(0x0a);
    w.bytes(snapshot.data);
  }
  const metadata = new WireWriter(64);
  writeMessage(metadata, 0x0a, (inner) => encodeConfState(inner, snapshot.confState));
  metadata.byte(0x10);
  metadata.varint(snapshot.index);
  metadata.byte(0x18);
  metadata.varint(snapshot.term);
  w.byte(0x12);
  w.bytes(metadata.view());
}

/** Decodes a Snapshot. Its data is a view into `buf`. */
export function decodeSnapshot(buf: Uint8Array, start = 0, end = buf.length): Snapshot {
  const r = new WireReader(buf, start, end);
  const snapshot = new Snapshot();
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) snapshot.data = r.bytes();
    else if (tag === 0x12) {
      const metadataEnd = r.delimited();
      readSnapshotMetadata(new WireReader(buf, r.pos, metadataEnd), snapshot);
      r.pos = metadataEnd;
    } else r.skip(tag);
  }
  return snapshot;
}

function readSnapshotMetadata(r: WireReader, into: Snapshot): void {
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x0a) {
      const end = r.delimited();
      into.confState = decodeConfState(r.buf, r.pos, end);
      r.pos = end;
    } else if (tag === 0x10) into.index = r.uint64();
    else if (tag === 0x18) into.term = r.uint64();
    else r.skip(tag);
  }
}

export function encodeMessage(w: WireWriter, m: RaftMessage): void {
  w.byte(0x08);
  w.varint(m.type);
  w.byte(0x10);
  w.bigint(m.to);
  w.byte(0x18);
  w.bigint(m.from);
  w.byte(0x20);
  w.varint(m.term);
  w.byte(0x28);
  w.varint(m.logTerm);
  w.byte(0x30);
  w.varint(m.index);
  for (const entry of m.entries) writeEntryField(w, entry);
  w.byte(0x40);
  w.varint(m.commit);
  if (m.snapshot !== undefined) {
    const snapshot = m.snapshot;
    writeMessage(w, 0x4a, (inner) => encodeSnapshot(inner, snapshot));
  }
  w.byte(0x50);
  w.byte(m.reject ? 1 : 0);
  w.byte(0x58);
  w.varint(m.rejectHint);
  if (m.context.length > 0) {
    w.byte(0x62);
    w.bytes(m.context);
  }
  if (m.vote !== 0n) {
    w.byte(0x68);
    w.bigint(m.vote);
  }
  for (const response of m.responses) writeMessage(w, 0x72, (inner) => encodeMessage(inner, response));
}

/** Decodes a Message. Entry data, context and snapshot data are views into `buf`. */
export function decodeMessage(buf: Uint8Array, start = 0, end = buf.length): RaftMessage {
  const r = new WireReader(buf, start, end);
  const m = new RaftMessage();
  let entries: Entry[] | undefined;
  let responses: RaftMessage[] | undefined;
  while (!r.done) {
    const tag = r.tag();
    switch (tag) {
      case 0x08:
        m.type = oneOf(r.uint32(), 23, "MessageType") as MessageType;
        break;
      case 0x10:
        m.to = r.bigUint64();
        break;
      case 0x18:
        m.from = r.bigUint64();
        break;
      case 0x20:
        m.term = r.uint64();
        break;
      case 0x28:
        m.logTerm = r.uint64();
        break;
      case 0x30:
        m.index = r.uint64();
        break;
      case 0x3a: {
        const entryEnd = r.delimited();
        entries ??= [];
        entries.push(decodeEntry(buf, r.pos, entryEnd));
        r.pos = entryEnd;
        break;
      }
      case 0x40:
        m.commit = r.uint64();
        break;
      case 0x4a: {
        const snapshotEnd = r.delimited();
        const snapshot = decodeSnapshot(buf, r.pos, snapshotEnd);
        // Members up to 3.6 send an empty snapshot with every message; only a real one counts.
        if (snapshot.index !== 0) m.snapshot = snapshot;
        r.pos = snapshotEnd;
        break;
      }
      case 0x50:
        m.reject = r.bool();
        break;
      case 0x58:
        m.rejectHint = r.uint64();
        break;
      case 0x62:
        m.context = r.bytes();
        break;
      case 0x68:
        m.vote = r.bigUint64();
        break;
      case 0x72: {
        const responseEnd = r.delimited();
        responses ??= [];
        responses.push(decodeMessage(buf, r.pos, responseEnd));
        r.pos = responseEnd;
        break;
      }
      default:
        r.skip(tag);
    }
  }
  m.entries = entries ?? NO_ENTRIES;
  m.responses = responses ?? NO_MESSAGES;
  return m;
}

export function encodeConfChange(w: WireWriter, change: ConfChange): void {
  w.byte(0x08);
  w.bigint(change.id);
  w.byte(0x10);
  w.varint(change.type);
  w.byte(0x18);
  w.bigint(change.nodeId);
  if (change.context.length > 0) {
    w.byte(0x22);
    w.bytes(change.context);
  }
}

export function decodeConfChange(buf: Uint8Array, start = 0, end = buf.length): ConfChange {
  const r = new WireReader(buf, start, end);
  const change = new ConfChange(0n, 0, 0n, EMPTY_BYTES);
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x08) change.id = r.bigUint64();
    else if (tag === 0x10) change.type = oneOf(r.uint32(), 3, "ConfChangeType") as ConfChangeType;
    else if (tag === 0x18) change.nodeId = r.bigUint64();
    else if (tag === 0x22) change.context = r.bytes();
    else r.skip(tag);
  }
  return change;
}

export function encodeConfChangeV2(w: WireWriter, change: ConfChangeV2): void {
  w.byte(0x08);
  w.varint(change.transition);
  for (const single of change.changes) {
    writeMessage(w, 0x12, (inner) => {
      inner.byte(0x08);
      inner.varint(single.type);
      inner.byte(0x10);
      inner.bigint(single.nodeId);
    });
  }
  if (change.context.length > 0) {
    w.byte(0x1a);
    w.bytes(change.context);
  }
}

export function decodeConfChangeV2(buf: Uint8Array, start = 0, end = buf.length): ConfChangeV2 {
  const r = new WireReader(buf, start, end);
  const change = new ConfChangeV2();
  const changes: ConfChangeSingle[] = [];
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x08)
      change.transition = oneOf(r.uint32(), 2, "ConfChangeTransition") as ConfChangeTransition;
    else if (tag === 0x12) {
      const singleEnd = r.delimited();
      changes.push(readConfChangeSingle(new WireReader(buf, r.pos, singleEnd)));
      r.pos = singleEnd;
    } else if (tag === 0x1a) change.context = r.bytes();
    else r.skip(tag);
  }
  change.changes = changes;
  return change;
}

function readConfChangeSingle(r: WireReader): ConfChangeSingle {
  const single = new ConfChangeSingle(0, 0n);
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x08) single.type = oneOf(r.uint32(), 3, "ConfChangeType") as ConfChangeType;
    else if (tag === 0x10) single.nodeId = r.bigUint64();
    else r.skip(tag);
  }
  return single;
}

/** Bytes that `encodeEntry` writes for the entry. */
export function entrySize(entry: Entry): number {
  const data = entry.data.length;
  return (
    4 + varintSize(entry.term) + varintSize(entry.index) + (data === 0 ? 0 : 1 + varintSize(data) + data)
  );
}

function writeEntryField(w: WireWriter, entry: Entry): void {
  w.byte(0x3a);
  w.varint(entrySize(entry));
  encodeEntry(w, entry);
}

function writeMessage(w: WireWriter, tag: number, write: (inner: WireWriter) => void): void {
  const inner = new WireWriter(64);
  write(inner);
  w.varint(tag);
  w.bytes(inner.view());
}

function writeIds(w: WireWriter, tag: number, ids: readonly MemberId[]): void {
  for (const id of ids) {
    w.byte(tag);
    w.bigint(id);
  }
}

function readPackedIds(r: WireReader, into: MemberId[]): void {
  const end = r.delimited();
  while (r.pos < end) into.push(r.bigUint64());
  if (r.pos !== end) throw new WireError("unexpected EOF");
}

function oneOf(value: number, last: number, name: string): number {
  if (value > last) throw new WireError(`unknown ${name} ${value}`);
  return value;
}
