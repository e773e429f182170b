// The files of an lmdb backend: `<path>` and `<path>-lock` (lmdb's table of readers), and `<path>.new` with its own lock
// while a replacement is being built. A replacement comes into effect by one rename, so a crash leaves the old file or the
// new one; what it may leave besides is removed at open.

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { LmdbOptions } from "./lmdb-environment.js";
import { LmdbFile } from "./lmdb-file.js";
import { startViewThread } from "./lmdb-view.js";
import type { ImportRequest } from "./view-worker.js";

export function temporaryPath(path: string): string {
  return `${path}.new`;
}

/** Whether there is no database at `path`; an empty file is none: lmdb writes it with its first transaction. */
export function isAbsent(path: string): boolean {
  return !existsSync(path) || statSync(path).size === 0;
}

/** Refuses a file that lmdb would map although it is cut or no database: reading behind its end would kill the process. */
export function checkBeforeMapping(path: string): void {
  const file = new LmdbFile(path);
  try {
    file.checkLength();
  } finally {
    file.close();
  }
}

/** Builds the temporary file from a bbolt image, in a thread. On failure nothing is left of it. */
export async function importTemporary(imagePath: string, options: LmdbOptions): Promise<void> {
  removeTemporary(options.path);
  const host = startViewThread(imagePath);
  try {
    const path = temporaryPath(options.path);
    const request: ImportRequest = { imagePath, path, unsafeNoFsync: options.unsafeNoFsync };
    await host.request("import", request);
  } catch (error) {
    removeTemporary(options.path);
    throw error;
  } finally {
    await host.terminate();
  }
}

/** Renames the temporary file to `path`, durably. */
export async function putInPlace(path: string): Promise<void> {
  const next = temporaryPath(path);
  renameSync(next, path);
  renameSync(lockPath(next), lockPath(path));
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

export function removeTemporary(path: string): void {
  rmSync(temporaryPath(path), { force: true });
  rmSync(lockPath(temporaryPath(path)), { force: true });
}

/** Makes the creation of `path` durable. */
export function syncParent(path: string): void {
  const fd = openSync(dirname(path), "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function lockPath(path: string): string {
  return `${path}-lock`;
}
