// Planted bugs, for one purpose: the simulator switches one on and must find it, or it is the simulator that is broken.
// Each is a mistake that etcd once made. All are off, and only a simulation can switch one on.

import { panic } from "#base";

export const mutations = {
  /** The driver acknowledges and applies while the log is still being written. */
  acknowledgeBeforeSync: false,
  /** The applied index is committed after the effects up to it, in a transaction of its own. */
  appliedIndexOutsideTransaction: false,
  /** A revocation that a leader decided on is forwarded to whoever leads by then. */
  deposedLeaderRevoke: false,
  /** A confirmation that is asked for again keeps its id, so that the answer to the first question serves reads that
   *  came after it. */
  staleReadIndex: false,
};

export type ServerMutation = keyof typeof mutations;

/** Switches a planted bug on. Panics unless `globalThis.ETCD_TS_SIMULATION === true`. */
export function plantMutation(name: ServerMutation): void {
  if (Reflect.get(globalThis, "ETCD_TS_SIMULATION") !== true)
    panic("bugs may be planted in a simulation only", { name });
  mutations[name] = true;
}

/** Switches all planted bugs off. */
export function clearMutations(): void {
  for (const name of Object.keys(mutations) as ServerMutation[]) mutations[name] = false;
}
