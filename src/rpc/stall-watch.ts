// Tells standing still from moving, by looking once a second: something is wanted, and a number that should grow with
// it does not.

import { sweeps } from "./connection-group.js";

export class StallWatch {
  private readonly limit: number;
  private seen = 0;
  private stuckSince = -1;

  constructor(limitMs: number) {
    this.limit = sweeps(limitMs);
  }

  /** True when something has been wanted, and `progress` the same, for as long as the limit. */
  isStuck(wanted: boolean, progress: number, second: number): boolean {
    if (!wanted) {
      this.stuckSince = -1;
      return false;
    }
    if (this.stuckSince < 0 || progress !== this.seen) {
      this.seen = progress;
      this.stuckSince = second;
    }
    return second - this.stuckSince >= this.limit;
  }
}
