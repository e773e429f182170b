// For the tests of this room: a bucket in memory.

import { hexOf } from "#base";
import type { LeaseBackend } from "./lessor.js";

export class MemoryLeases implements LeaseBackend {
  private readonly records = new Map<string, readonly [Uint8Array, Uint8Array]>();

  put(_bucket: "lease", key: Uint8Array, value: Uint8Array): void {
    this.records.set(hexOf(key), [key, value]);
  }

  delete(_bucket: "lease", key: Uint8Array): void {
    this.records.delete(hexOf(key));
  }

  scan(_bucket: "lease", visit: (key: Uint8Array, value: Uint8Array) => boolean | undefined): void {
    for (const name of [...this.records.keys()].sort()) {
      const [key, value] = this.records.get(name)!;
      if (visit(key, value) === false) return;
    }
  }

  /** Hexadecimal, a line per record. */
  dump(): string {
    const lines: string[] = [];
    this.scan("lease", (key, value) => {
      lines.push(`${hexOf(key)} ${hexOf(value)}`);
      return true;
    });
    return lines.join("\n");
  }
}
