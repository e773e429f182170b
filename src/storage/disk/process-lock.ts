// A lock that one process holds on a file path and that dies with the process. etcd uses flock(2); Node offers no flock,
// and a native module for it would have to be built or downloaded. A listening socket has the two properties that
// matter: the kernel lets one process have it, and takes it back at any death, SIGKILL included. No file that a crash
// could leave behind means anything, so there is never a stale lock for an operator to remove.
//
// Linux: two sockets, taken in this order.
// 1. An abstract socket named by the device and inode of the lock's directory (so that a bind mount, a symlink or
//    another spelling of the path is the same lock). Binding is atomic, which decides every race on one machine. But
//    abstract names belong to a network namespace: two containers with a shared volume do not see each other's.
// 2. A socket in the file system, at the path itself, which all containers do see. Its file outlives its owner, but then
//    refuses connections: an answered connection means held, a refused one means free. Two containers that start in the
//    same millisecond on a stale file could both pass; each then looks again whether the file is still its own.
//    A file system that cannot hold sockets leaves us with the first lock alone.
// Elsewhere: the second alone; on Windows a named pipe, which is process-scoped by itself.
//
// The path is reached through the directory's descriptor, since a socket's path may not exceed 107 bytes.

import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import type { DiskLock } from "#base";

/** How long a rival that found the same stale file may take to replace it; see (2) above. */
const SETTLE_MS = 20;

/** Takes the lock at `lockFile`, whose directory must exist. Undefined: somebody alive has it. */
export async function lockPath(lockFile: string): Promise<DiskLock | undefined> {
  const directory = path.dirname(path.resolve(lockFile));
  const stat = fs.statSync(directory, { bigint: true });
  const name = createHash("sha256")
    .update(`${stat.dev}:${stat.ino}:${path.basename(lockFile)}`)
    .digest("hex")
    .slice(0, 40);
  const held = new HeldLock();
  try {
    if (process.platform === "win32")
      return (await held.bind(`\\\\.\\pipe\\etcd-${name}`)) ? held : undefined;
    if (process.platform === "linux" && !(await held.bind(`\0etcd-${name}`))) return undefined;
    if (await takeSocketFile(held, directory, path.basename(lockFile), name)) return held;
  } catch (error) {
    await held.release();
    throw error;
  }
  await held.release();
  return undefined;
}

class HeldLock implements DiskLock {
  private readonly servers: net.Server[] = [];
  private file = "";
  private inode = 0n;
  private directoryFd = -1;

  /** False when another process has the address. */
  async bind(address: string): Promise<boolean> {
    const server = net.createServer((socket) => socket.destroy());
    const code = await new Promise<string>((resolve) => {
      server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "EIO"));
      server.listen({ path: address }, () => resolve(""));
    });
    if (code === "EADDRINUSE") return false;
    if (code !== "") throw Object.assign(new Error(`cannot bind the lock: ${code}`), { code });
    server.unref();
    this.servers.push(server);
    return true;
  }

  /** The descriptor stays open as long as the socket: closing the server unlinks by the path that it was bound with. */
  openDirectory(directory: string): number {
    this.directoryFd = fs.openSync(directory, "r");
    return this.directoryFd;
  }

  /** Remembers the socket file, to be removed on release if it is still ours by then. */
  own(file: string): void {
    this.file = file;
    this.inode = fs.lstatSync(file, { bigint: true }).ino;
  }

  stillOwns(): boolean {
    return fs.lstatSync(this.file, { bigint: true, throwIfNoEntry: false })?.ino === this.inode;
  }

  async release(): Promise<void> {
    if (this.file !== "" && this.stillOwns()) fs.rmSync(this.file, { force: true });
    this.file = "";
    for (const server of this.servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    if (this.directoryFd >= 0) fs.closeSync(this.directoryFd);
    this.directoryFd = -1;
  }
}

async function takeSocketFile(
  held: HeldLock,
  directory: string,
  base: string,
  name: string,
): Promise<boolean> {
  const onLinux = process.platform === "linux";
  const file = onLinux ? path.join(directory, base) : shortPath(path.join(directory, base), name);
  const address = onLinux ? `/proc/self/fd/${held.openDirectory(directory)}/${base}` : file;
  if (await isAnswered(address)) return false;
  fs.rmSync(file, { force: true });
  if (!(await bindWherePossible(held, address))) return false;
  if (fs.lstatSync(file, { throwIfNoEntry: false }) === undefined) return true;
  held.own(file);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return held.stillOwns();
}

/** True also where the file system has no sockets: then the abstract socket is the lock. */
async function bindWherePossible(held: HeldLock, address: string): Promise<boolean> {
  try {
    return await held.bind(address);
  } catch (error) {
    if (process.platform === "linux" && SOCKETLESS.has((error as NodeJS.ErrnoException).code ?? ""))
      return true;
    throw error;
  }
}

const SOCKETLESS = new Set(["EOPNOTSUPP", "ENOTSUP", "EPERM", "EINVAL", "ENOSYS", "EACCES", "EROFS"]);

function shortPath(file: string, name: string): string {
  return Buffer.byteLength(file) < 100 ? file : path.join(os.tmpdir(), `etcd-${name.slice(0, 24)}`);
}

/** Whether a live process has the socket. Only "nobody listens" and "no such socket" mean no: in doubt it is held. */
function isAnswered(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path: address });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(!UNHELD.has(error.code ?? "")));
  });
}

const UNHELD = new Set(["ECONNREFUSED", "ENOENT", "ENOTSOCK", "EPROTOTYPE"]);
