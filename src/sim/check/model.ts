// The model: etcd's replicated state machine in its plainest form, as far as clients can tell. Keys and all of their
// versions are kept in maps and arrays and nothing is ever compacted away, so that any revision can be asked for later.
// It is the judge of the simulation and therefore shares no code with the product, only the numbers of the protocol.
//
// Covered: puts, deletes, transactions (nested ones too), leases with their keys, compaction marks, alarms as far as they
// refuse writes. Left out: users and roles, the membership, sizes and quotas.
//
// Source: the semantics documented for etcd's v3 API: revisions start at 1, all changes of one request share the next main
// revision, a request that changes nothing takes none, comparisons are decided against the state before the request.

import type {
  CompactOp,
  CompareOp,
  DeleteOp,
  DeleteResult,
  Kv,
  KvOp,
  KvResult,
  LeaseGrantOp,
  LeaseRevokeOp,
  PutOp,
  PutResult,
  RangeOp,
  RangeResult,
  Result,
  TxnOp,
  TxnResult,
  WatchEventRecord,
} from "../history.js";
import { evaluateRange, isInRange } from "./model-range.js";

/** The refusals that applying an entry can end in, with the protocol's texts. */
export const Refusal = {
  KeyNotFound: "etcdserver: key not found",
  Compacted: "etcdserver: mvcc: required revision has been compacted",
  FutureRev: "etcdserver: mvcc: required revision is a future revision",
  NoSpace: "etcdserver: mvcc: database space exceeded",
  LeaseNotFound: "etcdserver: requested lease not found",
  LeaseExist: "etcdserver: lease already exists",
  Corrupt: "etcdserver: corrupt cluster",
} as const;

/** Replicated remaining times of leases, in seconds; 0 clears. */
export interface CheckpointOp {
  readonly type: "checkpoint";
  readonly checkpoints: readonly { readonly id: bigint; readonly remainingTtl: number }[];
}

export interface AlarmChangeOp {
  readonly type: "alarmChange";
  readonly raise: boolean;
  /** As in AlarmType of the protocol: 1 NOSPACE, 2 CORRUPT. */
  readonly alarm: number;
  readonly memberId: bigint;
}

/** Entries that change nothing that the model knows. */
export interface OtherOp {
  readonly type: "other";
}

/** What a log entry can ask for. */
export type LoggedOp =
  | KvOp
  | CompactOp
  | LeaseGrantOp
  | LeaseRevokeOp
  | CheckpointOp
  | AlarmChangeOp
  | OtherOp;

/** What applying an operation gave: exactly one of `result` and `error` for those that clients can ask for. */
export interface Applied {
  readonly result: Result | undefined;
  readonly error: string | undefined;
}

export interface ModelLease {
  readonly id: bigint;
  /** Seconds granted. */
  readonly ttl: number;
  /** Seconds left by the last checkpoint, 0 for none. */
  remainingTtl: number;
  readonly keys: Set<string>;
}

interface Version {
  readonly revision: number;
  /** Undefined for a deletion. */
  readonly kv: Kv | undefined;
}

const NOTHING: Applied = { result: undefined, error: undefined };
const ALARM_NOSPACE = 1;
const ALARM_CORRUPT = 2;

export class Model {
  /** The newest revision; an empty store is at 1. */
  revision = 1;
  /** The compaction mark, -1 for none. */
  compactRevision = -1;
  readonly leases = new Map<bigint, ModelLease>();
  /** "memberId:type". */
  readonly alarms = new Set<string>();
  private readonly versions = new Map<string, Version[]>();
  private sortedKeys: string[] = [];
  /** Events of the revision in the making. */
  private events: WatchEventRecord[] = [];
  private readonly leaseTtlMin: number;

  /** @param leaseTtlMin least TTL in seconds */
  constructor(leaseTtlMin: number) {
    this.leaseTtlMin = leaseTtlMin;
  }

  /** Applies one entry of the log. */
  apply(op: LoggedOp): Applied {
    this.events = [];
    const outcome = this.dispatch(op);
    if (this.events.length > 0) this.revision++;
    return outcome;
  }

  /** The events of the entry applied last, in order; empty if it took no revision. */
  get lastEvents(): readonly WatchEventRecord[] {
    return this.events;
  }

  /** The record of a key as it was at a revision. */
  get(key: string, revision: number): Kv | undefined {
    return this.versionAt(key, revision)?.kv;
  }

  /** The record that was written to a key at exactly this revision. */
  writtenAt(key: string, revision: number): Kv | undefined {
    const version = this.versionAt(key, revision);
    return version?.revision === revision ? version.kv : undefined;
  }

  /** Whether a key was deleted at exactly this revision. */
  deletedAt(key: string, revision: number): boolean {
    const version = this.versionAt(key, revision);
    return version?.revision === revision && version.kv === undefined;
  }

  /** The live records of a range at a revision, in order of their keys. */
  live(key: string, rangeEnd: string, revision: number): Kv[] {
    if (rangeEnd === "") {
      const kv = this.get(key, revision);
      return kv === undefined ? [] : [kv];
    }
    const kvs: Kv[] = [];
    for (const candidate of this.sortedKeys) {
      if (!isInRange(candidate, key, rangeEnd)) continue;
      const kv = this.get(candidate, revision);
      if (kv !== undefined) kvs.push(kv);
    }
    return kvs;
  }

  /** A range, read at the newest revision or at the one it asks for. @param current what counts as the newest */
  range(op: RangeOp, current = this.revision): RangeResult {
    const revision = op.revision > 0 ? op.revision : current;
    return evaluateRange(op, this.live(op.key, op.rangeEnd, revision), current);
  }

  /** A transaction that only reads, at the state of a revision. */
  readTxn(op: TxnOp, current: number): TxnResult {
    const succeeded = op.compare.every((compare) => this.holds(compare, current));
    const responses = (succeeded ? op.success : op.failure).map((inner) =>
      this.range(inner as RangeOp, current),
    );
    return { type: "txn", revision: current, succeeded, responses };
  }

  private dispatch(op: LoggedOp): Applied {
    switch (op.type) {
      case "put":
      case "delete":
      case "txn":
        return this.write(op);
      case "range":
        return { result: this.range(op), error: undefined };
      case "compact":
        return this.compact(op);
      case "leaseGrant":
        return this.grant(op);
      case "leaseRevoke":
        return this.revoke(op);
      case "checkpoint":
        for (const one of op.checkpoints) {
          const lease = this.leases.get(one.id);
          if (lease !== undefined) lease.remainingTtl = one.remainingTtl;
        }
        return NOTHING;
      case "alarmChange":
        if (op.raise) this.alarms.add(`${op.memberId}:${op.alarm}`);
        else this.alarms.delete(`${op.memberId}:${op.alarm}`);
        return NOTHING;
      default:
        return NOTHING;
    }
  }

  private write(op: PutOp | DeleteOp | TxnOp): Applied {
    const refused = this.refusal(growsStore(op));
    if (refused !== undefined) return { result: undefined, error: refused };
    const decisions: boolean[] = [];
    if (op.type === "txn") this.decide(op, decisions);
    const error = this.check(op, decisions.slice());
    if (error !== undefined) return { result: undefined, error };
    const result = this.execute(op, decisions, true);
    return { result, error: undefined };
  }

  private refusal(grows: boolean): string | undefined {
    for (const alarm of this.alarms) if (alarm.endsWith(`:${ALARM_CORRUPT}`)) return Refusal.Corrupt;
    if (!grows) return undefined;
    for (const alarm of this.alarms) if (alarm.endsWith(`:${ALARM_NOSPACE}`)) return Refusal.NoSpace;
    return undefined;
  }

  /** The branches of a transaction and of those nested in its chosen path, in the order of execution. */
  private decide(op: TxnOp, decisions: boolean[]): void {
    const succeeded = op.compare.every((compare) => this.holds(compare, this.revision));
    decisions.push(succeeded);
    for (const inner of succeeded ? op.success : op.failure)
      if (inner.type === "txn") this.decide(inner, decisions);
  }

  private holds(compare: CompareOp, revision: number): boolean {
    const kvs = this.live(compare.key, compare.rangeEnd, revision);
    if (kvs.length > 0) return kvs.every((kv) => compares(compare, kv));
    return compare.target !== "value" && compares(compare, undefined);
  }

  /** Everything on the chosen path is checked before anything is written. @param decisions used up */
  private check(op: KvOp, decisions: boolean[]): string | undefined {
    if (op.type === "put") return this.checkPut(op);
    if (op.type === "range") return this.checkInnerRange(op);
    if (op.type === "delete") return undefined;
    for (const inner of decisions.shift() === true ? op.success : op.failure) {
      const error = this.check(inner, decisions);
      if (error !== undefined) return error;
    }
    return undefined;
  }

  private checkPut(op: PutOp): string | undefined {
    if (op.lease !== 0n && !this.leases.has(op.lease)) return Refusal.LeaseNotFound;
    const isMissing = this.get(op.key, this.revision) === undefined;
    return (op.ignoreValue || op.ignoreLease) && isMissing ? Refusal.KeyNotFound : undefined;
  }

  private checkInnerRange(op: RangeOp): string | undefined {
    if (op.revision === 0) return undefined;
    if (op.revision > this.revision) return Refusal.FutureRev;
    return op.revision < this.compactRevision ? Refusal.Compacted : undefined;
  }

  /** @param isOuter the header of a response shows the revision after it; a nested transaction's shows none */
  private execute(op: KvOp, decisions: boolean[], isOuter: boolean): KvResult {
    if (op.type === "put") return this.put(op);
    if (op.type === "delete") return this.deleteRange(op);
    if (op.type === "range") return this.range(op, this.visibleRevision);
    const succeeded = decisions.shift() === true;
    const responses: KvResult[] = [];
    for (const inner of succeeded ? op.success : op.failure)
      responses.push(this.execute(inner, decisions, false));
    return { type: "txn", revision: isOuter ? this.visibleRevision : 0, succeeded, responses };
  }

  /** What a read sees at this point of a request: its own changes. */
  private get visibleRevision(): number {
    return this.events.length > 0 ? this.revision + 1 : this.revision;
  }

  private put(op: PutOp): PutResult {
    const previous = this.get(op.key, this.revision + 1);
    const lease = op.ignoreLease && previous !== undefined ? previous.lease : op.lease;
    const main = this.revision + 1;
    const kv: Kv = {
      key: op.key,
      value: op.ignoreValue && previous !== undefined ? previous.value : op.value,
      createRevision: previous?.createRevision ?? main,
      modRevision: main,
      version: (previous?.version ?? 0) + 1,
      lease,
    };
    if (previous !== undefined) this.leases.get(previous.lease)?.keys.delete(op.key);
    this.leases.get(lease)?.keys.add(op.key);
    this.record(op.key, main, kv);
    this.events.push({ type: "put", kv, prevKv: this.get(op.key, this.revision) });
    return { type: "put", revision: main, prevKv: op.prevKv ? previous : undefined };
  }

  private deleteRange(op: DeleteOp): DeleteResult {
    const doomed = this.live(op.key, op.rangeEnd, this.revision + 1);
    for (const kv of doomed) this.deleteKey(kv);
    const prevKvs = op.prevKv ? doomed : [];
    return { type: "delete", revision: this.visibleRevision, deleted: doomed.length, prevKvs };
  }

  private deleteKey(kv: Kv): void {
    const main = this.revision + 1;
    this.leases.get(kv.lease)?.keys.delete(kv.key);
    this.record(kv.key, main, undefined);
    const gone = { key: kv.key, value: "", createRevision: 0, modRevision: main, version: 0, lease: 0n };
    this.events.push({ type: "delete", kv: gone, prevKv: this.get(kv.key, this.revision) });
  }

  private record(key: string, revision: number, kv: Kv | undefined): void {
    const versions = this.versions.get(key);
    if (versions !== undefined) {
      versions.push({ revision, kv });
      return;
    }
    this.versions.set(key, [{ revision, kv }]);
    this.sortedKeys.push(key);
    this.sortedKeys.sort();
  }

  private compact(op: CompactOp): Applied {
    const corrupt = this.refusal(false);
    if (corrupt !== undefined) return { result: undefined, error: corrupt };
    if (op.revision <= this.compactRevision) return { result: undefined, error: Refusal.Compacted };
    if (op.revision > this.revision) return { result: undefined, error: Refusal.FutureRev };
    this.compactRevision = op.revision;
    return { result: { type: "compact", revision: this.revision }, error: undefined };
  }

  private grant(op: LeaseGrantOp): Applied {
    const refused = this.refusal(true);
    if (refused !== undefined) return { result: undefined, error: refused };
    if (this.leases.has(op.id)) return { result: undefined, error: Refusal.LeaseExist };
    const ttl = Math.max(op.ttl, this.leaseTtlMin);
    this.leases.set(op.id, { id: op.id, ttl, remainingTtl: 0, keys: new Set() });
    return { result: { type: "leaseGrant", revision: this.revision, id: op.id, ttl }, error: undefined };
  }

  private revoke(op: LeaseRevokeOp): Applied {
    const corrupt = this.refusal(false);
    if (corrupt !== undefined) return { result: undefined, error: corrupt };
    const lease = this.leases.get(op.id);
    if (lease === undefined) return { result: undefined, error: Refusal.LeaseNotFound };
    for (const key of [...lease.keys].sort()) {
      const kv = this.get(key, this.revision + 1);
      if (kv !== undefined) this.deleteKey(kv);
    }
    this.leases.delete(op.id);
    return { result: { type: "leaseRevoke", revision: this.visibleRevision }, error: undefined };
  }

  private versionAt(key: string, revision: number): Version | undefined {
    const versions = this.versions.get(key);
    if (versions === undefined) return undefined;
    let low = 0;
    let high = versions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (versions[middle].revision <= revision) low = middle + 1;
      else high = middle;
    }
    return versions[low - 1];
  }
}

/** Whether NOSPACE refuses it: anything that may put. */
function growsStore(op: KvOp): boolean {
  return op.type === "put" || (op.type === "txn" && [...op.success, ...op.failure].some(growsStore));
}

function compares(compare: CompareOp, kv: Kv | undefined): boolean {
  const order = orderOf(propertyOf(compare, kv), compare.operand);
  switch (compare.result) {
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case ">":
      return order > 0;
    default:
      return order < 0;
  }
}

function propertyOf(compare: CompareOp, kv: Kv | undefined): number | string | bigint {
  switch (compare.target) {
    case "version":
      return kv?.version ?? 0;
    case "create":
      return kv?.createRevision ?? 0;
    case "mod":
      return kv?.modRevision ?? 0;
    case "lease":
      return kv?.lease ?? 0n;
    default:
      return kv?.value ?? "";
  }
}

function orderOf(a: number | string | bigint, b: number | string | bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
