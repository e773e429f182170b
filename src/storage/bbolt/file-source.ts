// An image in a file of the real disk, read in place.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { CorruptImageError } from "./format.js";
import type { ImageSource } from "./image-reader.js";

export class FileSource implements ImageSource {
  readonly size: number;
  private readonly fd: number;

  /** Throws the system's error when the file cannot be opened. */
  constructor(readonly path: string) {
    this.fd = openSync(path, "r");
    this.size = fstatSync(this.fd).size;
  }

  read(position: number, length: number): Uint8Array {
    const out = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.fd, out, done, length - done, position + done);
      if (count === 0) throw new CorruptImageError(this.path, position + done, "the file ends early");
      done += count;
    }
    return out;
  }

  close(): void {
    closeSync(this.fd);
  }
}
