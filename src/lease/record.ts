// How a lease is stored: bucket `lease`, key = the id as 8 bytes big-endian, value = leasepb.Lease { 1 ID int64,
// 2 TTL int64, 3 RemainingTTL int64 }. The same in every etcd, so that data moves between them.

import { WireReader, WireWriter } from "#base";
import type { LeaseId } from "#proto";
import { Lease } from "./lease.js";

export function leaseKey(id: LeaseId): Uint8Array {
  const key = Buffer.alloc(8);
  key.writeBigInt64BE(id);
  return key;
}

const writer = new WireWriter(32);

export function encodeLease(lease: Lease): Uint8Array {
  writer.reset();
  if (lease.id !== 0n) {
    writer.byte(0x08);
    writer.bigint(lease.id);
  }
  if (lease.ttl !== 0) {
    writer.byte(0x10);
    writer.int64(lease.ttl);
  }
  if (lease.remainingTtl !== 0) {
    writer.byte(0x18);
    writer.int64(lease.remainingTtl);
  }
  return writer.finish();
}

const reader = new WireReader();

/** @param ttlMin the least TTL of this member's configuration, which raises what was stored under another */
export function decodeLease(value: Uint8Array, ttlMin: number): Lease {
  reader.reset(value, 0, value.length);
  let id = 0n;
  let ttl = 0;
  let remainingTtl = 0;
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === 0x08) id = reader.bigInt64();
    else if (tag === 0x10) ttl = reader.int64();
    else if (tag === 0x18) remainingTtl = reader.int64();
    else reader.skip(tag);
  }
  return new Lease(id, Math.max(ttl, ttlMin), remainingTtl);
}
