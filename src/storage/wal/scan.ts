// Reads a whole log, segment by segment, into a Replay. Three uses: to look for the snapshots that a member may start
// from, to verify a log without touching it, and (in wal.ts) to open it for writing.

import type { Disk, DiskFile } from "#base";
import type { HardState } from "#proto";
import { listSegments, type SegmentName, segmentsFrom } from "./names.js";
import { WalSnapshot } from "./record.js";
import { Replay } from "./replay.js";
import { SegmentReader, Step } from "./segment-reader.js";
import { WalError } from "./wal-error.js";

/** Where a scan ended: the state to go on from. */
export interface ScanEnd {
  /** Offset in the last segment behind its last good record. */
  readonly offset: number;
  /** Size of the last segment. */
  readonly fileBytes: number;
  readonly crc: number;
  /** The last segment ends in a torn record rather than in zeros or at the end of the file. */
  readonly torn: boolean;
}

/**
 * Replays `segments`; throws WalError for damage.
 * @param checkAll check every sum in all segments; otherwise only in the last one, which alone may be torn
 */
export async function scanSegments(
  disk: Disk,
  directory: string,
  segments: readonly SegmentName[],
  replay: Replay,
  checkAll: boolean,
): Promise<ScanEnd> {
  let crc = 0;
  for (let i = 0; ; i++) {
    const isLast = i === segments.length - 1;
    const file = await disk.open(`${directory}/${segments[i].name}`, "r");
    try {
      const fileBytes = await file.size();
      const reader = new SegmentReader(file, fileBytes, crc, { isLast, checkAll: checkAll || isLast });
      const step = await scanSegment(reader, replay);
      crc = reader.crc;
      if (!isLast) continue;
      replay.finish(reader);
      return { offset: reader.offset, fileBytes, crc, torn: step === Step.Torn };
    } finally {
      await file.close();
    }
  }
}

async function scanSegment(reader: SegmentReader, replay: Replay): Promise<Step> {
  replay.beginSegment();
  for (;;) {
    const step = reader.next();
    if (step === Step.Record) replay.accept(reader);
    else if (step === Step.NeedMore) await reader.fill();
    else {
      replay.endSegment(reader);
      return step;
    }
  }
}

/**
 * The snapshots that the log vouches for, oldest first: those up to the commit index of the last state. A member may
 * start from one of these only; a snapshot file beyond may belong to a write that never completed. Whatever the member
 * starts from is then read with every sum checked.
 */
export async function validSnapshots(disk: Disk, directory: string): Promise<WalSnapshot[]> {
  const segments = await listSegments(disk, directory);
  if (segments.length === 0) throw noSegments(directory);
  const replay = new Replay(new WalSnapshot(), segments[0].firstIndex, false);
  await scanSegments(
    disk,
    directory,
    segmentsFrom(segments, segments[0].firstIndex, directory),
    replay,
    false,
  );
  return replay.snapshots.filter((snapshot) => snapshot.index <= replay.hardState.commit);
}

/**
 * Checks every record from `snapshot` on without changing anything; a torn tail is no damage.
 * @returns the last state
 */
export async function verifyWal(disk: Disk, directory: string, snapshot: WalSnapshot): Promise<HardState> {
  const segments = segmentsFrom(await listSegments(disk, directory), snapshot.index, directory);
  const replay = new Replay(snapshot, segments[0].firstIndex, false);
  await scanSegments(disk, directory, segments, replay, true);
  if (!replay.matched) throw snapshotNotFound(directory, snapshot);
  return replay.hardState;
}

export function noSegments(directory: string): WalError {
  return new WalError("not-found", "wal: file not found", { file: directory, cause: "there is no segment" });
}

export function snapshotNotFound(directory: string, snapshot: WalSnapshot): WalError {
  return new WalError("snapshot-not-found", "wal: snapshot not found", {
    file: directory,
    cause: `no record of snapshot ${snapshot.index} at term ${snapshot.term}`,
  });
}

/** The first byte past the last one in `[from, end)` that is not zero, or `from` when all are zero. */
export async function endOfData(file: DiskFile, from: number, end: number): Promise<number> {
  let last = from;
  for (let at = from; at < end; at += TAIL_CHUNK_BYTES) {
    const bytes = await file.read(at, Math.min(TAIL_CHUNK_BYTES, end - at));
    if (Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0) continue;
    let size = bytes.length;
    while (bytes[size - 1] === 0) size--;
    last = at + size;
  }
  return last;
}

const TAIL_CHUNK_BYTES = 1 << 20;
export const ZEROS: Uint8Array = new Uint8Array(TAIL_CHUNK_BYTES);
