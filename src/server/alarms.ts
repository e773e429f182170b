// Alarms: flags on members that survive restarts and change what the cluster accepts. NOSPACE refuses growth, CORRUPT
// refuses nearly everything. They change only by log entries, so every member has the same ones. Kept in bucket `alarm`
// under the encoded AlarmMember, as etcd does.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { EMPTY_BYTES } from "#base";
import { rpcpb } from "#proto";

export type AlarmType = rpcpb.AlarmType;
export const AlarmType = rpcpb.AlarmType;

export interface AlarmBucket {
  put(bucket: "alarm", key: Uint8Array, value: Uint8Array): void;
  delete(bucket: "alarm", key: Uint8Array): void;
  scan(bucket: "alarm", visit: (key: Uint8Array, value: Uint8Array) => boolean | undefined): void;
}

export interface Alarm {
  readonly memberId: bigint;
  readonly type: AlarmType;
}

export class Alarms {
  private readonly backend: AlarmBucket;
  /** By member and type, on every member alike: whoever restarted has no other order than who saw them raised. */
  private active: Alarm[] = [];
  /** Cached answers of `isActive` for the two types that the write path asks about. */
  noSpace = false;
  corrupt = false;

  constructor(backend: AlarmBucket) {
    this.backend = backend;
  }

  restore(): void {
    this.active = [];
    this.backend.scan("alarm", (key) => {
      const alarm = fromBinary(rpcpb.AlarmMemberSchema, key);
      this.active.push({ memberId: alarm.memberID, type: alarm.alarm });
      return undefined;
    });
    this.refresh();
  }

  /** Active alarms of one type, or of every type for NONE. */
  list(type: AlarmType): Alarm[] {
    return type === AlarmType.NONE ? [...this.active] : this.active.filter((alarm) => alarm.type === type);
  }

  /** Raises an alarm; raising it again changes nothing. */
  activate(memberId: bigint, type: AlarmType): Alarm {
    const known = this.active.find((alarm) => alarm.memberId === memberId && alarm.type === type);
    if (known !== undefined) return known;
    const alarm = { memberId, type };
    this.active.push(alarm);
    this.backend.put("alarm", keyOf(alarm), EMPTY_BYTES);
    this.refresh();
    return alarm;
  }

  /** Clears an alarm. @returns the alarm, or undefined when it was not active */
  deactivate(memberId: bigint, type: AlarmType): Alarm | undefined {
    const at = this.active.findIndex((alarm) => alarm.memberId === memberId && alarm.type === type);
    if (at < 0) return undefined;
    const [alarm] = this.active.splice(at, 1);
    this.backend.delete("alarm", keyOf(alarm));
    this.refresh();
    return alarm;
  }

  private refresh(): void {
    this.active.sort(inOrder);
    this.noSpace = this.active.some((alarm) => alarm.type === AlarmType.NOSPACE);
    this.corrupt = this.active.some((alarm) => alarm.type === AlarmType.CORRUPT);
  }
}

function inOrder(a: Alarm, b: Alarm): number {
  if (a.memberId !== b.memberId) return a.memberId < b.memberId ? -1 : 1;
  return a.type - b.type;
}

function keyOf(alarm: Alarm): Uint8Array {
  return toBinary(
    rpcpb.AlarmMemberSchema,
    create(rpcpb.AlarmMemberSchema, { memberID: alarm.memberId, alarm: alarm.type }),
  );
}
