// Where a log write runs. On a quick disk a write plus datasync takes about as long as handing it to a thread and back,
// so it is done on the main thread: less latency and less processor for one client, and requests that arrive meanwhile
// simply form the next batch. On a slow disk that would stall heartbeats and reads, so the write gets a thread. (So does a
// large batch on any disk, since there is enough to do meanwhile: driver.ts.)
//
// The choice follows a moving average of what syncs on the main thread took. Only those tell the disk's speed: a sync on
// a thread is timed with the hand-over and with whatever the loop was busy with when it ended. So after some syncs on a
// thread one is tried here again, at worst one slow sync in `RETRY_AFTER`.

import { QUICK_SYNC_MS } from "./limits.js";

/** Weight of the newest sample. */
const GAIN = 0.2;
const RETRY_AFTER = 128;

export class SyncPolicy {
  private averageMs = 0;
  private onThread = 0;
  /** False pins every write to a thread: for members whose loop must never block. */
  private readonly allowed: boolean;

  constructor(allowed: boolean) {
    this.allowed = allowed;
  }

  /** Whether the main thread may wait for the next log write. */
  get isQuick(): boolean {
    return this.allowed && (this.averageMs < QUICK_SYNC_MS || this.onThread >= RETRY_AFTER);
  }

  /** A write and sync on the main thread took this long. */
  observe(tookMs: number): void {
    this.onThread = 0;
    this.averageMs += (tookMs - this.averageMs) * GAIN;
  }

  /** A write and sync ran on a thread because the disk is slow. */
  observeThread(): void {
    this.onThread++;
    // The trial that follows counts for itself, not for what made the thread necessary.
    if (this.onThread === RETRY_AFTER) this.averageMs = 0;
  }

  describe(): string {
    return `sync average=${this.averageMs.toFixed(3)}ms on ${this.isQuick ? "main thread" : "a thread"}`;
  }
}
