// The space quota: past it, writes that grow the backend are refused before they are proposed, and the NOSPACE alarm is
// raised, which makes every member refuse them.

import { DEFAULT_QUOTA_BYTES } from "./limits.js";

export class Quota {
  /** Bytes allowed on disk; Infinity when the quota is off. */
  readonly bytes: number;
  private readonly sizeOnDisk: () => number;

  /** @param configured bytes; 0 is the default quota, negative none */
  constructor(configured: number, sizeOnDisk: () => number) {
    this.bytes =
      configured < 0 ? Number.POSITIVE_INFINITY : configured === 0 ? DEFAULT_QUOTA_BYTES : configured;
    this.sizeOnDisk = sizeOnDisk;
  }

  /** What Status reports: 0 for no quota. */
  get reported(): number {
    return Number.isFinite(this.bytes) ? this.bytes : 0;
  }

  /** Whether what is on disk and `pendingBytes` that are to come make at least half of the quota. */
  isHalfUsedWith(pendingBytes: number): boolean {
    return (this.sizeOnDisk() + pendingBytes) * 2 >= this.bytes;
  }

  /** Whether a write of this estimated cost would pass the quota. */
  exceededBy(cost: number): boolean {
    return cost > 0 && this.sizeOnDisk() + cost > this.bytes;
  }
}
