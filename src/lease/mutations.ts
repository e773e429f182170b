// Planted bugs. A simulation proves that it can see a class of fault by planting one and finding it again; these are
// faults around leases that etcd once had. All are off, and only a simulation can switch one on.

export const mutations = {
  /** Checkpoints come through the log and are forgotten. */
  checkpointLost: false,
  /** A revoked lease can still be renewed. */
  keepAliveSuccessAfterRevoke: false,
};

export type LeaseMutation = keyof typeof mutations;

/** Switches a planted bug on. Refused outside a simulation. */
export function plantMutation(name: LeaseMutation): void {
  if (Reflect.get(globalThis, "ETCD_TS_SIMULATION") !== true) {
    throw new Error("bugs are planted in simulations only");
  }
  mutations[name] = true;
}

/** Switches all planted bugs off. */
export function clearMutations(): void {
  for (const name of Object.keys(mutations) as LeaseMutation[]) mutations[name] = false;
}
