// Planted bugs. A simulation proves that it can see a class of fault by planting one and finding it again; these are the
// faults of this room that etcd once had. All are off, and only a simulation can switch one on.

export const mutations = {
  /** A progress notice goes to the head of the stream's queue, before events it promises to have been sent. */
  progressBeforeQueuedEvents: false,
  /** An event that does not fit into a stream's queue is dropped and the watcher goes on as if it had it. */
  eventsLostOnFullStream: false,
  /** A watcher of a future revision gets events from before it. */
  futureRevisionWatchGetsOlderEvents: false,
  /** After a snapshot install watchers start again from where they first started. */
  watchBackInTimeAfterSnapshot: false,
};

export type WatchMutation = keyof typeof mutations;

/** Switches a planted bug on. Refused outside a simulation. */
export function plantMutation(name: WatchMutation): void {
  if (Reflect.get(globalThis, "ETCD_TS_SIMULATION") !== true) {
    throw new Error("bugs are planted in simulations only");
  }
  mutations[name] = true;
}

/** Switches all planted bugs off. */
export function clearMutations(): void {
  for (const name of Object.keys(mutations) as WatchMutation[]) mutations[name] = false;
}
