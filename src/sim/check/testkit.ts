// Histories written by hand, for the tests of the checkers. A `Script` tells a run as one would tell it in prose: this call
// at that time, this entry applied then, that answer. Answers are the model's unless a test gives its own; a bad history
// is a good one with one thing changed.

import { create, toBinary } from "@bufbuild/protobuf";
import { WireWriter } from "#base";
import { rpcpb } from "#proto";
import type {
  FinalState,
  History,
  KvOp,
  MemberEvent,
  Op,
  OperationRecord,
  Outcome,
  PutOp,
  RangeOp,
  Result,
  WatchCreate,
  WatchEventRecord,
  WatchResponseRecord,
  WatchStreamRecord,
} from "../history.js";
import { encodeRequest } from "../requests.js";
import type { Checker } from "./checker.js";
import { type LoggedOp, Model } from "./model.js";

const FIELDS: Readonly<Record<string, number>> = {
  range: 3,
  put: 4,
  delete: 5,
  txn: 6,
  compact: 7,
  leaseGrant: 8,
  leaseRevoke: 9,
};
export const PLACES = [0, 1, 2];
export const LEASE_TTL_MIN = 2;

export function emptyHistory(): History {
  return {
    seed: 0,
    members: PLACES.length,
    electionTimeoutMs: 1000,
    heartbeatIntervalMs: 100,
    leaseTtlMin: LEASE_TTL_MIN,
    watchProgressIntervalMs: 1000,
    clockDriftMax: 0.01,
    operations: [],
    watches: [],
    log: new Map(),
    applied: [],
    memberEvents: [],
    faults: [],
    finals: [],
    livenessFrom: 0,
    leaderlessFrom: [],
    quietFrom: 0,
    endedAt: 0,
  };
}

export function putOp(key: string, value: string, more: Partial<PutOp> = {}): PutOp {
  const plain = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
  return { type: "put", key, value, ...plain, ...more };
}

export function rangeOp(key: string, more: Partial<RangeOp> = {}): RangeOp {
  return {
    type: "range",
    key,
    rangeEnd: "",
    limit: 0,
    revision: 0,
    sortOrder: 0,
    sortTarget: 0,
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
    ...more,
  };
}

export function deleteOp(key: string, rangeEnd = "", prevKv = false): KvOp {
  return { type: "delete", key, rangeEnd, prevKv };
}

export function refusal(message: string): Outcome {
  return { kind: "error", code: 9, message, isDefinite: true };
}

export const UNKNOWN: Outcome = { kind: "unknown", reason: "timed out" };

/** What a call in a script may say of itself; times are of the simulation. */
export interface CallTimes {
  readonly called?: number;
  /** When the entry is applied first; Infinity: it never enters the log. */
  readonly applied?: number;
  readonly returned?: number;
  readonly member?: number;
  /** Instead of what the model says. */
  readonly outcome?: Outcome;
}

export class Script {
  readonly history = emptyHistory();
  readonly model = new Model(LEASE_TTL_MIN);
  term = 2;
  /** Where the next call begins; each one moves it on. */
  now = 1000;
  private index = 10;

  constructor() {
    this.event("leader", 0, 500, String(this.term));
  }

  /** A call that goes through the log. */
  write(op: Op, times: CallTimes = {}): OperationRecord {
    const called = times.called ?? this.now;
    const applied = times.applied ?? called + 1;
    const outcome = applied === Number.POSITIVE_INFINITY ? UNKNOWN : this.entry(op, applied);
    return this.call(op, times.outcome ?? outcome, { called, returned: called + 2, ...times });
  }

  put(key: string, value: string, times: CallTimes & { op?: Partial<PutOp> } = {}): OperationRecord {
    return this.write(putOp(key, value, times.op), times);
  }

  /** A read, answered from the newest state (or as `outcome` says). */
  read(op: RangeOp, times: CallTimes = {}): OperationRecord {
    return this.call(op, times.outcome ?? { kind: "ok", result: this.model.range(op) }, times);
  }

  /** A call with its outcome, and nothing else. */
  call(op: Op, outcome: Outcome, times: CallTimes = {}): OperationRecord {
    const calledAt = times.called ?? this.now;
    const returnedAt = times.returned ?? calledAt + 2;
    const { operations } = this.history;
    const record: OperationRecord = {
      id: operations.length,
      client: 1,
      member: times.member ?? 0,
      op,
      calledAt,
      returnedAt,
      outcome,
    };
    operations.push(record);
    this.now = Math.max(this.now, calledAt) + 10;
    return record;
  }

  /** An entry, applied by all members, by member 0 first. @returns what the model says of it */
  entry(op: Op, time = this.now): Outcome {
    return this.logged(op as LoggedOp, payload(op), time);
  }

  /** The cluster runs out of space. */
  raiseNoSpace(): void {
    const fields = {
      action: rpcpb.AlarmRequest_AlarmAction.ACTIVATE,
      alarm: rpcpb.AlarmType.NOSPACE,
      memberID: 100n,
    };
    const body = toBinary(rpcpb.AlarmRequestSchema, create(rpcpb.AlarmRequestSchema, fields));
    this.logged({ type: "alarmChange", raise: true, alarm: 1, memberId: 100n }, wrapped(10, body), this.now);
  }

  /** The leader tells how much of a lease is left, in seconds. */
  checkpoint(id: bigint, remainingTtl: number, time: number): void {
    const checkpoints = [{ ID: id, remainingTTL: BigInt(remainingTtl) }];
    const request = create(rpcpb.LeaseCheckpointRequestSchema, { checkpoints });
    const body = toBinary(rpcpb.LeaseCheckpointRequestSchema, request);
    this.logged({ type: "checkpoint", checkpoints: [{ id, remainingTtl }] }, wrapped(11, body), time);
  }

  private logged(op: LoggedOp, data: Uint8Array, time: number): Outcome {
    const index = ++this.index;
    const { term } = this;
    const { result, error } = this.model.apply(op);
    const entryHash = index * 7;
    const resultHash = index * 11;
    this.history.log.set(index, {
      index,
      term,
      type: 0,
      data,
      entryHash,
      resultHash,
      firstAppliedAt: time,
      firstAppliedBy: 0,
    });
    for (const member of PLACES)
      this.history.applied.push({
        member,
        life: 1,
        time: time + member * 0.1,
        index,
        term,
        entryHash,
        resultHash,
      });
    return result === undefined ? refusal(error ?? "") : { kind: "ok", result };
  }

  event(kind: MemberEvent["kind"], member: number, time: number, detail = ""): void {
    this.history.memberEvents.push({ time, member, kind, detail });
  }

  /** The end of a run without trouble: everything at rest, all members alike. */
  finish(livenessFrom = this.now, quietFrom = livenessFrom + 20_000): History {
    const { history } = this;
    history.livenessFrom = livenessFrom;
    history.quietFrom = quietFrom;
    history.endedAt = quietFrom + 10_000;
    for (const member of PLACES) history.finals.push(this.final(member));
    return history;
  }

  final(member: number): FinalState {
    const { model } = this;
    return {
      member,
      memberId: BigInt(100 + member),
      appliedIndex: this.index,
      term: this.term,
      revision: model.revision,
      compactRevision: model.compactRevision,
      hash: 4711,
      membership: "100 101 102",
      voters: [100n, 101n, 102n],
      learners: [],
      leases: Array.from(model.leases.values(), ({ id, ttl, keys }) => ({ id, ttl, keys: [...keys] })),
      alarms: [],
      kvs: model.live("\0", "\0", model.revision),
      resources: { watchers: 0, streams: 0 },
    };
  }

  stream(...asks: WatchStreamRecord["asks"]): StreamScript {
    return new StreamScript(this.history, asks);
  }
}

/** One watch stream of a script. */
export class StreamScript {
  readonly record: WatchStreamRecord;

  constructor(history: History, asks: WatchStreamRecord["asks"]) {
    this.record = {
      id: history.watches.length,
      client: 100,
      member: 0,
      openedAt: 0,
      asks,
      responses: [],
      stalls: [],
      endedAt: Number.POSITIVE_INFINITY,
      endReason: "",
    };
    history.watches.push(this.record);
  }

  created(watchId: number, revision: number, time: number, more: Partial<WatchResponseRecord> = {}): this {
    return this.response({ watchId, revision, time, created: true, ...more });
  }

  events(
    watchId: number,
    time: number,
    events: WatchEventRecord[],
    more: Partial<WatchResponseRecord> = {},
  ): this {
    const revision = events[events.length - 1]?.kv.modRevision ?? 0;
    return this.response({ watchId, revision, time, events, ...more });
  }

  progress(watchId: number, revision: number, time: number): this {
    return this.response({ watchId, revision, time });
  }

  response(fields: Partial<WatchResponseRecord>): this {
    this.record.responses.push({
      time: 0,
      watchId: 1,
      revision: 1,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: "",
      fragment: false,
      events: [],
      ...fields,
    });
    return this;
  }
}

export function createAsk(more: Partial<WatchCreate> = {}): WatchCreate {
  return {
    kind: "create",
    time: 0,
    watchId: 1,
    key: "a",
    rangeEnd: "z",
    startRevision: 2,
    prevKv: false,
    progressNotify: false,
    noPut: false,
    noDelete: false,
    fragment: false,
    ...more,
  };
}

/** The messages of a checker's violations. */
export function findings(checker: Checker, history: History): string[] {
  return checker.check(history).map((violation) => violation.message);
}

/** An InternalRaftRequest with this operation. */
function payload(op: Op): Uint8Array {
  return wrapped(FIELDS[op.type], encodeRequest(op));
}

function wrapped(field: number, body: Uint8Array): Uint8Array {
  const out = new WireWriter(64);
  out.varint(field * 8 + 2);
  out.bytes(body);
  return out.finish();
}

export function okResult(operation: OperationRecord): Result {
  if (operation.outcome.kind !== "ok") throw new Error("the call did not succeed");
  return operation.outcome.result;
}
