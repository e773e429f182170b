// The reply of every write that goes through the log: header, then whatever the applier left in the body.

import { WireWriter } from "#base";
import type { RpcError } from "#proto";
import type { Member } from "../member.js";
import { type EntryOutcome, Waiter } from "../waiters.js";
import { failWith, type UnaryCall } from "./call.js";

const scratch = new WireWriter(64 * 1024);

export class WriteReply extends Waiter {
  protected readonly call: UnaryCall;
  protected readonly member: Member;

  constructor(call: UnaryCall, member: Member) {
    super();
    this.call = call;
    this.member = member;
  }

  onApplied(outcome: EntryOutcome): void {
    const { call } = this;
    if (call.cancelled) return;
    if (outcome.error !== undefined) return failWith(call, outcome.error);
    scratch.reset();
    this.member.writeHeader(scratch, outcome.revision);
    scratch.rawRange(outcome.body.buf, 0, outcome.body.length);
    call.reply(scratch.buf, 0, scratch.length);
  }

  onFailed(error: RpcError): void {
    if (!this.call.cancelled) failWith(this.call, error);
  }

  /** Answers with nothing but a header. */
  protected answer(revision: number): void {
    if (this.call.cancelled) return;
    scratch.reset();
    this.member.writeHeader(scratch, revision);
    this.call.reply(scratch.view());
  }
}
