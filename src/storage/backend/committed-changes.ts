// What was committed while a defragmentation copies an older state: enough to bring the copy up to date. Appended
// revisions need no list, they lie right of the last one that the copy holds; deletions and small entries are kept.

import type { BucketName, RevisionName } from "./backend.js";
import type { CatchUpRequest } from "./copy.js";
import { RevisionSet } from "./revision-set.js";
import type { WriteBatch } from "./write-batch.js";

/** Below this many operations the last stretch is short enough to hold commits for it. */
const SMALL_COUNT = 20_000;

export class CommittedChanges {
  private count = 0;
  private deleted = new RevisionSet();
  private entries = new Map<string, { bucket: BucketName; key: Uint8Array; value: Uint8Array | null }>();
  private after: RevisionName;
  private last: RevisionName;

  /** @param last the last revision of the state that is being copied */
  constructor(last: RevisionName) {
    this.after = last;
    this.last = last;
  }

  /** Whether another round should come before commits are held. */
  get isLarge(): boolean {
    return this.count > SMALL_COUNT;
  }

  add(batch: WriteBatch): void {
    this.count += batch.count;
    batch.deleted.forEach((main, sub) => {
      this.deleted.add(main, sub);
    });
    batch.forEachEntry((bucket, name, key, value) => {
      this.entries.set(`${bucket}/${name}`, { bucket, key, value });
    });
    if (batch.appended > 0) {
      const at = batch.appended - 1;
      this.last = { main: batch.mainAt(at), sub: batch.subAt(at) };
    }
  }

  /** Everything since the last take. */
  take(): Omit<CatchUpRequest, "tree"> {
    const deleted: RevisionName[] = [];
    this.deleted.forEach((main, sub) => {
      deleted.push({ main, sub });
    });
    const taken = { after: this.after, deleted, entries: [...this.entries.values()] };
    this.after = this.last;
    this.deleted = new RevisionSet();
    this.entries = new Map();
    this.count = 0;
    return taken;
  }
}
