// What the records of a log add up to, from a snapshot on. Records are replayed in order: an entry at an index that is
// already there replaces it and everything after it (a new leader overwrote what was not committed), the last state
// wins. Besides the sums, replay checks what must hold in any log that a raft member wrote, because the sums leave out
// the type of a record and because a log that lost a piece must not be taken for a shorter one:
// - every segment opens with its crc record and the metadata, and those appear nowhere else;
// - entries follow each other without a gap, terms never go down from one to the next, and no committed entry is
//   replaced;
// - a state's commit index lies within the log. (etcd before 3.4.8 wrote the state in front of the snapshot record that
//   covers it; so the check waits for the next record.)

import { equalBytes, WireError } from "#base";
import { decodeEntry, type Entry, EntryType, HardState } from "#proto";
import { decodeStateRecord, decodeWalSnapshot, RecordType, type WalSnapshot } from "./record.js";
import type { SegmentReader } from "./segment-reader.js";
import { WalError, type WalErrorKind } from "./wal-error.js";

export class Replay {
  readonly start: WalSnapshot;
  /** Entries with an index above that of `start`, one for each index. Empty unless they are kept. */
  readonly entries: Entry[] = [];
  readonly snapshots: WalSnapshot[] = [];
  metadata: Uint8Array | undefined;
  hardState = new HardState();
  /** Index of the last entry, or of the last snapshot if that is beyond it. */
  lastIndex: number;
  /** Whether the record of `start` was met. */
  matched = false;

  private readonly keepEntries: boolean;
  private recordsInSegment = 0;
  private isFirstSegment = true;

  /** @param firstIndex raft index at which the first segment starts */
  constructor(start: WalSnapshot, firstIndex: number, keepEntries: boolean) {
    this.start = start;
    this.lastIndex = Math.max(0, firstIndex - 1);
    this.keepEntries = keepEntries;
  }

  /** Call before the first record of each segment. */
  beginSegment(): void {
    this.recordsInSegment = 0;
  }

  /** Call behind the last record of each segment. */
  endSegment(reader: SegmentReader): void {
    if (this.recordsInSegment < 2) {
      throw reader.corrupt("the segment ends before its metadata record");
    }
    this.isFirstSegment = false;
  }

  /** Takes the current record of `reader`. */
  accept(reader: SegmentReader): void {
    const { window: buf, head } = reader;
    const place = this.recordsInSegment++;
    if (
      (place === 0) !== (head.type === RecordType.Crc) ||
      (place === 1) !== (head.type === RecordType.Metadata)
    ) {
      throw fault(reader, `a record of type ${head.type} stands at place ${place} of its segment`);
    }
    try {
      if (head.type === RecordType.Entry)
        this.acceptEntry(reader, decodeEntry(buf, head.dataStart, head.dataEnd));
      else if (head.type === RecordType.State) {
        this.acceptState(reader, decodeStateRecord(buf, head.dataStart, head.dataEnd));
      } else if (head.type === RecordType.Snapshot) {
        this.acceptSnapshot(reader, decodeWalSnapshot(buf, head.dataStart, head.dataEnd));
      } else if (head.type === RecordType.Metadata) this.acceptMetadata(reader);
      else if (head.type === RecordType.Crc) this.acceptCrc(reader);
      else throw fault(reader, `there is no record type ${head.type}`);
    } catch (error) {
      if (error instanceof WireError)
        throw fault(reader, `the data is not what its type says: ${error.message}`);
      throw error;
    }
  }

  /** Checks that concern the log as a whole. Call behind the last segment. */
  finish(reader: SegmentReader): void {
    this.checkCommitted(reader);
    // Only now: an entry read early may have followed another one than that of the snapshot, and be replaced by now.
    if (this.entries.length > 0 && this.entries[0].term < this.start.term) {
      throw fault(
        reader,
        `the entry behind snapshot ${this.start.index} has term ${this.entries[0].term}, the snapshot ${this.start.term}`,
      );
    }
  }

  private acceptEntry(reader: SegmentReader, entry: Entry): void {
    this.checkCommitted(reader);
    if (entry.term === 0 || entry.index === 0) throw fault(reader, "an entry without term or index");
    if (entry.type === EntryType.ConfChange && entry.data.length === 0) {
      throw fault(reader, "a membership change without content");
    }
    if (entry.index <= this.hardState.commit) {
      throw fault(
        reader,
        `entry ${entry.index} is replaced although the log is committed up to ${this.hardState.commit}`,
      );
    }
    if (entry.index > this.start.index) this.keep(reader, entry);
    // It also replaces all that follows it: those entries are not the ones behind the snapshot.
    else this.entries.length = 0;
    this.lastIndex = entry.index;
  }

  private keep(reader: SegmentReader, entry: Entry): void {
    if (entry.index > this.lastIndex + 1 && entry.index > this.start.index + 1) {
      throw fault(
        reader,
        `entry ${entry.index} follows entry ${this.lastIndex}`,
        "wal: slice bounds out of range",
      );
    }
    if (!this.keepEntries) return;
    const entries = this.entries;
    const offset = entry.index - this.start.index - 1;
    if (offset > entries.length) {
      const cause = `entry ${entry.index} follows ${entries.length} entries behind snapshot ${this.start.index}`;
      throw fault(reader, cause, "wal: slice bounds out of range");
    }
    if (offset > 0 && entry.term < entries[offset - 1].term) {
      const before = entries[offset - 1].term;
      throw fault(reader, `entry ${entry.index} has term ${entry.term}, the one before ${before}`);
    }
    if (offset < entries.length) entries.length = offset;
    entries.push(entry);
  }

  private acceptState(reader: SegmentReader, state: HardState): void {
    if (state.term === 0) throw fault(reader, "a state without term");
    if (state.term < this.hardState.term || state.commit < this.hardState.commit) {
      throw fault(reader, "term or commit index go back from one state to the next");
    }
    this.hardState = state;
  }

  private acceptSnapshot(reader: SegmentReader, snapshot: WalSnapshot): void {
    this.snapshots.push(snapshot);
    if (snapshot.index > this.lastIndex) this.lastIndex = snapshot.index;
    if (snapshot.index !== this.start.index) return;
    if (snapshot.term !== this.start.term) {
      throw fault(
        reader,
        `the log has snapshot ${snapshot.index} at term ${snapshot.term}, wanted is term ${this.start.term}`,
        "wal: snapshot mismatch",
        "snapshot-mismatch",
      );
    }
    this.matched = true;
    // A snapshot that was received in the place of a log that conflicts with it: terms never fall along a log, so what was
    // written before and stands behind it is of another history, and raft has dropped it.
    if (this.entries.length > 0 && this.entries[0].term < snapshot.term) {
      this.entries.length = 0;
      this.lastIndex = snapshot.index;
    }
  }

  private acceptMetadata(reader: SegmentReader): void {
    const data = reader.window.slice(reader.head.dataStart, reader.head.dataEnd);
    if (this.metadata !== undefined && !equalBytes(this.metadata, data)) {
      const cause = "the metadata differs from that of the segment before";
      throw fault(reader, cause, "wal: conflicting metadata found", "metadata-conflict");
    }
    this.metadata = data;
  }

  /** The sum of the segment before must be the one that this segment goes on from. */
  private acceptCrc(reader: SegmentReader): void {
    const { head } = reader;
    if (head.dataEnd > head.dataStart) throw fault(reader, "a crc record with data");
    if (!this.isFirstSegment && head.crc !== reader.crc) {
      throw fault(reader, "the segment does not continue the sum of the one before", "wal: crc mismatch");
    }
    reader.crc = head.crc;
  }

  private checkCommitted(reader: SegmentReader): void {
    if (this.hardState.commit <= this.lastIndex) return;
    throw fault(
      reader,
      `the log is committed up to ${this.hardState.commit} but ends at ${this.lastIndex}: its end was lost`,
    );
  }
}

function fault(
  reader: SegmentReader,
  cause: string,
  what = "wal: corrupt record",
  kind: WalErrorKind = "corrupt",
): WalError {
  return new WalError(kind, what, { file: reader.path, offset: reader.recordOffset, cause });
}
