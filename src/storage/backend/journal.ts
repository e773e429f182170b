// The journal of a MemoryBackend: one file of frames, one frame a transaction, through the Disk port. It gives the
// in-memory backend the crash behaviour of the real one on a simulated disk.
//
//   frame
//   offset size
//   0      4    magic 0x4c4e524a ("JRNL"), little-endian
//   4      4    number of the frame, counted from 1 in each file
//   8      4    length of the body, b
//   12     4    CRC-32C over the first twelve bytes and the body
//   16     b    operations, as in write-batch.ts
//
// A transaction is durable when its frame is synced. A crash can tear only the last frame, which is then dropped; an
// unreadable frame with a good one behind it is damage, and refused. When the file has outgrown its content it is
// rewritten beside itself and renamed.

import { concatBytes, crc32c, type Disk, type DiskFile } from "#base";
import { CorruptBackendError } from "./backend.js";

const MAGIC = 0x4c4e524a;
const HEADER = 16;
const CRC_AT = 12;
const BODY_MAX = 0x7fffffff;

export class Journal {
  /** Bytes of good frames. */
  size = 0;
  private frames = 0;
  /** Whether the directory is synced: until then a crash could bring the old file back, so nothing may be appended. */
  private isNameDurable = true;

  private constructor(
    private readonly disk: Disk,
    private readonly path: string,
    private file: DiskFile,
  ) {}

  /** Opens or creates the journal and replays its good frames in order. */
  static async open(disk: Disk, path: string, replay: (body: Uint8Array) => void): Promise<Journal> {
    await disk.remove(temporary(path));
    const isNew = (await disk.stat(path)) === undefined;
    const file = await disk.open(path, isNew ? "wx+" : "r+", 0o600);
    if (isNew) await disk.syncDirectory(parentOf(path));
    const journal = new Journal(disk, path, file);
    await journal.load(replay);
    return journal;
  }

  /** Appends one transaction and makes it durable. After a failure the next append takes its place. */
  async append(parts: readonly Uint8Array[]): Promise<void> {
    await this.syncName();
    const frame = encodeFrame(this.frames + 1, concatBytes(parts));
    await this.file.write(this.size, frame);
    await this.file.datasync();
    this.size += frame.length;
    this.frames++;
  }

  /** Replaces the content by one transaction. */
  async rewrite(parts: readonly Uint8Array[]): Promise<void> {
    const frame = encodeFrame(1, concatBytes(parts));
    const next = await this.disk.open(temporary(this.path), "w+", 0o600);
    try {
      await next.write(0, frame);
      await next.sync();
      await this.disk.rename(temporary(this.path), this.path);
    } catch (error) {
      await next.close();
      throw error;
    }
    // From the rename on the new file is the journal, even if making its name durable takes another attempt.
    const old = this.file;
    this.file = next;
    this.size = frame.length;
    this.frames = 1;
    this.isNameDurable = false;
    await old.close();
    await this.syncName();
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async syncName(): Promise<void> {
    if (this.isNameDurable) return;
    await this.disk.syncDirectory(parentOf(this.path));
    this.isNameDurable = true;
  }

  private async load(replay: (body: Uint8Array) => void): Promise<void> {
    const bytes = await this.file.read(0, await this.file.size());
    let at = 0;
    let last = 0;
    for (;;) {
      const end = frameEnd(bytes, at, this.frames + 1);
      if (end === undefined) break;
      replay(bytes.subarray(at + HEADER, end));
      this.frames++;
      last = at;
      at = end;
    }
    this.refuseDamage(bytes, at);
    if (at < bytes.length) await this.file.truncate(at);
    // The sync of the last frame may have failed in an earlier life: then it can be read and is not on the medium, and no
    // sync will put it there, only another write.
    if (at > last) await this.file.write(last, bytes.subarray(last, at));
    if (bytes.length > 0) await this.file.sync();
    this.size = at;
  }

  /** A good frame behind an unreadable one means that the unreadable one had once been synced. */
  private refuseDamage(bytes: Uint8Array, from: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = from + 1; at + HEADER <= bytes.length; at++) {
      if (view.getUint32(at, true) !== MAGIC) continue;
      const number = view.getUint32(at + 4, true);
      if (number > this.frames && frameEnd(bytes, at, number) !== undefined) {
        throw new CorruptBackendError(this.path, "an unreadable transaction before a good one", {
          position: from,
        });
      }
    }
  }
}

function encodeFrame(number: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER + body.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, number, true);
  view.setUint32(8, body.length, true);
  frame.set(body, HEADER);
  view.setUint32(CRC_AT, crc32c(crc32c(0, frame, 0, CRC_AT), frame, HEADER), true);
  return frame;
}

/** The end of the frame at `at`, or undefined when there is no good frame of that number. */
function frameEnd(bytes: Uint8Array, at: number, number: number): number | undefined {
  if (at + HEADER > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== number) return undefined;
  const length = view.getUint32(8, true);
  if (length > BODY_MAX || HEADER + length > view.byteLength) return undefined;
  const end = at + HEADER + length;
  const sum = crc32c(crc32c(0, bytes, at, at + CRC_AT), bytes, at + HEADER, end);
  return sum === view.getUint32(CRC_AT, true) ? end : undefined;
}

function temporary(path: string): string {
  return `${path}.new`;
}

function parentOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at <= 0 ? (at === 0 ? "/" : ".") : path.slice(0, at);
}
