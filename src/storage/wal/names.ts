// Names of the segments: `<seq>-<index>.wal`, both 16 hex digits. `seq` counts segments from 0, `index` is the raft index
// of the first entry that the segment may hold. Sorted as text they are in order. Other names are not segments:
// `N.tmp` is one in preparation, `*.broken` a copy made before a repair.

import type { Disk } from "#base";
import { WalError } from "./wal-error.js";

const NAME = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/;

export interface SegmentName {
  readonly name: string;
  readonly sequence: number;
  /** Raft index of the first entry that the segment may hold. */
  readonly firstIndex: number;
}

export function segmentName(sequence: number, firstIndex: number): string {
  return `${hex16(sequence)}-${hex16(firstIndex)}.wal`;
}

function hex16(value: number): string {
  return value.toString(16).padStart(16, "0");
}

/** Undefined for what is not the name of a segment. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const sequence = Number.parseInt(match[1], 16);
  const firstIndex = Number.parseInt(match[2], 16);
  return Number.isSafeInteger(sequence) && Number.isSafeInteger(firstIndex)
    ? { name, sequence, firstIndex }
    : undefined;
}

/** The segments in `directory` in order; none when there is no such directory. */
export async function listSegments(disk: Disk, directory: string): Promise<SegmentName[]> {
  if ((await disk.stat(directory)) === undefined) return [];
  const found: SegmentName[] = [];
  for (const name of await disk.list(directory)) {
    const segment = parseSegmentName(name);
    if (segment !== undefined) found.push(segment);
  }
  return found;
}

/** The segments from the one that holds the entry after `index` on. Throws when that one, or one after it, is missing. */
export function segmentsFrom(
  segments: readonly SegmentName[],
  index: number,
  directory: string,
): SegmentName[] {
  let first = segments.length - 1;
  while (first >= 0 && segments[first].firstIndex > index) first--;
  if (first < 0) {
    const cause =
      segments.length === 0 ? "there is no segment" : `the first segment starts at ${segments[0].firstIndex}`;
    throw new WalError("not-found", `wal: file not found which matches the snapshot index '${index}'`, {
      file: directory,
      cause,
    });
  }
  const chosen = segments.slice(first);
  for (let i = 1; i < chosen.length; i++) {
    if (chosen[i].sequence === chosen[i - 1].sequence + 1) continue;
    throw new WalError("corrupt", "wal: file sequence numbers do not increase continuously", {
      file: `${directory}/${chosen[i].name}`,
      cause: `a segment is missing after ${chosen[i - 1].name}`,
    });
  }
  return chosen;
}
