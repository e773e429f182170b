// The ports: everything that a member reaches outside its own memory. The product binds them to Node (storage binds
// Disk, embed binds Clock), the simulator to its virtual world. Nothing but their bindings may touch the real thing.

/** A running timer; opaque to its owner. */
export type Timer = unknown;

/** Time. Two clocks: one that never goes back, for durations; one that tells the hour and may jump. */
export interface Clock {
  /** Milliseconds on a clock that never goes backwards, with fractions. Its zero means nothing. */
  now(): number;
  /** Milliseconds since 1970 by the wall clock. */
  wallTime(): number;
  /** Calls `callback` once, at least `delayMs` from now. */
  setTimer(delayMs: number, callback: () => void): Timer;
  clearTimer(timer: Timer): void;
  /** Calls `callback` in the next turn of the event loop: whatever input is ready by then comes first. */
  setNext(callback: () => void): void;
}

/** What a failed file operation throws. `code` is the system's (ENOSPC, EIO, ENOENT, EEXIST, EACCES, …). */
export class DiskError extends Error {
  override readonly name = "DiskError";
  readonly code: string;
  readonly operation: string;
  readonly path: string;

  constructor(code: string, operation: string, path: string, cause?: unknown) {
    super(`${operation} ${path}: ${code}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.operation = operation;
    this.path = path;
  }
}

/** "r" read; "r+" read and write, must exist; "w+" create or truncate; "wx+" create, must not exist. */
export type OpenMode = "r" | "r+" | "w+" | "wx+";

export interface FileStat {
  readonly size: number;
  /** Permission bits, for example 0o600. */
  readonly mode: number;
  readonly isDirectory: boolean;
  readonly modifiedMs: number;
}

/** An open file. Positions are bytes from the start. Every failure is a `DiskError`. */
export interface DiskFile {
  readonly path: string;
  /** Up to `length` bytes; fewer only at the end of the file. The result belongs to the caller. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** Writes all of `bytes`, which must not change until the promise settles. */
  write(position: number, bytes: Uint8Array): Promise<void>;
  /** Writes all of `bytes` before it returns. For the short writes of the log, where a thread hop costs more. */
  writeSync(position: number, bytes: Uint8Array): void;
  /** Makes data (and the size needed to read it back) durable. */
  datasync(): Promise<void>;
  datasyncSync(): void;
  /** Makes data and metadata durable. */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** A held lock; released by `release` or by the end of the process. */
export interface DiskLock {
  release(): Promise<void>;
}

/** Files and directories. Every failure is a `DiskError`; `stat` alone answers undefined for what is not there. */
export interface Disk {
  open(path: string, mode: OpenMode, permissions?: number): Promise<DiskFile>;
  /** Creates the directory and its missing parents; existing ones are left as they are. */
  makeDirectory(path: string, permissions?: number): Promise<void>;
  /** Names (not paths) in the directory, sorted. */
  list(path: string): Promise<string[]>;
  stat(path: string): Promise<FileStat | undefined>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; a file that is not there is no error. */
  remove(path: string): Promise<void>;
  /** Removes a directory and all below it; what is not there is no error. */
  removeTree(path: string): Promise<void>;
  /** Makes creations, renames and removals in this directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Takes an exclusive lock on the file at `path` (created if missing), or undefined when another process holds it. */
  lock(path: string): Promise<DiskLock | undefined>;
}

export type LogLevel = "debug" | "info" | "warn" | "error" | "fatal";

/** Structured logs: a fixed message text and fields. The message texts that operators wait for are etcd's. */
export interface Logger {
  isEnabled(level: LogLevel): boolean;
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Drops everything. */
export const SILENT: Logger = {
  isEnabled: () => false,
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
};
