// A clock whose time passes when a test says so. `setNext` is the real one: sockets go on in real time.

import type { Clock, Timer } from "#base";

interface Alarm {
  readonly at: number;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  private time = 1_000;
  private alarms: Alarm[] = [];

  now(): number {
    return this.time;
  }

  wallTime(): number {
    return this.time;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const alarm = { at: this.time + delayMs, callback };
    this.alarms.push(alarm);
    return alarm;
  }

  clearTimer(timer: Timer): void {
    this.alarms = this.alarms.filter((alarm) => alarm !== timer);
  }

  setNext(callback: () => void): void {
    setImmediate(callback);
  }

  /** How many timers are set. */
  get pending(): number {
    return this.alarms.length;
  }

  /** Lets time pass; what falls due is called in order, at its own time. */
  advance(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      let next: Alarm | undefined;
      for (const alarm of this.alarms)
        if (alarm.at <= until && (next === undefined || alarm.at < next.at)) next = alarm;
      if (next === undefined) break;
      this.clearTimer(next);
      this.time = Math.max(this.time, next.at);
      next.callback();
    }
    this.time = until;
  }
}
