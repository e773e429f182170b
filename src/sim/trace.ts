// The trace of a run: a hash over everything that happened, always, and lines of text, when somebody wants to read them.
// Two runs of one seed must end with the same hash; where they do not, something in the product or in the simulation
// depends on more than the seed.

/** Lines kept; the oldest ones go first. */
const LINES_MAX = 400_000;

export interface TraceLine {
  readonly time: number;
  readonly text: string;
}

export class Trace {
  /** Whether lines are kept. Guard the making of a text with it. */
  readonly isVerbose: boolean;
  private high = 0x9e3779b9;
  private low = 0x7f4a7c15;
  private kept: TraceLine[] = [];

  constructor(isVerbose: boolean) {
    this.isVerbose = isVerbose;
  }

  /** Takes numbers into the hash; fractions count down to the 1/1024. */
  mix(a: number, b: number): void {
    this.low = Math.imul(this.low ^ Math.floor(a * 1024), 0x85ebca6b);
    this.low ^= this.low >>> 15;
    this.high = Math.imul(this.high ^ b ^ this.low, 0xc2b2ae35);
    this.high ^= this.high >>> 13;
  }

  say(time: number, text: string): void {
    if (!this.isVerbose) return;
    this.kept.push({ time, text });
    if (this.kept.length > LINES_MAX) this.kept = this.kept.slice(LINES_MAX / 2);
  }

  get lines(): readonly TraceLine[] {
    return this.kept;
  }

  /** 16 hex digits. */
  get hash(): string {
    return hex8(this.high) + hex8(this.low);
  }
}

function hex8(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
