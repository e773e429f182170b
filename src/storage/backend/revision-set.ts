// A set of revisions. A compaction puts ten thousand into every batch, and the tables that a Set makes and drops on the way
// were most of what the garbage collector had to do meanwhile. So it is one open-addressed table with linear probing over
// typed arrays, which a batch keeps for its next use. Members are only ever added.

const BITS_MIN = 6;
/** A larger table than this is not kept. */
const BITS_KEPT = 17;
/** No main revision. */
const VACANT = -1;
const MULTIPLIER = 0x9e3779b1;
const TWO_32 = 0x100000000;

export class RevisionSet {
  private bits = BITS_MIN;
  private mains = new Float64Array(1 << BITS_MIN).fill(VACANT);
  private subs = new Uint32Array(1 << BITS_MIN);
  size = 0;

  add(main: number, sub: number): void {
    const at = this.place(main, sub);
    if (this.mains[at] !== VACANT) return;
    this.mains[at] = main;
    this.subs[at] = sub;
    this.size++;
    if (this.size * 2 > this.mains.length) this.grow();
  }

  has(main: number, sub: number): boolean {
    return this.mains[this.place(main, sub)] !== VACANT;
  }

  clear(): void {
    if (this.size === 0) return;
    if (this.bits > BITS_KEPT) this.allocate(BITS_MIN);
    else this.mains.fill(VACANT);
    this.size = 0;
  }

  /** In no particular order. */
  forEach(visit: (main: number, sub: number) => void): void {
    const { mains, subs } = this;
    for (let at = 0; at < mains.length; at++) if (mains[at] !== VACANT) visit(mains[at], subs[at]);
  }

  /** Where the member is, or would be. */
  private place(main: number, sub: number): number {
    const { mains, subs } = this;
    const mask = mains.length - 1;
    const mixed = (main | 0) ^ Math.imul((main / TWO_32) | 0, 0x85ebca6b) ^ Math.imul(sub, 0xc2b2ae35);
    let at = Math.imul(mixed, MULTIPLIER) >>> (32 - this.bits);
    while (mains[at] !== VACANT && (mains[at] !== main || subs[at] !== sub)) at = (at + 1) & mask;
    return at;
  }

  private grow(): void {
    const { mains, subs } = this;
    this.allocate(this.bits + 1);
    for (let from = 0; from < mains.length; from++) {
      if (mains[from] === VACANT) continue;
      const at = this.place(mains[from], subs[from]);
      this.mains[at] = mains[from];
      this.subs[at] = subs[from];
    }
  }

  private allocate(bits: number): void {
    this.bits = bits;
    this.mains = new Float64Array(1 << bits).fill(VACANT);
    this.subs = new Uint32Array(1 << bits);
  }
}
