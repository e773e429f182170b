// The key index as plainly as possible, to compare the real one with: a sorted array of keys, each with every revision
// it ever had, and a compaction revision. Nothing is ever deleted; what compaction hides is worked out at each read.

import { compareBytes } from "#base";

export interface NaiveRevision {
  main: number;
  sub: number;
  tombstone: boolean;
  created: number;
  version: number;
}

interface NaiveKey {
  readonly key: Uint8Array;
  readonly revisions: NaiveRevision[];
}

export class NaiveIndex {
  readonly keys: NaiveKey[] = [];

  put(key: Uint8Array, main: number, sub: number): void {
    const { revisions } = this.entry(key);
    const last = revisions.at(-1);
    const fresh = last === undefined || last.tombstone;
    revisions.push({
      main,
      sub,
      tombstone: false,
      created: fresh ? main : last.created,
      version: fresh ? 1 : last.version + 1,
    });
  }

  tombstone(key: Uint8Array, main: number, sub: number): void {
    this.entry(key).revisions.push({ main, sub, tombstone: true, created: 0, version: 0 });
  }

  at(key: Uint8Array, revision: number): NaiveRevision | undefined {
    const found = this.keys.find((each) => compareBytes(each.key, key) === 0);
    const newest = found?.revisions.findLast((each) => each.main <= revision);
    return newest === undefined || newest.tombstone ? undefined : newest;
  }

  range(start: Uint8Array, end: Uint8Array | undefined, revision: number): Uint8Array[] {
    return this.keys
      .filter(({ key }) => compareBytes(key, start) >= 0 && (end === undefined || compareBytes(key, end) < 0))
      .filter(({ key }) => this.at(key, revision) !== undefined)
      .map(({ key }) => key);
  }

  /** What of a key compaction at `revision` leaves, as `KeyIndex.describeKey` prints it. */
  remaining(key: Uint8Array, revision: number): string {
    const found = this.keys.find((each) => compareBytes(each.key, key) === 0);
    const all = found?.revisions ?? [];
    const newestOld = all.findLastIndex((each) => each.main <= revision);
    const dropIt = newestOld >= 0 && all[newestOld].tombstone && all[newestOld].main < revision;
    return all
      .slice(Math.max(0, dropIt ? newestOld + 1 : newestOld))
      .map((each) => `${each.main}.${each.sub}${each.tombstone ? "t" : ""}`)
      .join(" ");
  }

  private entry(key: Uint8Array): NaiveKey {
    const at = this.keys.findIndex((each) => compareBytes(each.key, key) >= 0);
    if (at >= 0 && compareBytes(this.keys[at].key, key) === 0) return this.keys[at];
    const made = { key: key.slice(), revisions: [] };
    this.keys.splice(at < 0 ? this.keys.length : at, 0, made);
    return made;
  }
}
