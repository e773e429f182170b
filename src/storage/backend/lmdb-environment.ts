// The one place that talks to lmdb-js: a single unnamed tree with binary keys and values. What is used of the library
// is small: get through a reusable buffer, put and remove inside a synchronous transaction (writer threads only), and
// read transactions held open so that a view's pages are not reused.
//
// Flags: no write map (dirty pages live in the heap until commit; a stray pointer cannot touch the file, and the map's
// pages do not become resident by writing). No overlapping sync: a transaction that returned is on the disk. The map is
// virtual address space only; lmdb-js enlarges it by itself when the file outgrows it.

import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { getSystemErrorName } from "node:util";
import { asBinary, open, type RootDatabase } from "lmdb";
import { DiskError, EMPTY_BYTES } from "#base";

/** First size of the memory map. Growing it later is possible, but leaves the old map behind until close. */
const MAP_BYTES = 32 * 1024 ** 3;
const SYNCHRONOUS_COMMIT = 2;
const ERRNO_MAX = 4095;
/** A file system with less space left than one large write is full. */
const FULL_BELOW_BYTES = 1 << 20;

export interface LmdbOptions {
  readonly path: string;
  /** Skips every fsync: a power cut may destroy the file. */
  readonly unsafeNoFsync: boolean;
}

export interface TreeStatistics {
  readonly pageSize: number;
  /** Pages reachable from the newest transaction, the two meta pages included. */
  readonly usedPages: number;
  readonly entries: number;
}

/** A read transaction held open. */
export interface Pin {
  release(): void;
}

const APPEND = { append: true } as const;

interface PageCounts {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/** A buffer whose value lmdb-js finds between `start` and `end`, which saves a view per record. */
export interface ValueBuffer extends Buffer {
  start: number;
  end: number;
}

export class LmdbEnvironment {
  private readonly db: RootDatabase<Uint8Array, Uint8Array>;
  readonly path: string;
  /** What `get` found. */
  value: Uint8Array = EMPTY_BYTES;
  private lastFound: Buffer | undefined;

  constructor(options: LmdbOptions) {
    this.path = options.path;
    const settings = {
      path: options.path,
      noSubdir: true,
      encoding: "binary" as const,
      keyEncoding: "binary" as const,
      mapSize: MAP_BYTES,
      overlappingSync: false,
      noMemInit: true,
      noSync: options.unsafeNoFsync,
      permissionsMode: 0o600,
    };
    this.db = checked(options.path, "open", () => open<Uint8Array, Uint8Array>(settings));
  }

  /**
   * Fetches the stored value into `value[0, result)`, where the next call may overwrite it.
   * @returns its length, -1 when there is none
   */
  get(key: Uint8Array): number {
    const found = this.db.getBinaryFast(key);
    if (found === undefined) return -1;
    // lmdb-js reuses one buffer whose `length` it sets by hand. That makes it a slow object to index, so reads go
    // through a plain array over the same memory.
    if (found !== this.lastFound) {
      this.lastFound = found;
      this.value = new Uint8Array(found.buffer, found.byteOffset);
    }
    return found.length;
  }

  /** Makes later reads see the newest transaction. */
  refresh(): void {
    this.db.resetReadTxn();
  }

  /** Keeps every page of the newest transaction as it is. */
  pin(): Pin {
    this.db.resetReadTxn();
    const transaction = this.db.useReadTransaction();
    return { release: () => transaction.done() };
  }

  /** Runs `write` in one transaction that is durable when this returns; an exception aborts it. */
  transact(write: () => void): void {
    checked(this.path, "commit", () => this.db.transactionSync(write, SYNCHRONOUS_COMMIT));
  }

  /** Only inside `transact`. */
  put(key: Uint8Array, value: ReturnType<typeof asBinary>): void {
    this.db.put(key, value as Uint8Array);
  }

  /** As `put`, cheaper for a key behind all others: it goes to the end of the tree without a search. */
  append(key: Uint8Array, value: ReturnType<typeof asBinary>): void {
    // Inside a transaction it says whether it could; the declared type knows only the other use.
    const isAppended: unknown = this.db.putSync(key, value as Uint8Array, APPEND);
    if (isAppended !== true) this.put(key, value);
  }

  /** Only inside `transact`. A key that is not there is no error. */
  remove(key: Uint8Array): void {
    this.db.remove(key);
  }

  statistics(): TreeStatistics {
    this.db.resetReadTxn();
    const stats = this.db.getStats() as PageCounts & {
      pageSize: number;
      entryCount: number;
      free: PageCounts;
    };
    const usedPages = 2 + pagesOf(stats) + pagesOf(stats.free);
    return { pageSize: stats.pageSize, usedPages, entries: stats.entryCount };
  }

  async close(): Promise<void> {
    await this.db.close();
  }
}

/** Wraps a buffer (at offset 0 of its memory) for `put`. */
export function valueHandle(buffer: ValueBuffer): ReturnType<typeof asBinary> {
  return asBinary(buffer);
}

function pagesOf(counts: PageCounts): number {
  return counts.treeBranchPageCount + counts.treeLeafPageCount + counts.overflowPages;
}

/** Turns the library's numeric system errors (ENOSPC, EIO, EACCES) into DiskErrors; its own errors pass. */
function checked<T>(path: string, operation: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const number = error instanceof Error && "code" in error ? error.code : undefined;
    if (typeof number !== "number" || number <= 0 || number > ERRNO_MAX) throw error;
    const code = getSystemErrorName(-number);
    // A disk that fills up in the middle of a write makes lmdb see a short write, which it calls EIO.
    throw new DiskError(code === "EIO" && isFull(path) ? "ENOSPC" : code, operation, path, error);
  }
}

function isFull(path: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize < FULL_BELOW_BYTES;
}
