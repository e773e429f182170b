// Making and mending the files of segments. A new segment is filled with real zeros before it takes records: an
// fdatasync into written space needs no change of metadata, so it takes a fraction of the time of one that allocates.

import type { Disk, DiskFile, Logger } from "#base";
import { endOfData, type ScanEnd, ZEROS } from "./scan.js";

/** Creates (or empties) the file at `path` and fills it with `bytes` zeros, durably if `sync`. Never blocks for long. */
export async function createFilled(
  disk: Disk,
  path: string,
  bytes: number,
  sync: boolean,
): Promise<DiskFile> {
  const file = await disk.open(path, "w+");
  try {
    await fillZeros(file, 0, bytes, sync);
    if (sync) await file.sync();
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Between two syncs: small enough that a sync of the log next door does not have to wait long for its turn. */
const SYNC_EVERY_BYTES = 4 * ZEROS.length;

async function fillZeros(file: DiskFile, from: number, to: number, sync: boolean): Promise<void> {
  for (let at = from; at < to; at += ZEROS.length) {
    await file.write(at, ZEROS.subarray(0, Math.min(ZEROS.length, to - at)));
    if (sync && (at - from + ZEROS.length) % SYNC_EVERY_BYTES === 0) await file.datasync();
  }
}

/**
 * How much of the end of the log is written once more when it is opened. After a failed sync Linux goes on showing the
 * bytes that it could not write, as if they were there, also to the next process; a log that trusted them would lose
 * them in the next power failure. Only what was not yet synced can be so affected: at most the last batch.
 */
const REWRITE_BYTES = 4 * ZEROS.length;

/**
 * Makes the last segment end in zeros behind its last good record, so that new records meet nothing old, and makes sure
 * that the medium has what was read. What is cut off was never acknowledged (segment-reader.ts has the rule); a copy of
 * the file is kept as `<name>.broken`.
 */
export async function mendTail(
  disk: Disk,
  file: DiskFile,
  end: ScanEnd,
  segmentBytes: number,
  logger: Logger,
): Promise<void> {
  const dataEnd = await endOfData(file, end.offset, end.fileBytes);
  const isTorn = dataEnd > end.offset || end.torn;
  if (isTorn) {
    logger.warn("repairing", {
      path: file.path,
      offset: end.offset,
      "discarded-bytes": dataEnd - end.offset,
    });
    await keepCopy(disk, file, end.fileBytes);
    await file.truncate(end.offset);
  }
  const from = Math.max(0, end.offset - REWRITE_BYTES);
  await file.write(from, await file.read(from, end.offset - from));
  await file.sync();
  if (isTorn) logger.warn("repaired", { path: file.path, "broken-path": `${file.path}.broken` });
  await extend(file, isTorn ? end.offset : end.fileBytes, segmentBytes);
}

async function extend(file: DiskFile, fileBytes: number, segmentBytes: number): Promise<void> {
  if (fileBytes >= segmentBytes) return;
  await fillZeros(file, fileBytes, segmentBytes, true);
  await file.sync();
}

/** Space of a removed segment that is given back at a time. */
const RELEASE_BYTES = 16 << 20;

/**
 * Removes a segment durably, then gives its space back piece by piece: all of it at once keeps the file system, and a disk
 * that discards what is freed, from serving a sync of the log.
 */
export async function removeSegment(disk: Disk, directory: string, name: string): Promise<void> {
  const path = `${directory}/${name}`;
  const file = await disk.open(path, "r+");
  try {
    await disk.remove(path);
    // A crash must not bring the name back with half of the content.
    await disk.syncDirectory(directory);
    for (let left = (await file.size()) - RELEASE_BYTES; left > 0; left -= RELEASE_BYTES) {
      await file.truncate(left);
      await file.datasync();
    }
  } finally {
    await file.close();
  }
}

async function keepCopy(disk: Disk, file: DiskFile, bytes: number): Promise<void> {
  const copy = await disk.open(`${file.path}.broken`, "w+");
  try {
    for (let at = 0; at < bytes; at += ZEROS.length) {
      await copy.write(at, await file.read(at, Math.min(ZEROS.length, bytes - at)));
    }
    await copy.sync();
  } finally {
    await copy.close();
  }
}
