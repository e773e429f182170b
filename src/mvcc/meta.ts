// Two marks in the `meta` bucket, under etcd's names: up to where compaction was asked for, and up to where it is
// done. Each holds a revision in the form of the revision log's keys:
//
//   offset  size  content
//   0       8     main revision, big endian
//   8       1     '_'
//   9       8     sub revision, big endian
//   17      1     't', only for a tombstone
//
// The first mark is written before anything is deleted, the second when all is: a member that stops in between goes
// on at its next start.

import { panic, utf8 } from "#base";
import type { Backend } from "./backend.js";

const SCHEDULED = utf8("scheduledCompactRev");
const FINISHED = utf8("finishedCompactRev");
const REVISION_BYTES = 17;
const TWO_32 = 0x100000000;

/** Writes a revision into 18 bytes. @returns the bytes used: 17, or 18 for a tombstone */
export function writeRevisionKey(into: Uint8Array, main: number, sub: number, tombstone: boolean): number {
  writeUint64(into, 0, main);
  into[8] = 0x5f;
  writeUint64(into, 9, sub);
  if (!tombstone) return REVISION_BYTES;
  into[REVISION_BYTES] = 0x74;
  return REVISION_BYTES + 1;
}

/** The revision that compaction was last asked for, -1 if none. */
export function readScheduledCompaction(backend: Backend): number {
  return readMark(backend, SCHEDULED);
}

/** The revision up to which compaction is done, -1 if none. */
export function readFinishedCompaction(backend: Backend): number {
  return readMark(backend, FINISHED);
}

export function writeScheduledCompaction(backend: Backend, revision: number): void {
  backend.put("meta", SCHEDULED, markOf(revision));
}

export function writeFinishedCompaction(backend: Backend, revision: number): void {
  backend.put("meta", FINISHED, markOf(revision));
}

function markOf(revision: number): Uint8Array {
  const mark = new Uint8Array(REVISION_BYTES);
  writeRevisionKey(mark, revision, 0, false);
  return mark;
}

function readMark(backend: Backend, name: Uint8Array): number {
  const mark = backend.get("meta", name);
  if (mark === undefined) return -1;
  if (mark.length !== REVISION_BYTES) panic("compaction mark of the wrong size", { bytes: mark.length });
  const view = new DataView(mark.buffer, mark.byteOffset, mark.length);
  return view.getUint32(0) * TWO_32 + view.getUint32(4);
}

function writeUint64(into: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  const low = value >>> 0;
  into[at] = high >>> 24;
  into[at + 1] = high >>> 16;
  into[at + 2] = high >>> 8;
  into[at + 3] = high;
  into[at + 4] = low >>> 24;
  into[at + 5] = low >>> 16;
  into[at + 6] = low >>> 8;
  into[at + 7] = low;
}
