// Looking after members: status, hashes, snapshots, alarms, defragmentation. Most of these concern one member: name it by
// `endpoint`, or have a client with one endpoint; otherwise any member answers.

import { create, fromBinary } from "@bufbuild/protobuf";
import { type ResponseHeader, rpcpb } from "#proto";
import { type Caller, pathOf } from "./caller.js";
import type { CallOptions } from "./config.js";
import { headerOf } from "./messages.js";

export interface StatusResponse {
  header: ResponseHeader;
  /** Version of the member's etcd. */
  version: string;
  storageVersion: string;
  /** Bytes of the backend file. */
  dbSize: number;
  /** Bytes of it in use. */
  dbSizeInUse: number;
  dbSizeQuota: number;
  /** Member id of the leader this member knows; 0n: none. */
  leader: bigint;
  raftIndex: number;
  raftTerm: number;
  raftAppliedIndex: number;
  isLearner: boolean;
  /** Alarms and other trouble, as texts. */
  errors: string[];
  downgrade: { enabled: boolean; targetVersion: string };
}

export type AlarmType = "NONE" | "NOSPACE" | "CORRUPT";

export interface Alarm {
  memberId: bigint;
  alarm: AlarmType;
}

/** Part of a snapshot; the parts together are the backend file, followed by 32 bytes of its SHA-256. */
export interface SnapshotChunk {
  blob: Uint8Array;
  /** Bytes that are still to come, without the checksum. */
  remainingBytes: number;
  /** Storage version, as far as the server tells. */
  version: string;
}

const METHOD = rpcpb.Maintenance.method;

export class MaintenanceClient {
  private readonly caller: Caller;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  async status(options: CallOptions = {}): Promise<StatusResponse> {
    const r = await this.caller.call(METHOD.status, create(rpcpb.StatusRequestSchema), options);
    return {
      header: headerOf(r.header),
      version: r.version,
      storageVersion: r.storageVersion,
      dbSize: Number(r.dbSize),
      dbSizeInUse: Number(r.dbSizeInUse),
      dbSizeQuota: Number(r.dbSizeQuota),
      leader: r.leader,
      raftIndex: Number(r.raftIndex),
      raftTerm: Number(r.raftTerm),
      raftAppliedIndex: Number(r.raftAppliedIndex),
      isLearner: r.isLearner,
      errors: r.errors,
      downgrade: {
        enabled: r.downgradeInfo?.enabled ?? false,
        targetVersion: r.downgradeInfo?.targetVersion ?? "",
      },
    };
  }

  /** Checksum of the member's whole backend. */
  async hash(options: CallOptions = {}): Promise<{ header: ResponseHeader; hash: number }> {
    const response = await this.caller.call(METHOD.hash, create(rpcpb.HashRequestSchema), options);
    return { header: headerOf(response.header), hash: response.hash };
  }

  /** Checksum of the keys up to `revision` (0: all); equal on all members that have compacted alike. */
  async hashKV(
    revision = 0,
    options: CallOptions = {},
  ): Promise<{ header: ResponseHeader; hash: number; compactRevision: number; hashRevision: number }> {
    const request = create(rpcpb.HashKVRequestSchema, { revision: BigInt(revision) });
    const response = await this.caller.call(METHOD.hashKV, request, options);
    return {
      header: headerOf(response.header),
      hash: response.hash,
      compactRevision: Number(response.compactRevision),
      hashRevision: Number(response.hashRevision),
    };
  }

  /** Streams the member's backend. Take it at your own pace: the member is held back meanwhile. */
  async *snapshot(options: CallOptions = {}): AsyncGenerator<SnapshotChunk, void> {
    const request = new Uint8Array(0);
    for await (const message of this.caller.serverStream(pathOf(METHOD.snapshot), request, options)) {
      const { blob, remainingBytes, version } = fromBinary(rpcpb.SnapshotResponseSchema, message);
      yield { blob, remainingBytes: Number(remainingBytes), version };
    }
  }

  /** Gives unused space of the member's backend back. The member answers nothing else meanwhile. */
  async defragment(options: CallOptions = {}): Promise<void> {
    await this.caller.call(METHOD.defragment, create(rpcpb.DefragmentRequestSchema), options);
  }

  /** Alarms that are raised. */
  async alarms(options: CallOptions = {}): Promise<{ header: ResponseHeader; alarms: Alarm[] }> {
    return this.alarm({ action: rpcpb.AlarmRequest_AlarmAction.GET }, options);
  }

  /** Takes one alarm back, or all of them when none is given. Returns those that were taken back. */
  async disarm(
    alarm?: Alarm,
    options: CallOptions = {},
  ): Promise<{ header: ResponseHeader; alarms: Alarm[] }> {
    const action = rpcpb.AlarmRequest_AlarmAction.DEACTIVATE;
    if (alarm !== undefined) {
      return this.alarm({ action, memberID: alarm.memberId, alarm: rpcpb.AlarmType[alarm.alarm] }, options);
    }
    const raised = await this.alarms(options);
    const disarmed: Alarm[] = [];
    for (const one of raised.alarms) disarmed.push(...(await this.disarm(one, options)).alarms);
    return { header: raised.header, alarms: disarmed };
  }

  /** Hands leadership to a voter; only the leader can. */
  async moveLeader(targetId: bigint, options: CallOptions = {}): Promise<void> {
    const request = create(rpcpb.MoveLeaderRequestSchema, { targetID: targetId });
    await this.caller.call(METHOD.moveLeader, request, options);
  }

  private async alarm(
    init: { action: rpcpb.AlarmRequest_AlarmAction; memberID?: bigint; alarm?: rpcpb.AlarmType },
    options: CallOptions,
  ): Promise<{ header: ResponseHeader; alarms: Alarm[] }> {
    const request = create(rpcpb.AlarmRequestSchema, init);
    const response = await this.caller.call(METHOD.alarm, request, options);
    const alarms = response.alarms.map((one) => ({ memberId: one.memberID, alarm: alarmName(one.alarm) }));
    return { header: headerOf(response.header), alarms };
  }
}

function alarmName(alarm: rpcpb.AlarmType): AlarmType {
  if (alarm === rpcpb.AlarmType.NOSPACE) return "NOSPACE";
  return alarm === rpcpb.AlarmType.CORRUPT ? "CORRUPT" : "NONE";
}
