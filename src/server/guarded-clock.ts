// The clock that everything in a member uses. What a timer or a later turn of the event loop runs is outside the driver's
// turn, so nobody would catch what it throws; and a damaged record, met by a compaction or a lagging watcher, must stop
// the member, not the program that it is embedded in.

import type { Clock, Timer } from "#base";

export class GuardedClock implements Clock {
  private readonly clock: Clock;
  private readonly onError: (error: unknown) => void;

  /** @param onError hears what a callback threw */
  constructor(clock: Clock, onError: (error: unknown) => void) {
    this.clock = clock;
    this.onError = onError;
  }

  now(): number {
    return this.clock.now();
  }

  wallTime(): number {
    return this.clock.wallTime();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return this.clock.setTimer(delayMs, () => this.run(callback));
  }

  clearTimer(timer: Timer): void {
    this.clock.clearTimer(timer);
  }

  setNext(callback: () => void): void {
    this.clock.setNext(() => this.run(callback));
  }

  private run(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.onError(error);
    }
  }
}
