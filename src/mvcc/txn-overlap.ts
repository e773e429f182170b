// A branch of a transaction may not put a key twice, nor put a key that it also deletes: the outcome would depend on
// the order of operations within one revision. The success and the failure list are looked at separately.
//
// The rule is etcd's, order and all. For one list: first its own deletes are collected. Then its nested transactions,
// one after the other: the puts of both branches are checked against the puts and deletes collected so far, then
// added, and afterwards their deletes are added; the two branches of one nested transaction never run together and do
// not clash. At last the list's own puts are checked against everything. So a put in one nested transaction and a
// delete in a later one go through, while the reverse order does not. Another oddity is kept: a delete of "everything
// from a key on" (range_end "\0") is taken literally, as an empty range, and clashes with nothing.
//
// Keys are compared as latin-1 strings, which sort like their bytes. Sets are joined smaller into larger, because
// deep nesting would otherwise make this quadratic in the size of the request.

import {
  DeleteRangeRequest,
  ErrDuplicateKey,
  PutRequest,
  type RequestOp,
  type RpcError,
  TxnRequest,
} from "#proto";

/** Checks both branches of a transaction. */
export function checkOverlaps(req: TxnRequest): RpcError | undefined {
  if (mayOverlap(req.success) && footprint(req.success) === undefined) return ErrDuplicateKey;
  if (mayOverlap(req.failure) && footprint(req.failure) === undefined) return ErrDuplicateKey;
  return undefined;
}

/** Settles the usual case without any set: one operation that is not a transaction, or ranges besides it. */
function mayOverlap(ops: readonly RequestOp[]): boolean {
  let writes = 0;
  for (const op of ops) {
    if (op instanceof TxnRequest) return true;
    if (op instanceof PutRequest || op instanceof DeleteRangeRequest) writes++;
  }
  return writes > 1;
}

class Footprint {
  puts = new Set<string>();
  deletes = new KeyIntervals();
}

/** What a list of operations puts and deletes; undefined if it clashes with itself. */
function footprint(ops: readonly RequestOp[]): Footprint | undefined {
  const all = new Footprint();
  all.deletes = KeyIntervals.of(ops);
  for (const op of ops) {
    if (op instanceof TxnRequest && !addNested(all, op)) return undefined;
  }
  for (const op of ops) {
    if (!(op instanceof PutRequest)) continue;
    const key = textOf(op.key);
    if (all.puts.has(key) || all.deletes.contains(key)) return undefined;
    all.puts.add(key);
  }
  return all;
}

function addNested(all: Footprint, txn: TxnRequest): boolean {
  const success = footprint(txn.success);
  const failure = footprint(txn.failure);
  if (success === undefined || failure === undefined) return false;
  const puts = union(success.puts, failure.puts);
  if (intersects(all.puts, puts)) return false;
  if (!all.deletes.isEmpty) for (const key of puts) if (all.deletes.contains(key)) return false;
  all.puts = union(all.puts, puts);
  all.deletes = all.deletes.union(success.deletes).union(failure.deletes);
  return true;
}

function intersects(a: Set<string>, b: Set<string>): boolean {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const key of small) if (large.has(key)) return true;
  return false;
}

/** Joins two sets; both are used up. */
function union(a: Set<string>, b: Set<string>): Set<string> {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const key of small) large.add(key);
  return large;
}

/** A set of keys made of half-open intervals, kept sorted and disjoint. */
class KeyIntervals {
  private starts: string[] = [];
  private ends: string[] = [];

  static of(ops: readonly RequestOp[]): KeyIntervals {
    const found: { start: string; end: string }[] = [];
    for (const op of ops) {
      if (!(op instanceof DeleteRangeRequest)) continue;
      const start = textOf(op.key);
      const end = op.rangeEnd.length === 0 ? `${start}\0` : textOf(op.rangeEnd);
      if (start < end) found.push({ start, end });
    }
    found.sort((a, b) => (a.start < b.start ? -1 : 1));
    const intervals = new KeyIntervals();
    for (const { start, end } of found) intervals.append(start, end);
    return intervals;
  }

  get isEmpty(): boolean {
    return this.starts.length === 0;
  }

  contains(key: string): boolean {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.starts[middle] <= key) low = middle + 1;
      else high = middle;
    }
    return low > 0 && key < this.ends[low - 1];
  }

  union(other: KeyIntervals): KeyIntervals {
    if (other.isEmpty) return this;
    if (this.isEmpty) return other;
    const all = new KeyIntervals();
    for (let i = 0, j = 0; i < this.starts.length || j < other.starts.length; ) {
      const mine = j === other.starts.length || (i < this.starts.length && this.starts[i] <= other.starts[j]);
      if (mine) all.append(this.starts[i], this.ends[i++]);
      else all.append(other.starts[j], other.ends[j++]);
    }
    return all;
  }

  /** Adds an interval that starts at or after all others. */
  private append(start: string, end: string): void {
    const last = this.ends.length - 1;
    if (last >= 0 && start <= this.ends[last]) {
      if (end > this.ends[last]) this.ends[last] = end;
      return;
    }
    this.starts.push(start);
    this.ends.push(end);
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}
