// A disk in memory, for tests and the simulator, that is honest about what a disk promises: nothing but what was synced.
// `crash` gives the disk that a member finds after losing power at this very moment. Unsynced sectors are there or not,
// each for itself; so are unsynced changes of directories, from some point on. After a failed sync the unsynced bytes
// are gone for good although reads still see them (as on Linux). Everything is decided by the Random handed in.
//
// `plan` is asked before every operation and may fail it or delay it; the simulator drives it from its virtual clock.
// A write is in the page cache from the call on, all other operations take effect when they complete.
//
// Left out: damage to bytes that were synced (tests flip those with `corrupt`), and directories in two places.

import {
  type Disk,
  DiskError,
  type DiskFile,
  type DiskLock,
  type FileStat,
  type OpenMode,
  type Random,
} from "#base";
import { MemoryDirectory, type MemoryNode } from "./memory-directory.js";
import { MemoryFile, SECTOR_BYTES, Survival } from "./memory-file.js";

export type DiskOperationKind =
  | "open"
  | "read"
  | "write"
  | "datasync"
  | "sync"
  | "truncate"
  | "mkdir"
  | "list"
  | "stat"
  | "rename"
  | "remove"
  | "syncdir"
  | "lock";

export interface DiskOperation {
  /** Counts the operations of this disk from 1. */
  readonly number: number;
  readonly kind: DiskOperationKind;
  readonly path: string;
  /** Bytes to read or write, 0 for others. */
  readonly bytes: number;
  /** The caller waits within the call. */
  readonly isSync: boolean;
}

/** What is to become of an operation. */
export interface DiskPlan {
  /** Fails it with this code: "EIO", "ENOSPC", … */
  readonly fail?: string;
  /** Called instead of completing it at once; `complete` must then be called, once, at a later time. */
  readonly delay?: (complete: () => void) => void;
}

const PROCEED: DiskPlan = {};

export class MemoryDisk implements Disk {
  /** Operations so far. */
  operations = 0;
  /** Asked before each operation. Synchronous operations ignore a delay. */
  plan: (operation: DiskOperation) => DiskPlan = () => PROCEED;
  /** Milliseconds since 1970, for modification times. */
  wallTime: () => number = () => 0;

  private root = new MemoryDirectory(0o755);
  private readonly locks = new Set<string>();
  private isDown = false;

  /** The disk after a power failure at this moment. This one fails every call from now on. */
  crash(random: Random): MemoryDisk {
    this.isDown = true;
    const modes: readonly Survival[] = [Survival.None, Survival.All, Survival.Mixed, Survival.Mixed];
    return this.withRoot(this.root.crash(random, modes[random.below(modes.length)]));
  }

  /**
   * The disk after the process was killed at this moment: the page cache is still there, and with it the difference
   * between what reads see and what is durable. This one fails every call from now on.
   */
  kill(): MemoryDisk {
    this.isDown = true;
    return this.withRoot(this.root);
  }

  /** A copy of what reads see, all of it durable. */
  clone(): MemoryDisk {
    return this.withRoot(this.root.clone());
  }

  /** Flips bits of a byte, in the page cache and on the medium: damage that no sync and no crash explains. */
  corrupt(path: string, position: number, xor: number): void {
    const file = this.fileAt("corrupt", path);
    const byte = file.read(position, 1);
    byte[0] ^= xor;
    file.write(position, byte);
    file.sync();
  }

  /** Fails operation number `number` (counted from now, 1 is the next one), and all later ones if `onward`. */
  failAt(number: number, code: string, onward = false): void {
    const target = this.operations + number;
    this.plan = (operation) => {
      const isHit = onward ? operation.number >= target : operation.number === target;
      return isHit ? { fail: code } : PROCEED;
    };
  }

  open(path: string, mode: OpenMode, permissions = 0o600): Promise<DiskFile> {
    return this.run("open", path, 0, () => {
      const [directory, name] = this.parentOf("open", path);
      const existing = directory.entries.get(name);
      if (existing instanceof MemoryDirectory) throw new DiskError("EISDIR", "open", path);
      if (existing !== undefined) {
        if (mode === "wx+") throw new DiskError("EEXIST", "open", path);
        if (mode === "w+") existing.truncate(0);
        return new OpenMemoryFile(this, path, existing, mode !== "r");
      }
      if (mode === "r" || mode === "r+") throw new DiskError("ENOENT", "open", path);
      const file = new MemoryFile(permissions);
      file.modifiedMs = this.wallTime();
      directory.add(name, file);
      return new OpenMemoryFile(this, path, file, true);
    });
  }

  makeDirectory(path: string, permissions = 0o700): Promise<void> {
    return this.run("mkdir", path, 0, () => {
      let directory = this.root;
      for (const name of partsOf(path)) {
        let child = directory.entries.get(name);
        if (child instanceof MemoryFile) throw new DiskError("ENOTDIR", "mkdir", path);
        if (child === undefined) {
          child = new MemoryDirectory(permissions);
          directory.add(name, child);
        }
        directory = child;
      }
    });
  }

  list(path: string): Promise<string[]> {
    return this.run("list", path, 0, () => [...this.directoryAt("readdir", path).entries.keys()].sort());
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.run("stat", path, 0, () => {
      const node = this.find(path);
      if (node === undefined) return undefined;
      const isDirectory = node instanceof MemoryDirectory;
      const size = isDirectory ? 0 : node.size;
      return { size, mode: node.permissions, isDirectory, modifiedMs: node.modifiedMs };
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.run("rename", from, 0, () => {
      const [source, name] = this.parentOf("rename", from);
      const [target, newName] = this.parentOf("rename", to);
      const node = source.entries.get(name);
      if (node === undefined) throw new DiskError("ENOENT", "rename", from);
      const replaced = target.entries.get(newName);
      if (replaced === node) return;
      if (replaced instanceof MemoryDirectory && replaced.entries.size > 0) {
        throw new DiskError("ENOTEMPTY", "rename", to);
      }
      source.rename(name, target, newName);
    });
  }

  remove(path: string): Promise<void> {
    return this.run("remove", path, 0, () => {
      const node = this.find(path);
      if (node === undefined) return;
      if (node instanceof MemoryDirectory) throw new DiskError("EISDIR", "remove", path);
      const [directory, name] = this.parentOf("remove", path);
      directory.remove(name);
    });
  }

  removeTree(path: string): Promise<void> {
    return this.run("remove", path, 0, () => {
      const node = this.find(path);
      if (node === undefined) return;
      if (node instanceof MemoryDirectory) empty(node);
      const [directory, name] = this.parentOf("remove", path);
      directory.remove(name);
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.run("syncdir", path, 0, () => this.directoryAt("syncdir", path).sync());
  }

  lock(path: string): Promise<DiskLock | undefined> {
    return this.run("lock", path, 0, () => {
      this.parentOf("lock", path);
      if (this.locks.has(path)) return undefined;
      this.locks.add(path);
      return { release: async () => void this.locks.delete(path) };
    });
  }

  /** Runs an operation by its plan. `onFail` is what a failure does to the disk. */
  run<T>(
    kind: DiskOperationKind,
    path: string,
    bytes: number,
    effect: () => T,
    onFail?: () => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const plan = this.ask(kind, path, bytes);
      let result: T | undefined;
      const isEarly = kind === "write" && plan.fail === undefined;
      if (isEarly) result = effect();
      const complete = (): void => {
        // A power failure while the operation was under way: nobody is left to hear of it.
        if (this.isDown) return;
        try {
          if (plan.fail !== undefined) {
            onFail?.();
            throw new DiskError(plan.fail, kind, path);
          }
          resolve(isEarly ? (result as T) : effect());
        } catch (error) {
          reject(error);
        }
      };
      if (plan.delay === undefined) complete();
      else plan.delay(complete);
    });
  }

  runSync(
    kind: DiskOperationKind,
    path: string,
    bytes: number,
    effect: () => void,
    onFail: () => void,
  ): void {
    const plan = this.ask(kind, path, bytes, true);
    if (plan.fail === undefined) return effect();
    onFail();
    throw new DiskError(plan.fail, kind, path);
  }

  private ask(kind: DiskOperationKind, path: string, bytes: number, isSync = false): DiskPlan {
    this.operations++;
    const plan = this.isDown ? PROCEED : this.plan({ number: this.operations, kind, path, bytes, isSync });
    // The plan itself may have cut the power.
    if (this.isDown) throw new DiskError("EIO", kind, path, new Error("the disk has lost power"));
    return plan;
  }

  private withRoot(root: MemoryDirectory): MemoryDisk {
    const disk = new MemoryDisk();
    disk.root = root;
    disk.wallTime = this.wallTime;
    return disk;
  }

  private find(path: string): MemoryNode | undefined {
    let node: MemoryNode | undefined = this.root;
    for (const name of partsOf(path)) {
      if (!(node instanceof MemoryDirectory)) return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  private directoryAt(operation: string, path: string): MemoryDirectory {
    const node = this.find(path);
    if (node instanceof MemoryDirectory) return node;
    throw new DiskError(node === undefined ? "ENOENT" : "ENOTDIR", operation, path);
  }

  private fileAt(operation: string, path: string): MemoryFile {
    const node = this.find(path);
    if (node instanceof MemoryFile) return node;
    throw new DiskError(node === undefined ? "ENOENT" : "EISDIR", operation, path);
  }

  private parentOf(operation: string, path: string): [MemoryDirectory, string] {
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) throw new DiskError("EBUSY", operation, path);
    return [this.directoryAt(operation, parts.join("/")), name];
  }
}

class OpenMemoryFile implements DiskFile {
  readonly path: string;
  private readonly disk: MemoryDisk;
  private readonly file: MemoryFile;
  private readonly writable: boolean;
  private isClosed = false;

  constructor(disk: MemoryDisk, path: string, file: MemoryFile, writable: boolean) {
    this.disk = disk;
    this.path = path;
    this.file = file;
    this.writable = writable;
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.disk.run("read", this.path, length, () => {
      this.check("read", true);
      return this.file.read(position, length);
    });
  }

  write(position: number, bytes: Uint8Array): Promise<void> {
    return this.disk.run(
      "write",
      this.path,
      bytes.length,
      () => this.store(position, bytes),
      () => this.storeHalf(position, bytes),
    );
  }

  writeSync(position: number, bytes: Uint8Array): void {
    this.disk.runSync(
      "write",
      this.path,
      bytes.length,
      () => this.store(position, bytes),
      () => this.storeHalf(position, bytes),
    );
  }

  datasync(): Promise<void> {
    return this.syncAs("datasync");
  }

  sync(): Promise<void> {
    return this.syncAs("sync");
  }

  datasyncSync(): void {
    const { file } = this;
    this.disk.runSync(
      "datasync",
      this.path,
      0,
      () => file.sync(),
      () => file.loseDirty(),
    );
  }

  truncate(size: number): Promise<void> {
    return this.disk.run("truncate", this.path, 0, () => {
      this.check("truncate", this.writable);
      this.file.truncate(size);
    });
  }

  async size(): Promise<number> {
    this.check("stat", true);
    return this.file.size;
  }

  async close(): Promise<void> {
    this.check("close", true);
    this.isClosed = true;
  }

  private syncAs(kind: "datasync" | "sync"): Promise<void> {
    return this.disk.run(
      kind,
      this.path,
      0,
      () => {
        this.check(kind, true);
        this.file.sync();
      },
      () => this.file.loseDirty(),
    );
  }

  private store(position: number, bytes: Uint8Array): void {
    this.check("write", this.writable);
    this.file.write(position, bytes);
    this.file.modifiedMs = this.disk.wallTime();
  }

  /** A failed write leaves some of it behind: whole sectors, since memory is given out in even larger pieces. */
  private storeHalf(position: number, bytes: Uint8Array): void {
    const end = Math.floor((position + bytes.length / 2) / SECTOR_BYTES) * SECTOR_BYTES;
    if (end > position) this.store(position, bytes.subarray(0, end - position));
  }

  private check(operation: string, isAllowed: boolean): void {
    if (this.isClosed || !isAllowed) throw new DiskError("EBADF", operation, this.path);
  }
}

function empty(directory: MemoryDirectory): void {
  for (const [name, node] of [...directory.entries]) {
    if (node instanceof MemoryDirectory) empty(node);
    directory.remove(name);
  }
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}
