// The data directory of a member, laid out as etcd's:
//
//   <data-dir>/member/wal      the log, unless --wal-dir puts it elsewhere
//   <data-dir>/member/snap     snapshot files and the backend
//   <data-dir>/member/.lock    held while a member runs on it (disk/process-lock.ts)
//
// Opening it makes what is missing (0700), checks that it can be written, takes the lock and clears away what a crash may
// have left half made. Existing permissions are the operator's: wider ones are only warned about, as in etcd.
//
// etcd locks its files with flock(2). We cannot take such a lock, but Linux lists who holds one; so a directory
// that an etcd is using is refused. The reverse does not hold: an etcd started on a directory in use by us sees nothing.

import { type Disk, DiskError, type DiskLock, type Logger, SILENT } from "#base";
import { makeDurableDirectory, parentOf } from "./disk/directories.js";
import { flockOwner } from "./disk/flock-owner.js";
import { NodeDisk } from "./disk/node-disk.js";
import { listSegments } from "./wal/names.js";

/** Thrown when a data directory cannot be used; the message is etcd's where etcd has one. */
export class DataDirError extends Error {
  override readonly name = "DataDirError";
}

export interface DataDirOptions {
  readonly dataDir: string;
  /** Default: `<dataDir>/member/wal`. */
  readonly walDir?: string;
  readonly logger?: Logger;
}

/** An open data directory. */
export class DataDir {
  readonly memberDirectory: string;
  readonly walDirectory: string;
  readonly snapDirectory: string;
  /** Whether there was a log: then the member restarts, whatever its flags say about a new cluster. */
  readonly hasWal: boolean;
  private readonly locks: DiskLock[];

  constructor(paths: DataDirPaths, hasWal: boolean, locks: DiskLock[]) {
    this.memberDirectory = paths.member;
    this.walDirectory = paths.wal;
    this.snapDirectory = paths.snap;
    this.hasWal = hasWal;
    this.locks = locks;
  }

  /** Lets go of the lock. Close the log and the backend before. */
  async release(): Promise<void> {
    for (const lock of this.locks.splice(0)) await lock.release();
  }
}

export interface DataDirPaths {
  readonly member: string;
  readonly wal: string;
  readonly snap: string;
}

export function dataDirPaths(dataDir: string, walDir?: string): DataDirPaths {
  const base = dataDir.length > 1 && dataDir.endsWith("/") ? dataDir.slice(0, -1) : dataDir;
  const member = `${base}/member`;
  return { member, wal: walDir ? walDir.replace(/\/+$/, "") : `${member}/wal`, snap: `${member}/snap` };
}

/** Prepares and locks a data directory. Throws DataDirError when that cannot be done. */
export async function openDataDir(disk: Disk, options: DataDirOptions): Promise<DataDir> {
  const { dataDir, logger = SILENT } = options;
  const paths = dataDirPaths(dataDir, options.walDir);
  await prepare(disk, dataDir, "cannot access data directory", logger);
  await warnOfStrangers(disk, dataDir, logger);
  await prepare(disk, paths.member, "cannot access member directory", logger);
  const locks = await takeLocks(disk, dataDir, paths);
  try {
    // The names may be there without being durable, if an earlier start ended before its sync.
    await attempt("cannot access data directory", () => disk.syncDirectory(dataDir));
    await prepare(disk, paths.snap, "failed to create snapshot directory", logger);
    await refuseForeignLock(disk, dataDir, paths);
    const complaint = "cannot write to WAL directory";
    const hasWal = (await attempt(complaint, () => listSegments(disk, paths.wal))).length > 0;
    if (hasWal) await checkWritable(disk, paths.wal, complaint);
    await attempt(complaint, () => disk.removeTree(`${paths.wal}.tmp`));
    return new DataDir(paths, hasWal, locks);
  } catch (error) {
    for (const lock of locks) await lock.release();
    throw error;
  }
}

async function takeLocks(disk: Disk, dataDir: string, paths: DataDirPaths): Promise<DiskLock[]> {
  const locks: DiskLock[] = [];
  const files = [`${paths.member}/.lock`];
  // A log elsewhere could be claimed by a second member with another data directory.
  if (!paths.wal.startsWith(`${paths.member}/`)) files.push(`${paths.wal}.lock`);
  for (const file of files) {
    const lock = await attempt("cannot access data directory", async () => {
      await makeDurableDirectory(disk, parentOf(file));
      return disk.lock(file);
    });
    if (lock !== undefined) {
      locks.push(lock);
      continue;
    }
    for (const held of locks) await held.release();
    throw locked(file === files[0] ? dataDir : paths.wal, "another process");
  }
  return locks;
}

async function refuseForeignLock(disk: Disk, dataDir: string, paths: DataDirPaths): Promise<void> {
  if (!(disk instanceof NodeDisk)) return;
  const files = [`${paths.snap}/db`];
  for (const { name } of await listSegments(disk, paths.wal)) files.push(`${paths.wal}/${name}`);
  const owner = await flockOwner(files);
  if (owner !== undefined) throw locked(dataDir, owner > 0 ? `process ${owner}` : "another process");
}

function locked(directory: string, owner: string): DataDirError {
  return new DataDirError(
    `cannot access data directory: ${directory}: fileutil: file already locked: it is in use by ${owner}; one data directory serves one running member`,
  );
}

/** Creates the directory or checks the permissions of the one that is there; then makes sure that it can be written. */
async function prepare(disk: Disk, path: string, complaint: string, logger: Logger): Promise<void> {
  await attempt(complaint, async () => {
    const stat = await disk.stat(path);
    if (stat === undefined) return makeDurableDirectory(disk, path);
    if (!stat.isDirectory) throw new DiskError("ENOTDIR", "mkdir", path);
    if (stat.mode === 0o700) return;
    logger.warn("check file permission", {
      error: `directory "${path}" exist, but the permission is "${modeText(stat.mode)}". The recommended permission is "drwx------" to prevent possible unprivileged access to the data`,
    });
  });
  await checkWritable(disk, path, complaint);
}

async function checkWritable(disk: Disk, path: string, complaint: string): Promise<void> {
  await attempt(complaint, async () => {
    const probe = await disk.open(`${path}/.touch`, "w+");
    await probe.close();
    await disk.remove(probe.path);
  });
}

async function warnOfStrangers(disk: Disk, dataDir: string, logger: Logger): Promise<void> {
  const names = await attempt("cannot access data directory", () => disk.list(dataDir));
  if (names.includes("member") && names.includes("proxy")) {
    throw new DataDirError("invalid datadir; both member and proxy directories exist");
  }
  for (const name of names) {
    if (name === "member" || name === "proxy") continue;
    logger.warn("found invalid file under data directory", { filename: name, "data-dir": dataDir });
  }
}

async function attempt<T>(complaint: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new DataDirError(`${complaint}: ${error.operation} ${error.path}: ${reasonOf(error.code)}`, {
      cause: error,
    });
  }
}

/** The system's words for an error, which is what operators search for. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  ENOTDIR: "not a directory",
  EEXIST: "file exists",
  EROFS: "read-only file system",
  ENOSPC: "no space left on device",
  EDQUOT: "disk quota exceeded",
  EMFILE: "too many open files",
  EIO: "input/output error",
};

function reasonOf(code: string): string {
  return REASONS[code] ?? code;
}

function modeText(mode: number): string {
  let text = "d";
  for (let bit = 8; bit >= 0; bit--) text += (mode >> bit) & 1 ? "rwx"[(8 - bit) % 3] : "-";
  return text;
}
