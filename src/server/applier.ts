// Applies one operation of the log to the state of this member. The outcome must be the same on every member: it may
// depend on the entry and on the state that earlier entries made, and on nothing else. A refusal is an outcome. Bytes
// that are no request at all cannot have been proposed by a healthy member: they stop this one.
//
// Hot: `apply` for puts (bench: put rows of `npm run bench`).

import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Clock, panic, type WireWriter } from "#base";
import type { Lessor } from "#lease";
import { putCost, type Store, txnCost } from "#mvcc";
import {
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  ErrCorrupt,
  ErrLeaseNotFound,
  ErrNoSpace,
  membershippb,
  NO_LEASE,
  type RpcError,
  rpcpb,
} from "#proto";
import { type Alarm, type Alarms, AlarmType } from "./alarms.js";
import { Operation, type ParsedRequest } from "./request.js";
import type { EntryOutcome } from "./waiters.js";

/** The part of the membership that ordinary entries change. */
export interface ClusterState {
  setClusterVersion(version: string): void;
  setMemberAttributes(memberId: bigint, name: string, clientUrls: readonly string[]): void;
}

/** Who wants to know of certain operations after they were applied. */
export interface ApplyListener {
  onCompactionScheduled(): void;
  onLeaseGranted(ttlSeconds: number): void;
  onLeaseRevoked(id: bigint): void;
  onAlarmsChanged(): void;
}

export class Applier {
  private readonly store: Store;
  private readonly lessor: Lessor;
  private readonly alarms: Alarms;
  private readonly cluster: ClusterState;
  private readonly clock: Clock;
  private readonly listener: ApplyListener;

  constructor(parts: {
    store: Store;
    lessor: Lessor;
    alarms: Alarms;
    cluster: ClusterState;
    clock: Clock;
    listener: ApplyListener;
  }) {
    this.store = parts.store;
    this.lessor = parts.lessor;
    this.alarms = parts.alarms;
    this.cluster = parts.cluster;
    this.clock = parts.clock;
    this.listener = parts.listener;
  }

  /**
   * Applies one operation.
   * @param wanted somebody waits for the response; if not, its body is left out
   * @param outcome reset by the caller; gets error, revision and body
   */
  apply(request: ParsedRequest, data: Uint8Array, wanted: boolean, outcome: EntryOutcome): void {
    const { start, end } = request;
    const out = wanted ? outcome.body : undefined;
    switch (request.field) {
      case Operation.Put:
        return this.put(data, start, end, out, outcome);
      case Operation.Txn:
        return this.txn(data, start, end, out, outcome);
      case Operation.DeleteRange:
        return this.deleteRange(data, start, end, out, outcome);
      case Operation.Range:
        return this.range(data, start, end, out, outcome);
      case Operation.Compaction:
        return this.compact(decode(rpcpb.CompactionRequestSchema, data, start, end), outcome);
      case Operation.LeaseGrant:
        return this.grant(decode(rpcpb.LeaseGrantRequestSchema, data, start, end), out, outcome);
      case Operation.LeaseRevoke:
        return this.revoke(decode(rpcpb.LeaseRevokeRequestSchema, data, start, end), outcome);
      case Operation.LeaseCheckpoint:
        return this.checkpoint(decode(rpcpb.LeaseCheckpointRequestSchema, data, start, end));
      case Operation.Alarm:
        return this.alarm(decode(rpcpb.AlarmRequestSchema, data, start, end), out);
      case Operation.ClusterVersionSet:
        return this.cluster.setClusterVersion(
          decode(membershippb.ClusterVersionSetRequestSchema, data, start, end).ver,
        );
      case Operation.ClusterMemberAttrSet:
        return this.memberAttributes(
          decode(membershippb.ClusterMemberAttrSetRequestSchema, data, start, end),
        );
      case Operation.DowngradeInfoSet:
      case Operation.None:
        return;
      default:
        // An operation of a newer version: guessing at its effect would make this member differ from the others.
        panic("log entry holds an operation that this version does not know", { field: request.field });
    }
  }

  private put(
    data: Uint8Array,
    start: number,
    end: number,
    out: WireWriter | undefined,
    outcome: EntryOutcome,
  ): void {
    const request = decodePutRequest(data, start, end);
    const refusal = this.refusal(putCost(request));
    if (refusal !== undefined) outcome.error = refusal;
    else this.take(outcome, this.store.applyPut(request, out));
  }

  private deleteRange(
    data: Uint8Array,
    start: number,
    end: number,
    out: WireWriter | undefined,
    outcome: EntryOutcome,
  ): void {
    const refusal = this.refusal(0);
    if (refusal !== undefined) outcome.error = refusal;
    else this.take(outcome, this.store.applyDeleteRange(decodeDeleteRangeRequest(data, start, end), out));
  }

  private txn(
    data: Uint8Array,
    start: number,
    end: number,
    out: WireWriter | undefined,
    outcome: EntryOutcome,
  ): void {
    const request = decodeTxnRequest(data, start, end);
    if (request === undefined) panic("log entry holds a transaction nested beyond any bound");
    const refusal = this.refusal(txnCost(request));
    if (refusal !== undefined) outcome.error = refusal;
    else this.take(outcome, this.store.applyTxn(request, out));
  }

  private range(
    data: Uint8Array,
    start: number,
    end: number,
    out: WireWriter | undefined,
    outcome: EntryOutcome,
  ): void {
    outcome.error = this.alarms.corrupt ? ErrCorrupt : undefined;
    if (outcome.error === undefined && out !== undefined) {
      outcome.error = this.store.range(decodeRangeRequest(data, start, end), out);
      outcome.revision = this.store.currentRevision;
    }
  }

  private take(outcome: EntryOutcome, result: { error: RpcError | undefined; revision: number }): void {
    outcome.error = result.error;
    outcome.revision = result.revision;
  }

  private compact(request: rpcpb.CompactionRequest, outcome: EntryOutcome): void {
    if (this.alarms.corrupt) {
      outcome.error = ErrCorrupt;
      return;
    }
    const revision = clamp(request.revision);
    outcome.error = this.store.compact(revision);
    outcome.revision = this.store.currentRevision;
    if (outcome.error === undefined) this.listener.onCompactionScheduled();
  }

  private grant(request: rpcpb.LeaseGrantRequest, out: WireWriter | undefined, outcome: EntryOutcome): void {
    const refusal = this.refusal(1);
    if (refusal !== undefined) {
      outcome.error = refusal;
      return;
    }
    const granted = this.lessor.grant(request.ID, clamp(request.TTL), this.clock.now());
    if (!granted.ok) {
      outcome.error = granted.error;
      return;
    }
    this.listener.onLeaseGranted(granted.ttl);
    if (out === undefined) return;
    out.byte(0x10);
    out.bigint(request.ID);
    out.byte(0x18);
    out.varint(granted.ttl);
  }

  private revoke(request: rpcpb.LeaseRevokeRequest, outcome: EntryOutcome): void {
    if (this.alarms.corrupt) {
      outcome.error = ErrCorrupt;
      return;
    }
    const keys = request.ID === NO_LEASE ? undefined : this.lessor.revoke(request.ID);
    if (keys === undefined) {
      outcome.error = ErrLeaseNotFound;
      return;
    }
    this.take(outcome, this.store.applyDeleteKeys(keys));
    this.listener.onLeaseRevoked(request.ID);
  }

  private checkpoint(request: rpcpb.LeaseCheckpointRequest): void {
    const now = this.clock.now();
    for (const one of request.checkpoints) this.lessor.checkpoint(one.ID, clamp(one.remainingTTL), now);
  }

  private alarm(request: rpcpb.AlarmRequest, out: WireWriter | undefined): void {
    const changed = this.changeAlarms(request);
    if (out === undefined) return;
    const alarms = changed.map(({ memberId, type }) =>
      create(rpcpb.AlarmMemberSchema, { memberID: memberId, alarm: type }),
    );
    out.raw(toBinary(rpcpb.AlarmResponseSchema, create(rpcpb.AlarmResponseSchema, { alarms })));
  }

  private changeAlarms(request: rpcpb.AlarmRequest): Alarm[] {
    const { alarms } = this;
    switch (request.action) {
      case rpcpb.AlarmRequest_AlarmAction.ACTIVATE: {
        if (request.alarm === AlarmType.NONE) return [];
        const raised = alarms.activate(request.memberID, request.alarm);
        this.listener.onAlarmsChanged();
        return [raised];
      }
      case rpcpb.AlarmRequest_AlarmAction.DEACTIVATE: {
        const cleared = alarms.deactivate(request.memberID, request.alarm);
        this.listener.onAlarmsChanged();
        return cleared === undefined ? [] : [cleared];
      }
      default:
        return alarms.list(request.alarm);
    }
  }

  private memberAttributes(request: membershippb.ClusterMemberAttrSetRequest): void {
    const attributes = request.memberAttributes;
    this.cluster.setMemberAttributes(request.memberID, attributes?.name ?? "", attributes?.clientUrls ?? []);
  }

  /** Alarms refuse at apply time what was proposed before they were raised. */
  private refusal(cost: number): RpcError | undefined {
    if (this.alarms.corrupt) return ErrCorrupt;
    return cost > 0 && this.alarms.noSpace ? ErrNoSpace : undefined;
  }
}

function decode<Desc extends DescMessage>(
  schema: Desc,
  data: Uint8Array,
  start: number,
  end: number,
): MessageShape<Desc> {
  return fromBinary(schema, data.subarray(start, end));
}

function clamp(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
  if (value < -BigInt(Number.MAX_SAFE_INTEGER)) return -Number.MAX_SAFE_INTEGER;
  return Number(value);
}
