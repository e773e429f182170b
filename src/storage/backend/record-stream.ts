// Records in exchange form, packed into chunks on their way from a worker thread.
//
//   offset size
//   0      1    bucket, its place in EXCHANGE_BUCKETS
//   1      4    length of the key, k, little-endian
//   5      4    length of the value, v, little-endian
//   9      k    key
//   9+k    v    value

import type { RecordVisitor } from "./backend.js";
import { EXCHANGE_BUCKETS, type RecordSink } from "./exchange.js";

const CHUNK_BYTES = 256 * 1024;
const HEADER = 9;

/** Packs what it is fed and sends full chunks. */
export class RecordPacker implements RecordSink {
  private chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  private used = 0;
  private bucket = -1;

  constructor(private readonly send: (chunk: Uint8Array) => void) {}

  beginBucket(): void {
    this.bucket++;
  }

  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    const need = HEADER + (keyEnd - keyStart) + (end - start);
    if (this.used + need > this.chunk.length) {
      this.flush();
      if (need > this.chunk.length) this.chunk = Buffer.allocUnsafeSlow(need);
    }
    const at = this.used;
    this.chunk[at] = this.bucket;
    this.chunk.writeUInt32LE(keyEnd - keyStart, at + 1);
    this.chunk.writeUInt32LE(end - start, at + 5);
    this.chunk.set(key.subarray(keyStart, keyEnd), at + HEADER);
    this.chunk.set(value.subarray(start, end), at + HEADER + (keyEnd - keyStart));
    this.used += need;
  }

  flush(): void {
    if (this.used > 0) {
      this.send(
        this.used === this.chunk.length ? this.chunk : new Uint8Array(this.chunk.subarray(0, this.used)),
      );
    }
    this.chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.used = 0;
  }
}

/** Visits the records of one chunk. Returns false when the visitor stopped. */
export function visitPacked(chunk: Uint8Array, visit: RecordVisitor): boolean {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
  for (let at = 0; at < chunk.length; ) {
    const keyStart = at + HEADER;
    const keyEnd = keyStart + view.getUint32(at + 1, true);
    const end = keyEnd + view.getUint32(at + 5, true);
    const name = EXCHANGE_BUCKETS[chunk[at]];
    if (visit(name, chunk.subarray(keyStart, keyEnd), chunk.subarray(keyEnd, end)) === false) return false;
    at = end;
  }
  return true;
}
