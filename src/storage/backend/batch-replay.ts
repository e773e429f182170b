// Replays operation logs (write-batch.ts) into lmdb: one call, one transaction. Runs in the threads that write.

import { assert } from "#base";
import { type LmdbEnvironment, type ValueBuffer, valueHandle } from "./lmdb-environment.js";
import { REVISION_PREFIX, writeSum } from "./record.js";
import { OP_DELETE, OP_HEADER, OP_PUT } from "./write-batch.js";

/** A part of an operation log. */
export interface LogPart {
  readonly bytes: Uint8Array;
  readonly used: number;
}

export class BatchReplay {
  private local = Buffer.allocUnsafeSlow(1 << 20) as ValueBuffer;
  /** One buffer per key length: lmdb-js copies the key at once. */
  private readonly keys = new Map<number, Buffer>();

  constructor(private readonly environment: LmdbEnvironment) {}

  /** Writes the logs in order; on an exception nothing of them is written. */
  write(parts: readonly LogPart[]): void {
    this.environment.transact(() => {
      for (const part of parts) this.replay(part);
    });
  }

  private replay({ bytes, used }: LogPart): void {
    if (used > this.local.length) this.local = Buffer.allocUnsafeSlow(used) as ValueBuffer;
    const { local, environment } = this;
    // A private copy: sums are written into it, and lmdb-js cannot take the address of shared memory.
    local.set(used === bytes.length ? bytes : bytes.subarray(0, used));
    const value = valueHandle(local);
    for (let at = 0; at < used; ) {
      const kind = local[at];
      const keyLength = local.readUInt16LE(at + 2);
      const keyStart = at + OP_HEADER;
      const valueStart = keyStart + keyLength;
      const end = valueStart + local.readUInt32LE(at + 4);
      const key = this.keyOf(keyStart, keyLength);
      if (kind === OP_PUT) {
        writeSum(local, keyStart, end - 4);
        local.start = valueStart;
        local.end = end;
        if (key[0] === REVISION_PREFIX) environment.append(key, value);
        else environment.put(key, value);
      } else {
        assert(kind === OP_DELETE, "unknown operation in the write log");
        environment.remove(key);
      }
      at = end;
    }
  }

  private keyOf(start: number, length: number): Buffer {
    let key = this.keys.get(length);
    if (key === undefined) {
      key = Buffer.allocUnsafeSlow(length);
      this.keys.set(length, key);
    }
    // Keys are short: a loop costs less than a call of `copy`.
    for (let i = 0; i < length; i++) key[i] = this.local[start + i];
    return key;
  }
}
