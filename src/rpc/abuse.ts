// Counting what costs us work and is worth nothing: token buckets per connection. Streams that are opened and reset
// (rapid reset, and MadeYouReset where the peer provokes *our* reset) draw on one; frames that carry no work (empty,
// unknown, PING, SETTINGS, PRIORITY, dribbled DATA) on the second; messages that unfold beyond reason on the third. Honest peers refill faster than they draw, because
// every message that comes or goes gives something back.
//
// Time is the count of the once-a-second sweep, so no bucket reads a clock.

import { BUDGETS } from "./budgets.js";

export class TokenBucket {
  private readonly burst: number;
  private readonly perSecond: number;
  private tokens: number;
  private refilledAt: number;

  /** @param second the current second, by any clock that `take` is then also called with */
  constructor(burst: number, perSecond: number, second: number) {
    this.burst = burst;
    this.perSecond = perSecond;
    this.tokens = burst;
    this.refilledAt = second;
  }

  /** Takes `count` tokens; false when there were not enough, and then the bucket is empty. */
  take(count: number, second: number): boolean {
    if (second > this.refilledAt) {
      this.give((second - this.refilledAt) * this.perSecond);
      this.refilledAt = second;
    }
    this.tokens -= count;
    if (this.tokens >= 0) return true;
    this.tokens = 0;
    return false;
  }

  give(count: number): void {
    this.tokens = Math.min(this.burst, this.tokens + count);
  }
}

/** Why a connection was cut; also the label of its counter and the word in its log line. */
export type CutReason =
  | "protocol-error"
  | "stream-resets"
  | "idle-frames"
  | "compression-bombs"
  | "header-block"
  | "too-many-pings"
  | "handshake-timeout"
  | "partial-frame"
  | "socket-stalled"
  | "keepalive-timeout"
  | "queued-bytes"
  | "parked-calls";

/** The buckets of one connection. */
export class AbuseMeter {
  readonly resets: TokenBucket;
  readonly idleFrames: TokenBucket;
  readonly inflation: TokenBucket;

  constructor(second: number) {
    this.resets = new TokenBucket(BUDGETS.resetBurst, BUDGETS.resetsPerSecond, second);
    this.idleFrames = new TokenBucket(BUDGETS.idleFrameBurst, BUDGETS.idleFramesPerSecond, second);
    this.inflation = new TokenBucket(BUDGETS.inflationBurst, BUDGETS.inflationPerSecond, second);
  }

  /** Work was done for, or by, the peer: a message arrived, or a DATA frame left. */
  credit(): void {
    this.idleFrames.give(BUDGETS.idleFramesPerUnit);
  }
}
