// Where ids come from. A member's id is a hash of its peer URLs and the cluster's token, so that all members of a new
// cluster compute the same ids from the same configuration without talking; one that is added later also hashes the
// time, so that a member removed and added again is another member. The cluster's id is a hash of the first members'.

import type { MemberId } from "#proto";

/** SHA-1, handed in: the room has no cryptography of its own. */
export type Sha1 = (bytes: Uint8Array) => Uint8Array;

/** @param token initial-cluster-token; empty for a member added at run time
 *  @param addedAtSeconds when it is added to a running cluster: seconds since 1970 */
export function memberIdOf(
  peerUrls: readonly string[],
  token: string,
  sha1: Sha1,
  addedAtSeconds?: number,
): MemberId {
  const time = addedAtSeconds === undefined ? "" : String(Math.floor(addedAtSeconds));
  return firstEightBytes(sha1(Buffer.from(byBytes(peerUrls).join("") + token + time)));
}

/** @param members ids of the first members, in any order */
export function clusterIdOf(members: readonly MemberId[], sha1: Sha1): bigint {
  const bytes = Buffer.alloc(8 * members.length);
  const sorted = members.slice().sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  sorted.forEach((id, i) => {
    bytes.writeBigUInt64BE(id, 8 * i);
  });
  return firstEightBytes(sha1(bytes));
}

/** Sorted by their UTF-8 bytes, as Go sorts strings. */
export function byBytes(texts: readonly string[]): string[] {
  return texts.slice().sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function firstEightBytes(hash: Uint8Array): bigint {
  return Buffer.from(hash.buffer, hash.byteOffset, 8).readBigUInt64BE(0);
}
