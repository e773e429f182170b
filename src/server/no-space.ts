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

  /** Active, or about to be. */
  get isKnown(): boolean {
    return this.proposed || this.member.alarms.noSpace;
  }

  raise(): void {
    if (this.isKnown) return;
    this.proposed = true;
    const request = create(rpcpb.AlarmRequestSchema, {
      memberID: this.member.cluster.localId,
      action: rpcpb.AlarmRequest_AlarmAction.ACTIVATE,
      alarm: AlarmType.NOSPACE,
    });
    this.member.logger.warn("no space; raising NOSPACE alarm", {
      "db-size-bytes": this.member.backend.sizeOnDisk(),
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
