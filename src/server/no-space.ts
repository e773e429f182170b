// Raises the NOSPACE alarm for this member, once at a time: many writes may run into the quota before the alarm is applied.

import { create, toBinary } from "@bufbuild/protobuf";
import { rpcpb } from "#proto";
import { AlarmType } from "./alarms.js";
import type { Member } from "./member.js";
import { Operation } from "./request.js";
import { Waiter } from "./waiters.js";

export class NoSpaceAlarm extends Waiter {
  private readonly member: Member;
  private proposed = false;

  constructor(member: Member) {
    super();
    this.member = member;
  }

  raise(): void {
    if (this.proposed || this.member.alarms.noSpace) return;
    this.proposed = true;
    const request = create(rpcpb.AlarmRequestSchema, {
      memberID: this.member.cluster.localId,
      action: rpcpb.AlarmRequest_AlarmAction.ACTIVATE,
      alarm: AlarmType.NOSPACE,
    });
    this.member.logger.warn("database space exceeded; raising NOSPACE alarm", {
      "quota-size-bytes": this.member.quota.reported,
    });
    this.member.propose(Operation.Alarm, toBinary(rpcpb.AlarmRequestSchema, request), this);
  }

  onApplied(): void {
    this.proposed = false;
  }

  onFailed(): void {
    // The next write that runs into the quota raises it again.
    this.proposed = false;
  }
}
