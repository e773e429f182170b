// Planted bugs. A checker that has never caught anything proves nothing, so a simulation switches one of these on and must
// then report a violation: mutation testing of the checkers, not of the code. A room lists its bugs in `mutations.ts`, each
// a mistake that breaks one rule at one place, and reads the switches as plain fields: off, each costs the read of one.
//
// In a member they are constants. Only code that has declared its process a simulation can switch one.

import { panic } from "./panic.js";

/** name -> is it planted? */
export type Mutations<Name extends string> = { readonly [name in Name]: boolean };

export class PlantedBugs<Name extends string> {
  readonly names: readonly Name[];
  /** The switches. The object stays the same, so the code may keep it. */
  readonly mutations: Mutations<Name>;
  private readonly switches: Record<Name, boolean>;

  /** @param explanations name -> what goes wrong when it is planted */
  constructor(readonly explanations: Readonly<Record<Name, string>>) {
    this.names = Object.keys(explanations) as Name[];
    this.switches = Object.fromEntries(this.names.map((name) => [name, false])) as Record<Name, boolean>;
    this.mutations = this.switches;
  }

  /** Switches one on, or off again. Panics unless `globalThis.ETCD_TS_SIMULATION === true`. */
  plant(name: Name, on = true): void {
    if (Reflect.get(globalThis, "ETCD_TS_SIMULATION") !== true)
      panic("bugs are planted in simulations only", { name });
    if (!this.names.includes(name)) panic("no such bug", { name });
    this.switches[name] = on;
  }

  /** Switches all of them off. */
  clear(): void {
    for (const name of this.names) this.switches[name] = false;
  }
}
