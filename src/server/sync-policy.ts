// Where a log write runs. On a quick disk a write plus datasync takes about as long as handing it to a thread and back,
// so it is done on the main thread: less latency and less processor for one client, and requests that arrive meanwhile
// simply form the next batch. On a slow disk that would stall heartbeats and reads, so the write gets a thread. The
// choice follows a moving average of what syncs took; while on the main thread one slow sync is enough to leave it.

import { QUICK_SYNC_MS } from "./limits.js";

/** Weight of the newest sample. */
const GAIN = 0.2;
/** After this many syncs off the main thread the disk is tried on it again, if the average allows. */
const RETRY_AFTER = 64;

export class SyncPolicy {
  private averageMs = 0;
  private syncsSinceSlow = RETRY_AFTER;
  /** False pins every write to a thread: for members whose loop must never block. */
  private readonly allowed: boolean;

  constructor(allowed: boolean) {
    this.allowed = allowed;
  }

  /** Whether the next log write should run on the main thread. */
  get onMainThread(): boolean {
    return this.allowed && this.averageMs < QUICK_SYNC_MS && this.syncsSinceSlow >= RETRY_AFTER;
  }

  /** @param tookMs duration of one write and sync, wherever it ran */
  observe(tookMs: number): void {
    this.averageMs += (tookMs - this.averageMs) * GAIN;
    if (tookMs > QUICK_SYNC_MS * 10) this.syncsSinceSlow = 0;
    else this.syncsSinceSlow++;
  }

  describe(): string {
    return `sync average=${this.averageMs.toFixed(3)}ms on ${this.onMainThread ? "main thread" : "a thread"}`;
  }
}
