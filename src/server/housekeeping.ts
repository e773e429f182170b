// One timer for everything that only needs to happen every now and then: timeouts, progress notices, lease expiry. It also
// keeps a coarse clock, so that hot paths that only need to know roughly when it is do not ask the system.

import type { Clock, Timer } from "#base";

const INTERVAL_MS = 100;

export class Housekeeping {
  private readonly clock: Clock;
  private readonly work: (now: number) => void;
  private timer: Timer | undefined;
  /** Monotonic milliseconds, at most an interval old (more only if the loop stalls). */
  now: number;

  constructor(clock: Clock, work: (now: number) => void) {
    this.clock = clock;
    this.work = work;
    this.now = clock.now();
  }

  start(): void {
    this.now = this.clock.now();
    this.timer = this.clock.setTimer(INTERVAL_MS, () => this.tick());
  }

  stop(): void {
    if (this.timer !== undefined) this.clock.clearTimer(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    this.timer = this.clock.setTimer(INTERVAL_MS, () => this.tick());
    this.now = this.clock.now();
    this.work(this.now);
  }
}
