// What can be said of a Maintenance.Snapshot stream without opening the database in it: the shape of the stream, the
// countdown of the remaining bytes, and the hash over everything.

import { createHash } from "node:crypto";
import { Maintenance, type SnapshotResponse } from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import type { TestClient } from "../support/index.js";

/** bbolt's magic number, at this offset of both meta pages (16 bytes of page header go before). */
const BBOLT_MAGIC = 0xed0cdaed;
const BBOLT_MAGIC_OFFSET = 16;
const SHA256_BYTES = 32;

/** One line for a scenario's output. */
export async function describeSnapshot(client: TestClient): Promise<string> {
  const { messages, status } = await client.serverStream(Maintenance.method.snapshot, {}).all();
  if (status.code !== 0) return `snapshot failed: ${status.code} ${status.message}`;
  const parts = messages.slice(0, -1);
  const bytes = Buffer.concat(parts.map((part) => part.blob));
  const trailer = messages[messages.length - 1];
  const facts = {
    "parts of 32768": parts.slice(0, -1).every((part) => part.blob.length === 32768),
    "remaining counts down": countsDown(parts, bytes.length),
    "no header": messages.every((message) => message.header === undefined),
    "trailer is the sha256": createHash("sha256").update(bytes).digest().equals(trailer.blob),
    "trailer alone": trailer.blob.length === SHA256_BYTES && trailer.remainingBytes === 0n,
    "whole pages": bytes.length % 4096 === 0,
    "bbolt file": bytes.readUInt32LE(BBOLT_MAGIC_OFFSET) === BBOLT_MAGIC,
    "version in every message": messages.every((message) => message.version !== ""),
  };
  return Object.entries(facts)
    .map(([fact, holds]) => `${fact}: ${holds ? "yes" : "no"}`)
    .join(", ");
}

function countsDown(parts: readonly SnapshotResponse[], total: number): boolean {
  let left = total;
  for (const part of parts) {
    left -= part.blob.length;
    if (part.remainingBytes !== BigInt(left)) return false;
  }
  return left === 0;
}
