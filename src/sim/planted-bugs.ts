// The bugs that can be planted, those of all rooms, by name. A simulation that does not find them proves nothing by finding
// nothing else.

import { clearLeaseMutations, type LeaseMutation, leaseMutations, plantLeaseMutation } from "#lease";
import {
  clearWatchMutations,
  type MvccMutationName,
  mvccMutations,
  plantMvccMutation,
  plantWatchMutation,
  type WatchMutation,
  watchMutations,
} from "#mvcc";
import { clearMutations, MUTATION_NAMES, plantMutation } from "#raft";
import { clearServerMutations, plantServerMutation, type ServerMutation, serverMutations } from "#server";

const PLANTERS = new Map<string, () => void>();
for (const name of MUTATION_NAMES) PLANTERS.set(name, () => plantMutation(name));
for (const name of Object.keys(serverMutations) as ServerMutation[])
  PLANTERS.set(name, () => plantServerMutation(name));
for (const name of Object.keys(mvccMutations) as MvccMutationName[])
  PLANTERS.set(name, () => plantMvccMutation(name));
for (const name of Object.keys(watchMutations) as WatchMutation[])
  PLANTERS.set(name, () => plantWatchMutation(name));
for (const name of Object.keys(leaseMutations) as LeaseMutation[])
  PLANTERS.set(name, () => plantLeaseMutation(name));

export const PLANTED_BUGS: readonly string[] = [...PLANTERS.keys()];

/** The one that `--canary` and the tests use: quickly found, and by more than one checker. */
export const CANARY = "acknowledgeBeforeSync";

/** Plants a bug in this process, which from then on is good for nothing but simulation. Throws for an unknown name. */
export function plantBug(name: string): void {
  const plant = PLANTERS.get(name);
  if (plant === undefined) throw new Error(`no such bug: ${name}; there are ${PLANTED_BUGS.join(", ")}`);
  Reflect.set(globalThis, "ETCD_TS_SIMULATION", true);
  plant();
}

export function removeBugs(): void {
  clearMutations();
  clearServerMutations();
  clearLeaseMutations();
  clearWatchMutations();
  if (Reflect.get(globalThis, "ETCD_TS_SIMULATION") !== true) return;
  for (const name of Object.keys(mvccMutations) as MvccMutationName[]) plantMvccMutation(name, false);
}
