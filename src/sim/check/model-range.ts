// What a Range over given records answers: filters, sort, limit, count. Source: the documented semantics of RangeRequest.
// Two of them are easily mistaken: `count` is of all keys in the range, whatever the filters and the limit say; and an
// unset sort order with a target other than the key sorts upwards, but only the first limit + 1 keys.

import { SortOrder, SortTarget } from "#proto";
import type { Kv, RangeOp, RangeResult } from "../history.js";

/** Whether `candidate` lies in [key, rangeEnd); the empty end means the one key, "\0" everything from `key` on. */
export function isInRange(candidate: string, key: string, rangeEnd: string): boolean {
  if (rangeEnd === "") return candidate === key;
  return candidate >= key && (rangeEnd === "\0" || candidate < rangeEnd);
}

/** @param live the records of the range in order of their keys @param headerRevision what the response says */
export function evaluateRange(op: RangeOp, live: readonly Kv[], headerRevision: number): RangeResult {
  const count = live.length;
  if (op.countOnly) return { type: "range", revision: headerRevision, kvs: [], more: false, count };
  let kept = hasFilters(op) ? live.filter((kv) => passes(op, kv)) : live.slice();
  if (op.sortTarget !== SortTarget.Key && op.sortOrder === SortOrder.None && !hasFilters(op) && op.limit > 0)
    kept = kept.slice(0, op.limit + 1);
  sortKvs(kept, op);
  const more = op.limit > 0 && kept.length > op.limit;
  if (more) kept = kept.slice(0, op.limit);
  const kvs = op.keysOnly ? kept.map((kv) => bare(kv, op.sortTarget)) : kept;
  return { type: "range", revision: headerRevision, kvs, more, count };
}

/** The property that a range is sorted by. */
export function sortKey(kv: Kv, sortTarget: number): number | string {
  switch (sortTarget) {
    case SortTarget.Version:
      return kv.version;
    case SortTarget.Create:
      return kv.createRevision;
    case SortTarget.Mod:
      return kv.modRevision;
    case SortTarget.Value:
      return kv.value;
    default:
      return kv.key;
  }
}

/** A record as keys_only shows it. The lease comes with the value: whoever does not read that one has none to show. */
export function bare(kv: Kv, sortTarget: number): Kv {
  return { ...kv, value: "", lease: sortTarget === SortTarget.Value ? kv.lease : 0n };
}

function sortKvs(kvs: Kv[], op: RangeOp): void {
  if (op.sortTarget === SortTarget.Key && op.sortOrder !== SortOrder.Descend) return; // they come in this order
  const sign = op.sortOrder === SortOrder.Descend ? -1 : 1;
  kvs.sort((a, b) => {
    const x = sortKey(a, op.sortTarget);
    const y = sortKey(b, op.sortTarget);
    return x < y ? -sign : x > y ? sign : 0;
  });
}

function hasFilters(op: RangeOp): boolean {
  return (
    op.minModRevision !== 0 ||
    op.maxModRevision !== 0 ||
    op.minCreateRevision !== 0 ||
    op.maxCreateRevision !== 0
  );
}

function passes(op: RangeOp, kv: Kv): boolean {
  return (
    (op.minModRevision === 0 || kv.modRevision >= op.minModRevision) &&
    (op.maxModRevision === 0 || kv.modRevision <= op.maxModRevision) &&
    (op.minCreateRevision === 0 || kv.createRevision >= op.minCreateRevision) &&
    (op.maxCreateRevision === 0 || kv.createRevision <= op.maxCreateRevision)
  );
}
