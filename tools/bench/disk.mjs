// Waits for a calm disk. After gigabytes have been written, or freed, a virtual disk may go on stalling syncs for a minute,
// whoever asks for them; what is measured meanwhile says nothing of the program.

import { closeSync, fdatasyncSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const FILE_BYTES = 4 * 1024 * 1024;
const WRITE_BYTES = 350;
const PAUSE_MS = 10;
/** A sync that takes longer is a stall. */
const STALL_MS = 12;
const CALM_MS = 8_000;
const PATIENCE_MS = 90_000;

/** Resolves once no sync in `folder` has stalled for some seconds, or when patience is over.
 *  @returns {Promise<string>} how it went, in words */
export async function calmDisk(folder) {
  const path = join(folder, "calm-disk");
  const file = openSync(path, "w");
  try {
    writeSync(file, Buffer.alloc(FILE_BYTES, 1));
    fsyncSync(file);
    const bytes = Buffer.alloc(WRITE_BYTES, 2);
    const began = performance.now();
    let calmSince = began;
    for (let n = 0; ; n++) {
      const start = performance.now();
      writeSync(file, bytes, 0, WRITE_BYTES, (n * WRITE_BYTES) % (FILE_BYTES - WRITE_BYTES));
      fdatasyncSync(file);
      const now = performance.now();
      if (now - start > STALL_MS) calmSince = now;
      const waited = `${((now - began) / 1000).toFixed(0)} s`;
      if (now - calmSince > CALM_MS) return `the disk was calm after ${waited}`;
      if (now - began > PATIENCE_MS) return `the disk was not calm within ${waited}`;
      await sleep(PAUSE_MS);
    }
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}
