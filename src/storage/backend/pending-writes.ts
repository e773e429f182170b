// Writes that lmdb does not hold yet: the batch being filled, and sealed ones on their way to the disk, oldest first. Reads
// ask the newest batch first. Appended revisions lie right of everything in lmdb, so a scan is lmdb's records followed by
// these.

import type { BucketName, RevisionName, RevisionVisitor } from "./backend.js";
import { type Pending, WriteBatch } from "./write-batch.js";

/** Emptied batches that are kept for their memory. */
const SPARE_BATCHES = 2;

export class PendingWrites {
  /** Takes the next write. */
  active = new WriteBatch();
  private batches: WriteBatch[] = [this.active];
  private readonly spare: WriteBatch[] = [];
  /** Batches dropped so far; with those still here it numbers every batch that was ever sealed. */
  private dropped = 0;

  get hasSealed(): boolean {
    return this.batches.length > 1;
  }

  /** Ends the batch being filled and begins another. */
  seal(): void {
    this.active = this.spare.pop() ?? new WriteBatch();
    this.batches.push(this.active);
  }

  /** How many batches have ever been sealed. */
  get sealedTotal(): number {
    return this.dropped + this.batches.length - 1;
  }

  /** The sealed batches among the first `total` ever sealed. */
  sealed(total: number): WriteBatch[] {
    return this.batches.slice(0, Math.min(total - this.dropped, this.batches.length - 1));
  }

  /** Forgets the oldest `count` batches: lmdb holds them now. */
  dropSealed(count: number): void {
    this.dropped += count;
    for (const batch of this.batches.splice(0, count)) {
      batch.reset();
      if (this.spare.length < SPARE_BATCHES) this.spare.push(batch);
    }
  }

  dropAll(): void {
    this.dropped += this.batches.length - 1;
    this.active = new WriteBatch();
    this.batches = [this.active];
  }

  /** What the newest batch that knows the record says of it. */
  readRevision(main: number, sub: number): Pending {
    for (let i = this.batches.length - 1; i >= 0; i--) {
      const pending = this.batches[i].readRevision(main, sub);
      if (pending !== undefined) return pending;
    }
    return undefined;
  }

  get(bucket: BucketName, key: Uint8Array): Pending {
    for (let i = this.batches.length - 1; i >= 0; i--) {
      const pending = this.batches[i].get(bucket, key);
      if (pending !== undefined) return pending;
    }
    return undefined;
  }

  /** Puts the bucket's pending entries over `entries`, which is keyed by key text. */
  overlay(bucket: BucketName, entries: Map<string, { key: Uint8Array; value: Uint8Array | null }>): void {
    for (const batch of this.batches) {
      for (const [name, entry] of batch.bucketEntries(bucket) ?? []) entries.set(name, entry);
    }
  }

  /** The batches that delete records which they did not append. */
  deleting(): WriteBatch[] {
    return this.batches.filter((batch) => batch.deleted.size > 0);
  }

  /** The first appended record, undefined when none is. */
  firstAppended(): RevisionName | undefined {
    for (const batch of this.batches) {
      if (batch.appended > 0) return { main: batch.mainAt(0), sub: batch.subAt(0) };
    }
    return undefined;
  }

  /** Visits the appended records from (main, sub) on. */
  scanAppended(fromMain: number, fromSub: number, visit: RevisionVisitor): void {
    for (let b = 0; b < this.batches.length; b++) {
      const batch = this.batches[b];
      const later = this.batches.slice(b + 1).filter((other) => other.deleted.size > 0);
      for (let i = batch.lowerBound(fromMain, fromSub); i < batch.appended; i++) {
        if (!batch.isLiveAt(i)) continue;
        const main = batch.mainAt(i);
        const sub = batch.subAt(i);
        if (isDeletedIn(later, main, sub)) continue;
        if (visit(main, sub, batch.isTombstoneAt(i), batch.valueAt(i)) === false) return;
      }
    }
  }
}

export function isDeletedIn(batches: readonly WriteBatch[], main: number, sub: number): boolean {
  for (let b = 0; b < batches.length; b++) if (batches[b].deleted.has(main, sub)) return true;
  return false;
}
