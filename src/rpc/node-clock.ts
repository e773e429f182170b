// The real clock, for a server or channel whose owner hands in none.

import type { Clock, Timer } from "#base";

export const NODE_CLOCK: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  setTimer: (delayMs: number, callback: () => void): Timer => setTimeout(callback, delayMs),
  clearTimer: (timer: Timer) => clearTimeout(timer as NodeJS.Timeout),
  setNext: (callback: () => void) => {
    setImmediate(callback);
  },
};
