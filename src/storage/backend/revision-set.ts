// A set of revisions. Nearly all have sub 0 and need no object of their own: a compaction puts thousands into a batch, and
// an object for each of them was most of what the garbage collector had to do meanwhile.

export class RevisionSet {
  /** The mains of the members with sub 0. */
  private readonly mains = new Set<number>();
  /** The other members, by main. */
  private readonly subs = new Map<number, Set<number>>();
  size = 0;

  add(main: number, sub: number): void {
    if (this.has(main, sub)) return;
    this.size++;
    if (sub === 0) {
      this.mains.add(main);
      return;
    }
    const subs = this.subs.get(main);
    if (subs === undefined) this.subs.set(main, new Set([sub]));
    else subs.add(sub);
  }

  has(main: number, sub: number): boolean {
    return sub === 0 ? this.mains.has(main) : this.subs.get(main)?.has(sub) === true;
  }

  clear(): void {
    this.mains.clear();
    this.subs.clear();
    this.size = 0;
  }

  /** In no particular order. */
  forEach(visit: (main: number, sub: number) => void): void {
    for (const main of this.mains) visit(main, 0);
    for (const [main, subs] of this.subs) for (const sub of subs) visit(main, sub);
  }
}
