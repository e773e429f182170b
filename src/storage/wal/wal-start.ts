// What a log needs before the first record can be appended: a new first segment, or the segments of an existing log read
// through and the last one mended.

import { type Disk, type DiskFile, type Logger, type Panic, panic, SILENT } from "#base";
import { type Entry, HardState } from "#proto";
import { makeDurableDirectory, parentOf } from "../disk/directories.js";
import { listSegments, type SegmentName, segmentName, segmentsFrom } from "./names.js";
import { RecordEncoder, WalSnapshot } from "./record.js";
import { Replay } from "./replay.js";
import { noSegments, scanSegments, snapshotNotFound } from "./scan.js";
import { createFilled, mendTail } from "./segment-file.js";
import { WalError } from "./wal-error.js";

/** etcd's size of a segment. A segment exceeds it by at most one batch. */
export const SEGMENT_BYTES = 64_000_000;
export interface WalOptions {
  readonly segmentBytes?: number;
  /** Writes but never syncs: a power failure may lose or tear the log. */
  readonly unsafeNoFsync?: boolean;
  readonly logger?: Logger;
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
  /** Called with the duration of each sync of a segment, for the histogram. */
  readonly onFsync?: (seconds: number) => void;
  /** Hears how long each write took, its sync not included. */
  readonly onWrite?: (seconds: number) => void;
  /** Called once when the log is poisoned, also by work that nobody waits for. */
  readonly onFailure?: (failure: Panic) => void;
}

/** What a log held when it was opened. */
export interface WalContents {
  readonly metadata: Uint8Array;
  /** The last state; all zero when there is none. */
  readonly hardState: HardState;
  /** One for each index behind the snapshot that the log was opened at. Some may not be committed. */
  readonly entries: Entry[];
}

/** Where appending goes on. */
export interface WalStart {
  readonly metadata: Uint8Array;
  /** Segments that may hold something needed, oldest first. */
  readonly segments: SegmentName[];
  /** The last segment, open for writing, and where its next record goes. */
  readonly file: DiskFile;
  readonly offset: number;
  /** Sum behind the last record. */
  readonly crc: number;
  readonly state: HardState;
  readonly lastIndex: number;
}

/** The order: fill, write, sync, rename, sync the directory. Before the rename there is no log, after it a whole one. */
export async function buildFirstSegment(
  disk: Disk,
  directory: string,
  metadata: Uint8Array,
  options: WalOptions,
): Promise<WalStart> {
  if ((await listSegments(disk, directory)).length > 0) {
    throw new WalError("exists", "wal: file exists", { file: directory, cause: "there is a log already" });
  }
  const building = `${directory}.tmp`;
  const sync = options.unsafeNoFsync !== true;
  const name = segmentName(0, 0);
  await disk.removeTree(building);
  await makeDurableDirectory(disk, building);
  const built = await createFilled(disk, `${building}/${name}`, options.segmentBytes ?? SEGMENT_BYTES, sync);
  try {
    const encoder = new RecordEncoder(0);
    encoder.carryCrc();
    encoder.metadata(metadata);
    encoder.snapshot(new WalSnapshot());
    await built.write(0, encoder.out.view());
    if (sync) {
      await built.datasync();
      await disk.syncDirectory(building);
    }
    await disk.removeTree(directory);
    await disk.rename(building, directory);
    if (sync) await disk.syncDirectory(parentOf(directory));
    const segments = [{ name, sequence: 0, firstIndex: 0 }];
    const { crc, out } = encoder;
    // Opened once more by its name: errors carry the path that the file was opened with.
    const file = await disk.open(`${directory}/${name}`, "r+");
    return { metadata, segments, file, offset: out.length, crc, state: new HardState(), lastIndex: 0 };
  } finally {
    await built.close();
  }
}

export async function readAndMend(
  disk: Disk,
  directory: string,
  snapshot: WalSnapshot,
  options: WalOptions,
): Promise<{ start: WalStart; contents: WalContents }> {
  const all = await listSegments(disk, directory);
  if (all.length === 0) throw noSegments(directory);
  const segments = segmentsFrom(all, snapshot.index, directory);
  const replay = new Replay(snapshot, segments[0].firstIndex, true);
  const end = await scanSegments(disk, directory, segments, replay, true);
  if (!replay.matched) throw snapshotNotFound(directory, snapshot);
  const { metadata, hardState, lastIndex, entries } = replay;
  if (metadata === undefined) panic("a log without metadata passed the scan", { directory });
  const file = await disk.open(`${directory}/${segments[segments.length - 1].name}`, "r+");
  try {
    await mendTail(disk, file, end, options.segmentBytes ?? SEGMENT_BYTES, options.logger ?? SILENT);
    // Names too may be visible without being durable, if a sync of the directory failed in an earlier life.
    await disk.syncDirectory(directory);
    await disk.syncDirectory(parentOf(directory));
  } catch (error) {
    await file.close();
    throw error;
  }
  const { offset, crc } = end;
  const start: WalStart = { metadata, segments, file, offset, crc, state: hardState, lastIndex };
  return { start, contents: { metadata, hardState, entries } };
}
