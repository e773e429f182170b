// A member that was removed from its cluster has nothing left to do, and must not be left to itself: as a leader it would go
// on leading members that it does not belong to. It goes on for a moment, so that the others still learn from it that the
// change is committed, and then stops; started again, it stops again. Source: etcd 3.5, which waits as long.

import type { Clock, Timer } from "#base";

const DELAY_MS = 1000;

/** Ends a member that is no member any more. Its owner has nothing to repair: the data may be deleted. */
export class RemovedError extends Error {
  override readonly name = "RemovedError";

  constructor() {
    super("the member has been permanently removed from the cluster");
  }
}

export class Removal {
  private readonly clock: Clock;
  private readonly cluster: { readonly isLocalRemoved: boolean };
  private readonly fatal: (error: unknown) => void;
  private timer: Timer | undefined;

  constructor(clock: Clock, cluster: { readonly isLocalRemoved: boolean }, fatal: (error: unknown) => void) {
    this.clock = clock;
    this.cluster = cluster;
    this.fatal = fatal;
  }

  /** To be called whenever the membership may have changed. */
  check(): void {
    if (!this.cluster.isLocalRemoved || this.timer !== undefined) return;
    this.timer = this.clock.setTimer(DELAY_MS, () => this.fatal(new RemovedError()));
  }

  stop(): void {
    if (this.timer !== undefined) this.clock.clearTimer(this.timer);
    this.timer = undefined;
  }
}
