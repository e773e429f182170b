// After an election every lease is refreshed at the same moment, so leases of one TTL would all end at the same moment
// too, and their revocations would crowd out everything else. They are spread: no second sees more than a set number of
// ends. Leases only ever move later; a lease may live longer than asked, never shorter.

import type { Lease } from "./lease.js";

/** The moments at which `leases` end when at most `perSecond` may end in any second.
 *  @param leases sorted by `expiryMs` @returns one time for each, ascending, none before the lease's own */
export function spreadExpiries(leases: readonly Lease[], perSecond: number): number[] {
  const times: number[] = [];
  for (let i = 0; i < leases.length; i++) {
    const own = leases[i].expiryMs;
    times.push(i < perSecond ? own : Math.max(own, times[i - perSecond] + 1000));
  }
  return times;
}
