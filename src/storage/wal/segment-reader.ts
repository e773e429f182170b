// Walks the records of one segment. Reading goes through a window of the file that `fill` moves forward, so that memory
// is bounded by the window and by the one record at hand, whose length is checked against the file before anything is
// allocated. `next` is synchronous: a promise is paid per window, not per record.
//
// Torn or corrupt? The last batch before a crash may be on disk in part, in units of 512-byte sectors: a sector that was
// never written reads as zeros, one that was written reads whole. So in the last segment, and only there:
// - a zero length field, with zeros up to the end of its sector, is the end of the log;
// - a record that fails its check and has a sector of zeros in it, or that ends beyond the end of the file, is torn;
// - everything else that fails a check is damage, and refused: the log is not cut behind an acknowledged record.
// A length field lies within one sector, so it is never torn itself; when it contradicts the head of its own record, one
// of the two was damaged later. (etcd cuts the log in that case.)

import { crc32c, type DiskFile } from "#base";
import {
  FRAME_HEADER_BYTES,
  parseRecordHead,
  RECORD_BYTES_MAX,
  RECORD_BYTES_MIN,
  RECORD_HEAD_BYTES_MAX,
  RecordHead,
  RecordType,
} from "./record.js";
import { WalError } from "./wal-error.js";

export const SECTOR_BYTES = 512;
const WINDOW_BYTES = 512 * 1024;

/** What `next` found. `NeedMore`: call `fill` and try again. */
export const Step = { Record: 0, NeedMore: 1, End: 2, Torn: 3 } as const;
export type Step = (typeof Step)[keyof typeof Step];

export interface ReadMode {
  /** The last segment may end in a torn batch; the others may not. */
  readonly isLast: boolean;
  /** Check every sum. Without, only those of state and snapshot records, which is half the work. */
  readonly checkAll: boolean;
}

export class SegmentReader {
  readonly path: string;
  /** Type, sum and bounds of the current record; the bounds are offsets into `window`. */
  readonly head = new RecordHead();
  /** Bytes of the file around the current record. Never overwritten: entries may keep views into it. */
  window: Uint8Array = new Uint8Array(0);
  /** Offset in the file of the current record, once `next` has returned `Record`. */
  recordOffset = 0;
  /** Offset in the file just behind the last good record. */
  offset = 0;
  /** Running sum behind the last good record. */
  crc: number;

  private readonly file: DiskFile;
  private readonly fileBytes: number;
  private readonly mode: ReadMode;
  private windowOffset = 0;
  private wantBytes = 0;

  /** @param crc running sum at the end of the segment before */
  constructor(file: DiskFile, fileBytes: number, crc: number, mode: ReadMode) {
    this.file = file;
    this.path = file.path;
    this.fileBytes = fileBytes;
    this.crc = crc;
    this.mode = mode;
  }

  async fill(): Promise<void> {
    const length = Math.min(Math.max(this.wantBytes, WINDOW_BYTES), this.fileBytes - this.offset);
    const bytes = await this.file.read(this.offset, length);
    // Never a Buffer: entries are views into this, and views of a Buffer cost twice as much.
    this.window = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.windowOffset = this.offset;
    if (this.window.length < this.wantBytes) throw this.corrupt("the file became shorter while it was read");
  }

  next(): Step {
    const left = this.fileBytes - this.offset;
    if (left === 0) return Step.End;
    if (!this.has(Math.min(left, SECTOR_BYTES))) return Step.NeedMore;
    const at = this.offset - this.windowOffset;
    if (left < FRAME_HEADER_BYTES) return this.brokenHeader(at, left);

    const window = this.window;
    const low = readUint32(window, at);
    const high = readUint32(window, at + 4);
    if (low === 0 && high === 0) return this.endOfRecords(at, left);
    const padding = -low & 7;
    if (high !== (padding === 0 ? 0 : ((0x80 | padding) << 24) >>> 0) || low > RECORD_BYTES_MAX) {
      throw this.corrupt(`the length field ${hex(high)}${hex(low)} is none that a log has`);
    }
    if (low < RECORD_BYTES_MIN)
      throw this.corrupt(`the length field says ${low} bytes, less than any record has`);
    const frameBytes = FRAME_HEADER_BYTES + low + padding;
    if (frameBytes > left) return this.beyondFile(at, left, low);
    if (!this.has(frameBytes)) return Step.NeedMore;
    return this.record(at, low, frameBytes);
  }

  /** The error for damage at the current offset. */
  corrupt(cause: string, what = "wal: corrupt record", offset = this.offset): WalError {
    return new WalError("corrupt", what, { file: this.path, offset, cause });
  }

  private record(at: number, recordBytes: number, frameBytes: number): Step {
    const start = at + FRAME_HEADER_BYTES;
    const end = start + recordBytes;
    const head = this.head;
    if (!parseRecordHead(this.window, start, end, head)) {
      return this.tornOr(
        start,
        Math.min(end, start + RECORD_HEAD_BYTES_MAX),
        "this is not the head of a record",
      );
    }
    // Only a hole in the head itself excuses a wrong length; the zeros behind the log, if it reads too long, do not.
    if (head.dataEnd !== end) {
      // Where no data follows the crc, the byte that would announce it counts as part of the head.
      const headEnd = head.dataStart + (head.dataStart === head.dataEnd ? 1 : 0);
      return this.tornOr(
        start,
        Math.min(end, headEnd),
        "the length field and the head of the record do not agree",
      );
    }
    for (let i = end; i < at + frameBytes; i++) {
      if (this.window[i] !== 0) throw this.corrupt("the padding is not zero");
    }
    if (head.type !== RecordType.Crc) {
      const isChecked =
        this.mode.checkAll || head.type === RecordType.Snapshot || head.type === RecordType.State;
      const crc = isChecked ? crc32c(this.crc, this.window, head.dataStart, end) : head.crc;
      if (crc !== head.crc) {
        const cause = `the sum is ${hex(crc)}, the record says ${hex(head.crc)}`;
        return this.tornOr(start, end, cause, "wal: crc mismatch");
      }
      this.crc = crc;
    }
    this.recordOffset = this.offset;
    this.offset += frameBytes;
    return Step.Record;
  }

  /** Fewer bytes than a length field: the file was cut off, or simply ends. */
  private brokenHeader(at: number, left: number): Step {
    if (isZero(this.window, at, at + left)) return Step.End;
    if (this.mode.isLast) return Step.Torn;
    throw this.corrupt("the file ends within a length field");
  }

  private endOfRecords(at: number, left: number): Step {
    const restOfSector = Math.min(left, SECTOR_BYTES - (this.offset % SECTOR_BYTES));
    if (isZero(this.window, at, at + restOfSector)) return Step.End;
    throw this.corrupt("the length field is zero but the bytes after it are not");
  }

  /** The record ends beyond the file. Cut off, unless its own head says another length. */
  private beyondFile(at: number, left: number, recordBytes: number): Step {
    const start = at + FRAME_HEADER_BYTES;
    const available = Math.min(left - FRAME_HEADER_BYTES, RECORD_HEAD_BYTES_MAX);
    const isHeadWhole = available === RECORD_HEAD_BYTES_MAX;
    if (isHeadWhole && !this.has(FRAME_HEADER_BYTES + RECORD_HEAD_BYTES_MAX)) return Step.NeedMore;
    const agrees =
      !isHeadWhole ||
      (parseRecordHead(this.window, start, start + available, this.head) &&
        this.head.dataEnd - start === recordBytes);
    const cause = `the length field says ${recordBytes} bytes, the file has ${left - FRAME_HEADER_BYTES} left`;
    if (agrees && this.mode.isLast) return Step.Torn;
    return this.tornOr(start, start + available, cause);
  }

  /** Bad bytes at `window[start, end)`: torn if one of the sectors was never written, otherwise damaged. */
  private tornOr(start: number, end: number, cause: string, what?: string): Step {
    if (this.mode.isLast) {
      for (let from = start; from < end; ) {
        const fileOffset = this.windowOffset + from;
        const to = Math.min(end, from + SECTOR_BYTES - (fileOffset % SECTOR_BYTES));
        if (isZero(this.window, from, to)) return Step.Torn;
        from = to;
      }
    }
    throw this.corrupt(cause, what);
  }

  /** Whether the window holds `bytes` bytes from the current offset on. */
  private has(bytes: number): boolean {
    this.wantBytes = bytes;
    return this.window.length - (this.offset - this.windowOffset) >= bytes;
  }
}

function readUint32(buf: Uint8Array, at: number): number {
  return (buf[at] | (buf[at + 1] << 8) | (buf[at + 2] << 16) | (buf[at + 3] << 24)) >>> 0;
}

export function isZero(buf: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (buf[i] !== 0) return false;
  return true;
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
