// Snapshot files: `<term>-<index>.snap`, both 16 hex digits, beside the backend in the snap directory. A file holds
// snappb.snapshot{crc, data}, data being a raftpb.Snapshot and crc its CRC-32C (docs/formats/snap.md). What the file is for:
// on restart raft starts from its index and configuration; the keys themselves are in the backend.
//
// A file is written beside its place, synced and renamed, so that its name implies its content; only then may the log
// mention it. At start the newest one that the log vouches for counts; a file that cannot be read is renamed to
// `*.broken` and the next older one is tried. `<index>.snap.db` are backends received from the leader, `db.tmp*` those that
// are still arriving and unfinished defragmentations.

import { crc32c, type Disk, type Logger, SILENT, WireError, WireReader, WireWriter } from "#base";
import { decodeSnapshot, encodeSnapshot, type Snapshot } from "#proto";
import type { WalSnapshot } from "../wal/record.js";

/** Thrown for a snapshot file that is not one. */
export class SnapError extends Error {
  override readonly name = "SnapError";
}

export class Snapshotter {
  readonly directory: string;
  private readonly disk: Disk;
  private readonly logger: Logger;

  constructor(disk: Disk, directory: string, logger: Logger = SILENT) {
    this.disk = disk;
    this.directory = directory;
    this.logger = logger;
  }

  /** Where the backend received with the snapshot at `index` belongs. */
  databasePath(index: number): string {
    return `${this.directory}/${hex16(index)}.snap.db`;
  }

  /** Where that backend is written while it arrives; several may arrive at once. */
  temporaryDatabasePath(index: number, nth: number): string {
    return `${this.directory}/db.tmp.${hex16(index)}.${nth}`;
  }

  /** Durable when the promise is fulfilled. The empty snapshot (index 0) is not stored. */
  async save(snapshot: Snapshot): Promise<void> {
    if (snapshot.index === 0) return;
    const path = `${this.directory}/${hex16(snapshot.term)}-${hex16(snapshot.index)}.snap`;
    const file = await this.disk.open(`${path}.tmp`, "w+");
    try {
      await file.write(0, encodeSnapFile(snapshot));
      await file.sync();
    } finally {
      await file.close();
    }
    await this.disk.rename(`${path}.tmp`, path);
    await this.disk.syncDirectory(this.directory);
  }

  /** The newest snapshot file that can be read and is one of `valid`; undefined when there is none. */
  async loadNewest(valid: readonly WalSnapshot[]): Promise<Snapshot | undefined> {
    for (const name of (await this.snapNames()).reverse()) {
      const snapshot = await this.load(name);
      if (snapshot === undefined) continue;
      const { index, term } = snapshot;
      if (valid.some((candidate) => candidate.index === index && candidate.term === term)) return snapshot;
    }
    return undefined;
  }

  /** Removes what an interrupted save, defragmentation or transfer left behind. Call before anything else at start. */
  async removeLeftovers(): Promise<void> {
    for (const name of await this.disk.list(this.directory)) {
      if (!name.endsWith(".snap.tmp") && !name.startsWith("db.tmp")) continue;
      this.logger.info("found orphaned defragmentation file; deleting", { path: name });
      await this.disk.removeTree(`${this.directory}/${name}`);
    }
  }

  /** Removes received backends of snapshots before `index`: they were replaced before they were used. */
  async removeOrphanDatabases(index: number): Promise<void> {
    for (const name of await this.disk.list(this.directory)) {
      const match = DATABASE_NAME.exec(name);
      if (match === null || Number.parseInt(match[1], 16) >= index) continue;
      this.logger.info("found orphaned .snap.db file; deleting", { path: name });
      await this.disk.remove(`${this.directory}/${name}`);
    }
  }

  /**
   * Removes the oldest snapshot files, and the oldest received backends, until `keep` of each are left.
   * @returns the names of the removed files
   */
  async purge(keep: number): Promise<string[]> {
    const names = await this.disk.list(this.directory);
    const snaps = names.filter((name) => SNAP_NAME.test(name));
    const databases = names.filter((name) => DATABASE_NAME.test(name));
    const surplus = [...snaps.slice(0, Math.max(0, snaps.length - keep))];
    surplus.push(...databases.slice(0, Math.max(0, databases.length - keep)));
    for (const name of surplus) {
      await this.disk.remove(`${this.directory}/${name}`);
      this.logger.info("purged", { path: `${this.directory}/${name}` });
    }
    if (surplus.length > 0) await this.disk.syncDirectory(this.directory);
    return surplus;
  }

  private async snapNames(): Promise<string[]> {
    return (await this.disk.list(this.directory)).filter((name) => SNAP_NAME.test(name));
  }

  /** Undefined for a file that is damaged, which is then put aside. */
  private async load(name: string): Promise<Snapshot | undefined> {
    const path = `${this.directory}/${name}`;
    try {
      return await readSnapFile(this.disk, path);
    } catch (error) {
      if (!(error instanceof SnapError)) throw error;
      this.logger.warn("failed to read a snap file", { path, error: error.message });
      await this.disk.rename(path, `${path}.broken`);
      await this.disk.syncDirectory(this.directory);
      this.logger.warn("renamed to a broken snap file", { path, "broken-path": `${path}.broken` });
      return undefined;
    }
  }
}

const SNAP_NAME = /^([0-9a-f]{16})-([0-9a-f]{16})\.snap$/;
const DATABASE_NAME = /^([0-9a-f]{16})\.snap\.db$/;

/** Throws SnapError when the file is damaged and DiskError when it cannot be read. */
export async function readSnapFile(disk: Disk, path: string): Promise<Snapshot> {
  const file = await disk.open(path, "r");
  try {
    return decodeSnapFile(await file.read(0, await file.size()));
  } finally {
    await file.close();
  }
}

export function encodeSnapFile(snapshot: Snapshot): Uint8Array {
  const data = new WireWriter(snapshot.data.length + 256);
  encodeSnapshot(data, snapshot);
  const out = new WireWriter(data.length + 16);
  out.byte(0x08);
  out.varint(crc32c(0, data.view()));
  out.byte(0x12);
  out.bytes(data.view());
  return out.finish();
}

/** Decodes the content of a snapshot file. The snapshot's data is a view into `bytes`. */
export function decodeSnapFile(bytes: Uint8Array): Snapshot {
  if (bytes.length === 0) throw new SnapError("snap: empty snapshot");
  const r = new WireReader(bytes);
  let crc = 0;
  let start = 0;
  let end = 0;
  try {
    while (!r.done) {
      const tag = r.tag();
      if (tag === 0x08) crc = r.uint64();
      else if (tag === 0x12) {
        end = r.delimited();
        start = r.pos;
        r.pos = end;
      } else throw new SnapError(`snap: unexpected field ${tag >>> 3}`);
    }
    if (start === end || crc === 0) throw new SnapError("snap: empty snapshot");
    if (crc32c(0, bytes, start, end) !== crc) throw new SnapError("snap: crc mismatch");
    return decodeSnapshot(bytes, start, end);
  } catch (error) {
    if (error instanceof WireError) throw new SnapError(`snap: malformed: ${error.message}`);
    throw error;
  }
}

function hex16(value: number): string {
  return value.toString(16).padStart(16, "0");
}
