// Ids for leases whose client did not choose one: etcd's layout, so that members of both kinds never choose the same.
//
//   bits 63     0, ids of the server's choice are positive
//   bits 62-48  low bits of the member id
//   bits 47-0   a 40-bit clock in milliseconds << 8, plus a counter

import type { LeaseId, MemberId } from "#proto";

/** @param wallTimeMs when the counter started @param counter ids made since then, plus one */
export function leaseIdOf(memberId: MemberId, wallTimeMs: number, counter: number): LeaseId {
  const suffix = (BigInt(Math.floor(wallTimeMs)) & 0xff_ffff_ffffn) << 8n;
  const low = BigInt.asUintN(48, suffix + BigInt(counter));
  return BigInt.asUintN(63, (BigInt.asUintN(16, memberId) << 48n) | low);
}
