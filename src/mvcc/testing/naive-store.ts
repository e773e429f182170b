// The store as plainly as possible, to compare the real one with: a list of all records ever written, from which every
// answer is worked out anew. It speaks the generated protobuf types, so it shares no code with the real one. Requests
// are taken to be valid in the sense of the API's checks.

import { clone, create } from "@bufbuild/protobuf";
import { compareBytes } from "#base";
import {
  ErrCompacted,
  ErrFutureRev,
  ErrKeyNotFound,
  ErrLeaseNotFound,
  mvccpb,
  type RpcError,
  rpcpb,
} from "#proto";

interface NaiveRecord {
  readonly main: number;
  readonly sub: number;
  readonly kv: mvccpb.KeyValue;
  readonly tombstone: boolean;
}

/** A refusal, thrown before anything is written. */
export class Refused extends Error {
  constructor(readonly row: RpcError) {
    super(row.message);
  }
}

export class NaiveStore {
  current = 1;
  compacted = -1;
  readonly leases = new Set<bigint>();
  readonly records: NaiveRecord[] = [];
  /** The revision that changes get, and whether there were any. */
  private main = 0;
  private sub = 0;

  range(req: rpcpb.RangeRequest, current = this.current): rpcpb.RangeResponse {
    if (req.revision > current) throw new Refused(ErrFutureRev);
    const at = req.revision <= 0n ? current : Number(req.revision);
    if (at < this.compacted) throw new Refused(ErrCompacted);
    const all = this.find(req.key, req.rangeEnd, at);
    const response = create(rpcpb.RangeResponseSchema, { count: BigInt(all.length) });
    if (req.countOnly) return response;
    const filtered = all.filter((kv) => passes(req, kv));
    const target = SORT_KEYS[req.sortTarget];
    const plain = req.sortOrder === rpcpb.RangeRequest_SortOrder.NONE;
    const unfiltered =
      !req.minModRevision && !req.maxModRevision && !req.minCreateRevision && !req.maxCreateRevision;
    const limit = req.limit > 0n ? Number(req.limit) : Number.POSITIVE_INFINITY;
    const candidates = plain && unfiltered ? filtered.slice(0, limit + 1) : filtered;
    const sorted =
      plain && target === undefined ? candidates : candidates.toSorted((a, b) => order(target, a, b));
    if (req.sortOrder === rpcpb.RangeRequest_SortOrder.DESCEND) {
      sorted.sort((a, b) => -order(target, a, b));
    }
    response.more = sorted.length > limit;
    response.kvs = sorted.slice(0, limit).map((kv) => (req.keysOnly ? bare(req, kv) : kv));
    return response;
  }

  put(req: rpcpb.PutRequest): rpcpb.PutResponse {
    this.checkPut(req);
    this.begin();
    const response = this.doPut(req);
    this.end();
    return response;
  }

  delete(req: rpcpb.DeleteRangeRequest): rpcpb.DeleteRangeResponse {
    this.begin();
    const response = this.doDelete(req);
    this.end();
    return response;
  }

  txn(req: rpcpb.TxnRequest): rpcpb.TxnResponse {
    const path: boolean[] = [];
    this.decide(req, path);
    this.checkPath(req, path.slice());
    this.begin();
    const response = this.execute(req, path);
    this.end();
    return response;
  }

  compact(revision: number): void {
    if (revision <= this.compacted) throw new Refused(ErrCompacted);
    if (revision > this.current) throw new Refused(ErrFutureRev);
    this.compacted = revision;
  }

  revoke(lease: bigint): void {
    this.begin();
    const keys = this.find(BEGIN, FROM_KEY, this.current).filter((kv) => kv.lease === lease);
    for (const { key } of keys) this.write({ key }, true);
    this.end();
    this.leases.delete(lease);
  }

  /** Keys of a lease at the current revision. */
  keysOf(lease: bigint): Uint8Array[] {
    return this.find(BEGIN, FROM_KEY, this.current)
      .filter((kv) => kv.lease === lease)
      .map((kv) => kv.key);
  }

  find(key: Uint8Array, end: Uint8Array, at: number): mvccpb.KeyValue[] {
    const newest: NaiveRecord[] = [];
    for (const record of this.records) {
      if (record.main > at || !inRange(record.kv.key, key, end)) continue;
      const known = newest.findIndex((each) => compareBytes(each.kv.key, record.kv.key) === 0);
      if (known < 0) newest.push(record);
      else newest[known] = record;
    }
    return newest
      .filter((record) => !record.tombstone)
      .map((record) => record.kv)
      .sort((a, b) => compareBytes(a.key, b.key));
  }

  private begin(): void {
    this.main = this.current + 1;
    this.sub = 0;
  }

  private end(): void {
    if (this.sub > 0) this.current = this.main;
  }

  private get readAt(): number {
    return this.sub > 0 ? this.main : this.current;
  }

  private header(revision: number): rpcpb.ResponseHeader {
    return create(rpcpb.ResponseHeaderSchema, { revision: BigInt(revision) });
  }

  private newest(key: Uint8Array): mvccpb.KeyValue | undefined {
    return this.find(key, NO_END, this.main)[0];
  }

  private checkPut(req: rpcpb.PutRequest): void {
    if (req.lease !== 0n && !this.leases.has(req.lease)) throw new Refused(ErrLeaseNotFound);
    if (!req.ignoreValue && !req.ignoreLease) return;
    if (this.find(req.key, NO_END, this.current).length === 0) throw new Refused(ErrKeyNotFound);
  }

  private doPut(req: rpcpb.PutRequest): rpcpb.PutResponse {
    const old = this.newest(req.key);
    this.write(
      {
        key: req.key,
        value: req.ignoreValue ? old?.value : req.value,
        lease: req.ignoreLease ? old?.lease : req.lease,
        createRevision: old === undefined ? BigInt(this.main) : old.createRevision,
        modRevision: BigInt(this.main),
        version: old === undefined ? 1n : old.version + 1n,
      },
      false,
    );
    return create(rpcpb.PutResponseSchema, { prevKv: req.prevKv ? old : undefined });
  }

  private doDelete(req: rpcpb.DeleteRangeRequest): rpcpb.DeleteRangeResponse {
    const doomed = this.find(req.key, req.rangeEnd, this.main);
    for (const { key } of doomed) this.write({ key }, true);
    return create(rpcpb.DeleteRangeResponseSchema, {
      deleted: BigInt(doomed.length),
      prevKvs: req.prevKv ? doomed : [],
    });
  }

  private write(kv: Partial<Omit<mvccpb.KeyValue, "$typeName">>, tombstone: boolean): void {
    this.records.push({ main: this.main, sub: this.sub++, kv: create(mvccpb.KeyValueSchema, kv), tombstone });
  }

  private decide(req: rpcpb.TxnRequest, path: boolean[]): void {
    const succeeded = req.compare.every((compare) => this.holds(compare));
    path.push(succeeded);
    for (const { request } of succeeded ? req.success : req.failure) {
      if (request.case === "requestTxn") this.decide(request.value, path);
    }
  }

  private holds(compare: rpcpb.Compare): boolean {
    const kvs = this.find(compare.key, compare.rangeEnd, this.current);
    if (kvs.length > 0) return kvs.every((kv) => holdsFor(compare, kv));
    return (
      compare.target !== rpcpb.Compare_CompareTarget.VALUE && holdsFor(compare, create(mvccpb.KeyValueSchema))
    );
  }

  private checkPath(req: rpcpb.TxnRequest, path: boolean[]): void {
    for (const { request } of path.shift() ? req.success : req.failure) {
      if (request.case === "requestPut") this.checkPut(request.value);
      else if (request.case === "requestTxn") this.checkPath(request.value, path);
      else if (request.case === "requestRange" && request.value.revision !== 0n) {
        if (request.value.revision > this.current) throw new Refused(ErrFutureRev);
        if (request.value.revision < this.compacted) throw new Refused(ErrCompacted);
      }
    }
  }

  private execute(req: rpcpb.TxnRequest, path: boolean[]): rpcpb.TxnResponse {
    const succeeded = path.shift() === true;
    const ops = succeeded ? req.success : req.failure;
    const responses = ops.map((op) => create(rpcpb.ResponseOpSchema, { response: this.executeOp(op, path) }));
    return create(rpcpb.TxnResponseSchema, { succeeded, responses });
  }

  private executeOp({ request }: rpcpb.RequestOp, path: boolean[]): rpcpb.ResponseOp["response"] {
    switch (request.case) {
      case "requestRange": {
        const header = this.header(this.readAt);
        return { case: "responseRange", value: { ...this.range(request.value, this.readAt), header } };
      }
      case "requestPut":
        return {
          case: "responsePut",
          value: { ...this.doPut(request.value), header: this.header(this.main) },
        };
      case "requestDeleteRange": {
        const value = this.doDelete(request.value);
        return { case: "responseDeleteRange", value: { ...value, header: this.header(this.readAt) } };
      }
      case "requestTxn": {
        const value = this.execute(request.value, path);
        return { case: "responseTxn", value: { ...value, header: create(rpcpb.ResponseHeaderSchema) } };
      }
      default:
        return { case: undefined };
    }
  }
}

const NO_END = new Uint8Array(0);
const FROM_KEY = Uint8Array.of(0);
const BEGIN = Uint8Array.of(0);

function inRange(key: Uint8Array, start: Uint8Array, end: Uint8Array): boolean {
  if (end.length === 0) return compareBytes(key, start) === 0;
  const open = end.length === 1 && end[0] === 0;
  return compareBytes(key, start) >= 0 && (open || compareBytes(key, end) < 0);
}

function passes(req: rpcpb.RangeRequest, kv: mvccpb.KeyValue): boolean {
  if (req.minModRevision !== 0n && kv.modRevision < req.minModRevision) return false;
  if (req.maxModRevision !== 0n && kv.modRevision > req.maxModRevision) return false;
  if (req.minCreateRevision !== 0n && kv.createRevision < req.minCreateRevision) return false;
  return req.maxCreateRevision === 0n || kv.createRevision <= req.maxCreateRevision;
}

const SORT_KEYS = [undefined, "version", "createRevision", "modRevision", "value"] as const;

function order(target: (typeof SORT_KEYS)[number], a: mvccpb.KeyValue, b: mvccpb.KeyValue): number {
  if (target === undefined) return compareBytes(a.key, b.key);
  if (target === "value") return compareBytes(a.value, b.value);
  return Number(a[target] - b[target]);
}

function bare(req: rpcpb.RangeRequest, kv: mvccpb.KeyValue): mvccpb.KeyValue {
  const copy = clone(mvccpb.KeyValueSchema, kv);
  copy.value = NO_END;
  if (req.sortTarget !== rpcpb.RangeRequest_SortTarget.VALUE) copy.lease = 0n;
  return copy;
}

function holdsFor(compare: rpcpb.Compare, kv: mvccpb.KeyValue): boolean {
  const { targetUnion } = compare;
  const number = (name: string) => (targetUnion.case === name ? (targetUnion.value as bigint) : 0n);
  let result = 0n;
  switch (compare.target) {
    case rpcpb.Compare_CompareTarget.VERSION:
      result = kv.version - number("version");
      break;
    case rpcpb.Compare_CompareTarget.CREATE:
      result = kv.createRevision - number("createRevision");
      break;
    case rpcpb.Compare_CompareTarget.MOD:
      result = kv.modRevision - number("modRevision");
      break;
    case rpcpb.Compare_CompareTarget.LEASE:
      result = kv.lease - number("lease");
      break;
    case rpcpb.Compare_CompareTarget.VALUE:
      result = BigInt(compareBytes(kv.value, targetUnion.case === "value" ? targetUnion.value : NO_END));
  }
  switch (compare.result) {
    case rpcpb.Compare_CompareResult.EQUAL:
      return result === 0n;
    case rpcpb.Compare_CompareResult.NOT_EQUAL:
      return result !== 0n;
    case rpcpb.Compare_CompareResult.GREATER:
      return result > 0n;
    default:
      return result < 0n;
  }
}
