// Gives the space of a file that was replaced back in small steps. Freeing hundreds of megabytes at once is one transaction
// of the file system and, where freed space is discarded, one long command to the disk: a sync of the log waits for both.

import { close, fstat, ftruncate, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const STEP_BYTES = 8 << 20;
const PAUSE_MS = 20;

/** Keeps hold of a file's space, whatever becomes of its name, until `run`. */
export class GradualRelease {
  private readonly fd: number;
  private running: Promise<void> | undefined;
  private isHurried = false;

  /** @param path the file, while it still has its name */
  constructor(path: string) {
    this.fd = openSync(path, "r+");
  }

  /** Empties the file bit by bit and closes it. Only once it has no name and nobody reads it. */
  run(): Promise<void> {
    this.running ??= this.empty();
    return this.running;
  }

  /** Leaves the rest to the closing of the file; done when it is closed. */
  hurry(): Promise<void> {
    this.isHurried = true;
    return this.run();
  }

  private async empty(): Promise<void> {
    try {
      const { size } = await promisify(fstat)(this.fd);
      for (let left = size - STEP_BYTES; left > 0 && !this.isHurried; left -= STEP_BYTES) {
        await promisify(ftruncate)(this.fd, left);
        await sleep(PAUSE_MS, undefined, { ref: false });
      }
    } finally {
      await promisify(close)(this.fd);
    }
  }
}
