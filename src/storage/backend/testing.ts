// For tests of this room only: a disk in memory that forgets what was not synced, and a plain model of a backend.

import { Buffer } from "node:buffer";
import { type Disk, DiskError, type DiskFile, type DiskLock, type FileStat } from "#base";

interface Content {
  durable: Uint8Array;
  current: Uint8Array;
}

/** Files in memory; directories are not modelled. `crash` drops what was not synced. */
export class CrashDisk implements Disk {
  private readonly files = new Map<string, Content>();
  private durableNames = new Map<string, Content>();
  /** Fails the nth write or sync from now with ENOSPC; 0 for never. */
  failAfter = 0;

  /** Loses what was not synced; of a torn last write `keep` bytes arrive. */
  crash(keep = 0): void {
    this.files.clear();
    for (const [path, content] of this.durableNames) {
      const torn = content.current.subarray(
        0,
        Math.min(content.current.length, content.durable.length + keep),
      );
      content.current = torn.length > content.durable.length ? torn.slice() : content.durable.slice();
      content.durable = content.current.slice();
      this.files.set(path, content);
    }
  }

  contentOf(path: string): Uint8Array | undefined {
    return this.files.get(path)?.current;
  }

  setContent(path: string, bytes: Uint8Array): void {
    const content = { durable: bytes.slice(), current: bytes.slice() };
    this.files.set(path, content);
    this.durableNames.set(path, content);
  }

  async open(path: string, mode: string): Promise<DiskFile> {
    let content = this.files.get(path);
    if (content === undefined) {
      if (mode === "r" || mode === "r+") throw new DiskError("ENOENT", "open", path);
      content = { durable: new Uint8Array(0), current: new Uint8Array(0) };
      this.files.set(path, content);
    } else if (mode === "w+") content.current = new Uint8Array(0);
    return new CrashFile(this, path, content);
  }

  async makeDirectory(): Promise<void> {}

  async list(path: string): Promise<string[]> {
    return [...this.files.keys()].filter((name) => name.startsWith(`${path}/`)).sort();
  }

  async stat(path: string): Promise<FileStat | undefined> {
    const content = this.files.get(path);
    if (content === undefined) return undefined;
    return { size: content.current.length, mode: 0o600, isDirectory: false, modifiedMs: 0 };
  }

  async rename(from: string, to: string): Promise<void> {
    const content = this.files.get(from);
    if (content === undefined) throw new DiskError("ENOENT", "rename", from);
    this.files.delete(from);
    this.files.set(to, content);
  }

  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }

  async removeTree(path: string): Promise<void> {
    for (const name of await this.list(path)) this.files.delete(name);
  }

  async syncDirectory(): Promise<void> {
    this.durableNames = new Map(this.files);
  }

  async lock(): Promise<DiskLock | undefined> {
    return { release: async () => {} };
  }

  /** @internal */
  step(path: string): void {
    if (this.failAfter > 0 && --this.failAfter === 0) throw new DiskError("ENOSPC", "write", path);
  }
}

class CrashFile implements DiskFile {
  constructor(
    private readonly disk: CrashDisk,
    readonly path: string,
    private readonly content: Content,
  ) {}

  async read(position: number, length: number): Promise<Uint8Array> {
    return this.content.current.slice(position, position + length);
  }

  async write(position: number, bytes: Uint8Array): Promise<void> {
    this.writeSync(position, bytes);
  }

  writeSync(position: number, bytes: Uint8Array): void {
    this.disk.step(this.path);
    const end = position + bytes.length;
    if (end > this.content.current.length) {
      const grown = new Uint8Array(end);
      grown.set(this.content.current);
      this.content.current = grown;
    }
    this.content.current.set(bytes, position);
  }

  async datasync(): Promise<void> {
    this.datasyncSync();
  }

  datasyncSync(): void {
    this.disk.step(this.path);
    this.content.durable = this.content.current.slice();
  }

  async sync(): Promise<void> {
    this.datasyncSync();
  }

  async truncate(size: number): Promise<void> {
    this.content.current = this.content.current.slice(0, size);
  }

  async size(): Promise<number> {
    return this.content.current.length;
  }

  async close(): Promise<void> {}
}

/** The bytes of a text. */
export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}
