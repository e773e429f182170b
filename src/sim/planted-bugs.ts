// The bugs that can be planted, those of all rooms, by name. A simulation that does not find them proves nothing by finding
// nothing else.

import type { PlantedBugs } from "#base";
import { leaseBugs } from "#lease";
import { mvccBugs, watchBugs } from "#mvcc";
import { raftBugs } from "#raft";
import { serverBugs } from "#server";

const ROOMS: readonly PlantedBugs<string>[] = [raftBugs, serverBugs, mvccBugs, watchBugs, leaseBugs];

/** A bug may have a part in several rooms, each harmless without the other. */
export const PLANTED_BUGS: readonly string[] = [...new Set(ROOMS.flatMap((room) => room.names))];

/** The one that `--canary` and the tests use: quickly found, and by more than one checker. */
export const CANARY = "acknowledgeBeforeSync";

/** Plants a bug in this process, which from then on is good for nothing but simulation. Throws for an unknown name. */
export function plantBug(name: string): void {
  const rooms = ROOMS.filter(({ names }) => names.includes(name));
  if (rooms.length === 0) throw new Error(`no such bug: ${name}; there are ${PLANTED_BUGS.join(", ")}`);
  Reflect.set(globalThis, "ETCD_TS_SIMULATION", true);
  for (const room of rooms) room.plant(name);
}

export function removeBugs(): void {
  for (const room of ROOMS) room.clear();
}
