// The Disk port over node:fs. Plain descriptors and the callback calls of node:fs rather than FileHandle: no finalizer
// can close a log file behind our back, and the synchronous calls work on the same descriptor. Files are created 0600
// and directories 0700, since values, password hashes and tokens end up in them. Writes are positional and retried until
// all bytes are taken; a short read means the end of the file and nothing else.
//
// Left out: O_DIRECT and io_uring. The log is one small append and one fdatasync at a time; the page cache costs nothing.

import * as fs from "node:fs";
import { type Disk, DiskError, type DiskFile, type DiskLock, type FileStat, type OpenMode } from "#base";
import { lockPath } from "./process-lock.js";

const FILE_PERMISSIONS = 0o600;
const DIRECTORY_PERMISSIONS = 0o700;

/** Real files. One instance may serve any number of members: it holds no state. */
export class NodeDisk implements Disk {
  open(path: string, mode: OpenMode, permissions = FILE_PERMISSIONS): Promise<DiskFile> {
    return new Promise((resolve, reject) => {
      fs.open(path, mode, permissions, (error, fd) => {
        if (error) reject(diskError(error, "open", path));
        else resolve(new NodeFile(path, fd));
      });
    });
  }

  async makeDirectory(path: string, permissions = DIRECTORY_PERMISSIONS): Promise<void> {
    await settle("mkdir", path, fs.promises.mkdir(path, { recursive: true, mode: permissions }));
  }

  async list(path: string): Promise<string[]> {
    const names = await settle("readdir", path, fs.promises.readdir(path));
    return names.sort();
  }

  async stat(path: string): Promise<FileStat | undefined> {
    try {
      const stat = await fs.promises.stat(path);
      return {
        size: stat.size,
        mode: stat.mode & 0o777,
        isDirectory: stat.isDirectory(),
        modifiedMs: stat.mtimeMs,
      };
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw diskError(error, "stat", path);
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await settle("rename", from, fs.promises.rename(from, to));
  }

  async remove(path: string): Promise<void> {
    await settle("remove", path, fs.promises.rm(path, { force: true }));
  }

  async removeTree(path: string): Promise<void> {
    await settle("remove", path, fs.promises.rm(path, { force: true, recursive: true }));
  }

  /** Windows cannot open a directory and needs no such call; everywhere else a failure counts. */
  async syncDirectory(path: string): Promise<void> {
    if (process.platform === "win32") return;
    const handle = await settle("open", path, fs.promises.open(path, "r"));
    try {
      await settle("sync", path, handle.sync());
    } finally {
      await settle("close", path, handle.close());
    }
  }

  async lock(path: string): Promise<DiskLock | undefined> {
    return settle("lock", path, lockPath(path));
  }
}

class NodeFile implements DiskFile {
  readonly path: string;
  private readonly fd: number;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  read(position: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(length);
    return new Promise((resolve, reject) => this.readFrom(buffer, 0, position, resolve, reject));
  }

  private readFrom(
    buffer: Buffer,
    filled: number,
    position: number,
    resolve: (bytes: Uint8Array) => void,
    reject: (error: DiskError) => void,
  ): void {
    if (filled === buffer.length) return resolve(buffer);
    fs.read(this.fd, buffer, filled, buffer.length - filled, position + filled, (error, count) => {
      if (error) reject(diskError(error, "read", this.path));
      else if (count === 0) resolve(buffer.subarray(0, filled));
      else this.readFrom(buffer, filled + count, position, resolve, reject);
    });
  }

  write(position: number, bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => this.writeFrom(bytes, 0, position, resolve, reject));
  }

  private writeFrom(
    bytes: Uint8Array,
    written: number,
    position: number,
    resolve: () => void,
    reject: (error: DiskError) => void,
  ): void {
    if (written === bytes.length) return resolve();
    fs.write(this.fd, bytes, written, bytes.length - written, position + written, (error, count) => {
      if (error) reject(diskError(error, "write", this.path));
      else if (count === 0) reject(new DiskError("ENOSPC", "write", this.path));
      else this.writeFrom(bytes, written + count, position, resolve, reject);
    });
  }

  writeSync(position: number, bytes: Uint8Array): void {
    try {
      for (let written = 0; written < bytes.length; ) {
        const count = fs.writeSync(this.fd, bytes, written, bytes.length - written, position + written);
        if (count === 0) throw new DiskError("ENOSPC", "write", this.path);
        written += count;
      }
    } catch (error) {
      throw diskError(error, "write", this.path);
    }
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.fd, (error) => {
        if (error) reject(diskError(error, "datasync", this.path));
        else resolve();
      });
    });
  }

  datasyncSync(): void {
    try {
      fs.fdatasyncSync(this.fd);
    } catch (error) {
      throw diskError(error, "datasync", this.path);
    }
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fsync(this.fd, (error) => {
        if (error) reject(diskError(error, "sync", this.path));
        else resolve();
      });
    });
  }

  truncate(size: number): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.ftruncate(this.fd, size, (error) => {
        if (error) reject(diskError(error, "truncate", this.path));
        else resolve();
      });
    });
  }

  size(): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.fd, (error, stat) => {
        if (error) reject(diskError(error, "stat", this.path));
        else resolve(stat.size);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.close(this.fd, (error) => {
        if (error) reject(diskError(error, "close", this.path));
        else resolve();
      });
    });
  }
}

async function settle<T>(operation: string, path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw diskError(error, operation, path);
  }
}

function diskError(error: unknown, operation: string, path: string): DiskError {
  return error instanceof DiskError ? error : new DiskError(codeOf(error), operation, path, error);
}

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return "EIO";
}
