// A set of revisions. Nearly all have sub 0, so one Set of numbers would almost do; the subs hang below the mains.

export class RevisionSet {
  private readonly subs = new Map<number, Set<number>>();
  size = 0;

  add(main: number, sub: number): void {
    const subs = this.subs.get(main);
    if (subs === undefined) this.subs.set(main, new Set([sub]));
    else if (subs.has(sub)) return;
    else subs.add(sub);
    this.size++;
  }

  has(main: number, sub: number): boolean {
    return this.subs.get(main)?.has(sub) === true;
  }

  clear(): void {
    this.subs.clear();
    this.size = 0;
  }

  forEach(visit: (main: number, sub: number) => void): void {
    for (const [main, subs] of this.subs) for (const sub of subs) visit(main, sub);
  }
}
