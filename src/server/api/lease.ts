// etcdserverpb.Lease. Grants and revocations go through the log; renewals and remaining times are the leader's business
// alone and touch nothing but its lessor.

import { create, toBinary } from "@bufbuild/protobuf";
import { Ring, WireReader, WireWriter } from "#base";
import { LEASE_GRANT_COST } from "#mvcc";
import {
  ErrLeaseTTLTooLarge,
  ErrNoLeader,
  ErrNoSpace,
  ErrStopped,
  type LeaseId,
  NO_LEASE,
  type RpcError,
  rpcpb,
  StatusCode,
} from "#proto";
import { KEEPALIVE_QUEUE_MAX } from "../limits.js";
import type { Member } from "../member.js";
import { ReadWaiter } from "../reads.js";
import { Operation } from "../request.js";
import { Waiter } from "../waiters.js";
import { failWith, type StreamCall, type StreamObserver, type UnaryCall } from "./call.js";
import { decodeMessage } from "./decode.js";
import { WriteReply } from "./write-reply.js";

const TTL_MAX = 9_000_000_000n;
const scratch = new WireWriter(256);

export class LeaseService {
  private readonly member: Member;
  private readonly streams = new Set<KeepAliveStream>();
  /** Streams ended with an error. */
  failures = 0;

  constructor(member: Member) {
    this.member = member;
  }

  grant(call: UnaryCall, message: Uint8Array): void {
    const request = decodeMessage(rpcpb.LeaseGrantRequestSchema, message);
    if (this.member.quota.exceededBy(LEASE_GRANT_COST)) {
      this.member.raiseNoSpace();
      return failWith(call, ErrNoSpace);
    }
    // Checked here too, since the log keeps TTLs only as far as a lease can have them.
    if (request.TTL > TTL_MAX) return failWith(call, ErrLeaseTTLTooLarge);
    if (request.ID === NO_LEASE) request.ID = this.member.nextLeaseId();
    const bytes = toBinary(rpcpb.LeaseGrantRequestSchema, request);
    this.member.propose(Operation.LeaseGrant, bytes, new WriteReply(call, this.member));
  }

  revoke(call: UnaryCall, message: Uint8Array): void {
    // Read for its form only: what enters the log must be readable by every member.
    decodeMessage(rpcpb.LeaseRevokeRequestSchema, message);
    this.member.propose(Operation.LeaseRevoke, message, new WriteReply(call, this.member));
  }

  timeToLive(call: UnaryCall, message: Uint8Array): void {
    const request = decodeMessage(rpcpb.LeaseTimeToLiveRequestSchema, message);
    const { lessor } = this.member;
    if (!lessor.isPrimary) return failWith(call, ErrNoLeader);
    if (lessor.exists(request.ID)) return this.serveTimeToLive(call, request);
    // It may have been granted, and the grant not applied here yet.
    this.member.linearizableRead(new TimeToLiveRead(this, call, request));
  }

  serveTimeToLive(call: UnaryCall, request: rpcpb.LeaseTimeToLiveRequest): void {
    const { lessor, clock } = this.member;
    const lease = lessor.lookup(request.ID);
    const response = create(rpcpb.LeaseTimeToLiveResponseSchema, { ID: request.ID, TTL: -1n });
    if (lease !== undefined) {
      if (!lessor.isPrimary) return failWith(call, ErrNoLeader);
      response.TTL = BigInt(lessor.timeToLive(lease, clock.now()));
      response.grantedTTL = BigInt(lease.ttl);
      if (request.keys) response.keys = [...lease.sortedKeys()];
    }
    this.answer(call, toBinary(rpcpb.LeaseTimeToLiveResponseSchema, response));
  }

  leases(call: UnaryCall): void {
    const leases = this.member.lessor.list().map((ID) => create(rpcpb.LeaseStatusSchema, { ID }));
    this.answer(
      call,
      toBinary(rpcpb.LeaseLeasesResponseSchema, create(rpcpb.LeaseLeasesResponseSchema, { leases })),
    );
  }

  keepAlive(call: StreamCall): StreamObserver {
    const stream = new KeepAliveStream(call, this.member, (failed) => {
      if (this.streams.delete(stream) && failed) this.failures++;
    });
    this.streams.add(stream);
    return stream;
  }

  /** Ends every stream of renewals: the server stops. */
  endAll(): void {
    for (const stream of [...this.streams]) stream.end(ErrStopped);
  }

  private answer(call: UnaryCall, body: Uint8Array): void {
    scratch.reset();
    this.member.writeHeader(scratch);
    scratch.raw(body);
    call.reply(scratch.view());
  }
}

/** One LeaseKeepAlive stream: each request has one answer, in order. */
class KeepAliveStream implements StreamObserver {
  private readonly call: StreamCall;
  private readonly member: Member;
  private readonly forget: (failed: boolean) => void;
  /** Answers that wait for a revocation or a checkpoint to be applied; the ones behind them wait too. */
  private readonly waiting = new Ring<LeaseId>();
  private halfClosed = false;
  private blocked = false;
  /** What this member says of the lease in front is up to date. */
  private isCurrent = false;

  /** @param forget hears that the stream has ended */
  constructor(call: StreamCall, member: Member, forget: (failed: boolean) => void) {
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
    this.blocked = true;
    this.forget(false);
  }

  end(error: RpcError): void {
    this.forget(true);
    this.onCancel();
    failWith(this.call, error);
  }

  /** This member could not find out whether a lease exists. */
  onUncertain(error: RpcError): void {
    if (!this.call.cancelled) this.end(error);
  }

  onDrain(): void {
    this.blocked = false;
    this.work();
  }

  /** Answers from the front until one has to wait. */
  work(): void {
    while (this.waiting.length > 0 && !this.blocked) {
      const id = this.waiting.peek() ?? NO_LEASE;
      const { lessor, clock } = this.member;
      const outcome = lessor.renew(id, clock.now());
      if (outcome === "not primary") return this.end(ErrNoLeader);
      if (outcome === "expired") return this.member.onceLeaseGone(id, () => this.work());
      if (outcome === "checkpointed") return this.clearCheckpoint(id);
      // It may have been granted, and the grant not applied here yet.
      if (outcome === "not found" && !this.isCurrent)
        return this.member.linearizableRead(new KeepAliveRead(this));
      this.isCurrent = false;
      this.waiting.shift();
      this.send(id, outcome === "not found" ? 0 : outcome.ttl);
    }
    this.endIfDone();
  }

  onCurrent(): void {
    this.isCurrent = true;
    this.work();
  }

  private endIfDone(): void {
    if (!this.halfClosed || this.waiting.length > 0 || this.call.cancelled) return;
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
    this.member.propose(Operation.LeaseCheckpoint, bytes, new CheckpointCleared(this, this.call));
  }
}

class TimeToLiveRead extends ReadWaiter {
  private readonly service: LeaseService;
  private readonly call: UnaryCall;
  private readonly request: rpcpb.LeaseTimeToLiveRequest;

  constructor(service: LeaseService, call: UnaryCall, request: rpcpb.LeaseTimeToLiveRequest) {
    super();
    this.service = service;
    this.call = call;
    this.request = request;
  }

  onReady(): void {
    if (!this.call.cancelled) this.service.serveTimeToLive(this.call, this.request);
  }

  onFailed(error: RpcError): void {
    if (!this.call.cancelled) failWith(this.call, error);
  }
}

class KeepAliveRead extends ReadWaiter {
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

class CheckpointCleared extends Waiter {
  private readonly stream: KeepAliveStream;
  private readonly call: StreamCall;

  constructor(stream: KeepAliveStream, call: StreamCall) {
    super();
    this.stream = stream;
    this.call = call;
  }

  onApplied(): void {
    this.stream.work();
  }

  onFailed(error: RpcError): void {
    if (!this.call.cancelled) this.stream.end(error);
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
