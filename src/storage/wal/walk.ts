// Shows a log record by record, without asking whether the records make sense together: for the dump tool, and for
// tests that compare bytes.

import type { Disk } from "#base";
import { listSegments } from "./names.js";
import { type RecordHead, RecordType } from "./record.js";
import { SegmentReader, Step } from "./segment-reader.js";

export interface WalkedRecord {
  readonly file: string;
  /** Of the length field, in the file. */
  readonly offset: number;
  /** Length field, record and padding. */
  readonly frameBytes: number;
  readonly type: number;
  readonly crc: number;
  /** A view, valid during the call. */
  readonly data: Uint8Array;
}

/** Where a walk ended: the last segment, the offset behind its last good record, and whether a torn one follows. */
export interface WalkEnd {
  readonly file: string;
  readonly offset: number;
  readonly torn: boolean;
}

/** Visits every record of every segment in `directory`. Throws WalError at the first damage. */
export async function walkWal(
  disk: Disk,
  directory: string,
  visit: (record: WalkedRecord) => void,
): Promise<WalkEnd | undefined> {
  const segments = await listSegments(disk, directory);
  let crc = 0;
  let end: WalkEnd | undefined;
  for (let i = 0; i < segments.length; i++) {
    const file = await disk.open(`${directory}/${segments[i].name}`, "r");
    try {
      const mode = { isLast: i === segments.length - 1, checkAll: true };
      const reader = new SegmentReader(file, await file.size(), crc, mode);
      const step = await walkSegment(reader, visit);
      crc = reader.crc;
      end = { file: file.path, offset: reader.offset, torn: step === Step.Torn };
    } finally {
      await file.close();
    }
  }
  return end;
}

async function walkSegment(reader: SegmentReader, visit: (record: WalkedRecord) => void): Promise<Step> {
  for (;;) {
    const step = reader.next();
    if (step === Step.NeedMore) await reader.fill();
    else if (step !== Step.Record) return step;
    else {
      visit(recordOf(reader, reader.head));
      if (reader.head.type === RecordType.Crc) reader.crc = reader.head.crc;
    }
  }
}

function recordOf(reader: SegmentReader, head: RecordHead): WalkedRecord {
  const { path: file, recordOffset: offset } = reader;
  const data = reader.window.subarray(head.dataStart, head.dataEnd);
  return { file, offset, frameBytes: reader.offset - offset, type: head.type, crc: head.crc, data };
}
