// One LeaseKeepAlive stream: each request has one answer, in order. A renewal does not go through the log, so its answer
// is as good as this member's word that it leads: after a pause, or cut off from the others, it first has that confirmed.

import { create, toBinary } from "@bufbuild/protobuf";
import { Ring, WireReader, WireWriter } from "#base";
import { ErrNoLeader, ErrTimeout, type LeaseId, NO_LEASE, type RpcError, rpcpb, StatusCode } from "#proto";
import { KEEPALIVE_QUEUE_MAX } from "../limits.js";
import type { Member } from "../member.js";
import { ReadWaiter } from "../reads.js";
import { Operation } from "../request.js";
import { Waiter } from "../waiters.js";
import { failWith, type StreamCall, type StreamObserver } from "./call.js";

const scratch = new WireWriter(64);

/** What a stream of renewals needs of the member. */
export type LeaseKeeper = Pick<
  Member,
  | "lessor"
  | "clock"
  | "isLeader"
  | "leadsForCertain"
  | "readableNow"
  | "linearizableRead"
  | "onceLeaseGone"
  | "propose"
  | "writeHeader"
>;

export class KeepAliveStream implements StreamObserver {
  private readonly call: StreamCall;
  private readonly member: LeaseKeeper;
  private readonly forget: (failed: boolean) => void;
  /** Answers that wait for a revocation or a checkpoint to be applied; the ones behind them wait too. */
  private readonly waiting = new Ring<LeaseId>();
  private halfClosed = false;
  private blocked = false;
  private ended = false;
  /** What this member says of the lease in front is up to date. */
  private isCurrent = false;

  /** @param forget hears that the stream has ended */
  constructor(call: StreamCall, member: LeaseKeeper, forget: (failed: boolean) => void) {
    this.call = call;
    this.member = member;
    this.forget = forget;
  }

  onMessage(message: Uint8Array): void {
    this.waiting.push(leaseIdOf(message));
    if (this.waiting.length === 1) this.work();
    else if (this.waiting.length > KEEPALIVE_QUEUE_MAX) this.abandon();
  }

  onHalfClose(): void {
    this.halfClosed = true;
    this.endIfDone();
  }

  onCancel(): void {
    this.waiting.clear();
    this.ended = true;
    this.forget(false);
  }

  end(error: RpcError): void {
    this.forget(true);
    this.onCancel();
    failWith(this.call, error);
  }

  /** This member could not find out whether it leads, or whether a lease exists. */
  onUncertain(error: RpcError): void {
    if (!this.ended) this.end(error);
  }

  onDrain(): void {
    this.blocked = false;
    this.work();
  }

  /** Answers from the front until one has to wait. */
  work(): void {
    while (this.waiting.length > 0 && !this.blocked) {
      if (!this.member.leadsForCertain) return this.confirmLeadership();
      if (!this.answerFirst(this.waiting.peek() ?? NO_LEASE)) return;
    }
    this.endIfDone();
  }

  /** @returns false when the answer has to wait, or the stream was ended */
  private answerFirst(id: LeaseId): boolean {
    const { member } = this;
    const outcome = member.lessor.renew(id, member.clock.now());
    switch (outcome) {
      case "expired":
        member.onceLeaseGone(id, () => this.work());
        return false;
      case "checkpointed":
        this.clearCheckpoint(id);
        return false;
      case "not primary":
      case "not found":
        // A new leader still has to apply what older ones left it, this grant perhaps.
        if (!this.isCurrent && !member.readableNow) {
          member.linearizableRead(new CurrentState(this));
          return false;
        }
    }
    if (outcome === "not primary") {
      this.end(ErrNoLeader);
      return false;
    }
    this.isCurrent = false;
    this.waiting.shift();
    this.send(id, outcome === "not found" ? 0 : outcome.ttl);
    return true;
  }

  private confirmLeadership(): void {
    if (!this.member.isLeader) return this.end(ErrNoLeader);
    this.member.linearizableRead(new Confirmation(this));
  }

  onConfirmed(): void {
    if (this.ended) return;
    const { member } = this;
    // Confirmed as of a moment too long ago to be worth anything: the others are slow, and so would be a second attempt.
    if (!member.leadsForCertain) return this.end(member.isLeader ? ErrTimeout : ErrNoLeader);
    this.work();
  }

  onCurrent(): void {
    this.isCurrent = true;
    this.work();
  }

  private endIfDone(): void {
    if (!this.halfClosed || this.ended || this.waiting.length > 0) return;
    this.ended = true;
    this.forget(false);
    this.call.end();
  }

  private send(id: LeaseId, ttl: number): void {
    scratch.reset();
    this.member.writeHeader(scratch);
    if (id !== NO_LEASE) {
      scratch.byte(0x10);
      scratch.bigint(id);
    }
    if (ttl !== 0) {
      scratch.byte(0x18);
      scratch.varint(ttl);
    }
    if (!this.call.send(scratch.view())) this.blocked = true;
  }

  /** The client keeps asking and never reads the answers. */
  private abandon(): void {
    this.forget(true);
    this.onCancel();
    this.call.fail(
      StatusCode.ResourceExhausted,
      "etcdserver: lease keepalive stream has too many unread responses",
    );
  }

  private clearCheckpoint(id: LeaseId): void {
    const request = create(rpcpb.LeaseCheckpointRequestSchema, {
      checkpoints: [{ ID: id, remainingTTL: 0n }],
    });
    const bytes = toBinary(rpcpb.LeaseCheckpointRequestSchema, request);
    this.member.propose(Operation.LeaseCheckpoint, bytes, new CheckpointCleared(this));
  }
}

/** Waits until this member knows every lease that was granted before. */
class CurrentState extends ReadWaiter {
  private readonly stream: KeepAliveStream;

  constructor(stream: KeepAliveStream) {
    super();
    this.stream = stream;
  }

  onReady(): void {
    this.stream.onCurrent();
  }

  onFailed(error: RpcError): void {
    this.stream.onUncertain(error);
  }
}

/** Waits until the others have confirmed that this member leads. */
class Confirmation extends ReadWaiter {
  override readonly wantsApplied = false;
  private readonly stream: KeepAliveStream;

  constructor(stream: KeepAliveStream) {
    super();
    this.stream = stream;
  }

  onReady(): void {
    this.stream.onConfirmed();
  }

  onFailed(error: RpcError): void {
    this.stream.onUncertain(error);
  }
}

class CheckpointCleared extends Waiter {
  private readonly stream: KeepAliveStream;

  constructor(stream: KeepAliveStream) {
    super();
    this.stream = stream;
  }

  onApplied(): void {
    this.stream.work();
  }

  onFailed(error: RpcError): void {
    this.stream.onUncertain(error);
  }
}

/** LeaseKeepAliveRequest has one field; renewals are frequent enough to read it by hand. */
function leaseIdOf(message: Uint8Array): LeaseId {
  const r = new WireReader(message, 0, message.length);
  let id = NO_LEASE;
  while (!r.done) {
    const tag = r.tag();
    if (tag === 0x08) id = r.bigInt64();
    else r.skip(tag);
  }
  return id;
}
