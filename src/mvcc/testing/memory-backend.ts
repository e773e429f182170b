// A backend for this room's tests: sorted arrays, nothing durable. `committed` clones stand for what a crash leaves.

import { compareBytes, copyBytes, equalBytes, hexOf } from "#base";
import type { Backend, BucketName, RevisionVisitor, RevisionWalker } from "../backend.js";

interface Row {
  readonly main: number;
  readonly sub: number;
  readonly tombstone: boolean;
  readonly value: Uint8Array;
}

export class TestBackend implements Backend {
  rows: Row[] = [];
  private readonly buckets = new Map<string, { key: Uint8Array; value: Uint8Array }>();

  appendRevision(main: number, sub: number, tombstone: boolean, value: Uint8Array): void {
    const last = this.rows.at(-1);
    if (last !== undefined && (main < last.main || (main === last.main && sub <= last.sub))) {
      throw new Error(`append of ${main}.${sub} after ${last.main}.${last.sub}`);
    }
    this.rows.push({ main, sub, tombstone, value });
  }

  readRevision(main: number, sub: number): Uint8Array | undefined {
    const row = this.rows[this.seek(main, sub)];
    return row?.main === main && row.sub === sub ? row.value : undefined;
  }

  deleteRevision(main: number, sub: number): void {
    const at = this.seek(main, sub);
    if (this.rows[at]?.main !== main || this.rows[at].sub !== sub) throw new Error(`no ${main}.${sub}`);
    this.rows.splice(at, 1);
  }

  scanRevisions(fromMain: number, fromSub: number, visit: RevisionVisitor): void {
    for (let at = this.seek(fromMain, fromSub); at < this.rows.length; at++) {
      const row = this.rows[at];
      if (visit(row.main, row.sub, row.tombstone, row.value) === false) return;
    }
  }

  walkRevisions(visit: RevisionWalker): void {
    // Somewhere inside a larger buffer, as a page of a file gives it.
    for (const { main, sub, tombstone, value } of this.rows) {
      const bytes = new Uint8Array(value.length + 5);
      bytes.set(value, 3);
      visit(main, sub, tombstone, bytes, 3, 3 + value.length);
      bytes.fill(0xff);
    }
  }

  get(bucket: BucketName, key: Uint8Array): Uint8Array | undefined {
    return this.buckets.get(nameOf(bucket, key))?.value;
  }

  put(bucket: BucketName, key: Uint8Array, value: Uint8Array): void {
    this.buckets.set(nameOf(bucket, key), { key: copyBytes(key), value: copyBytes(value) });
  }

  delete(bucket: BucketName, key: Uint8Array): void {
    this.buckets.delete(nameOf(bucket, key));
  }

  scan(bucket: BucketName, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    const entries = [...this.buckets].filter(([name]) => name.startsWith(`${bucket}/`));
    entries.sort((a, b) => compareBytes(a[1].key, b[1].key));
    for (const [, { key, value }] of entries) if (visit(key, value) === false) return;
  }

  /** A copy, as it would be found after a crash right after a commit. */
  clone(): TestBackend {
    const copy = new TestBackend();
    copy.rows = this.rows.slice();
    for (const [name, entry] of this.buckets) copy.buckets.set(name, entry);
    return copy;
  }

  equals(other: TestBackend): boolean {
    return (
      this.rows.length === other.rows.length &&
      this.rows.every(
        (row, i) => row.main === other.rows[i].main && equalBytes(row.value, other.rows[i].value),
      )
    );
  }

  private seek(main: number, sub: number): number {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = this.rows[middle];
      if (row.main < main || (row.main === main && row.sub < sub)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function nameOf(bucket: BucketName, key: Uint8Array): string {
  return `${bucket}/${hexOf(key)}`;
}
