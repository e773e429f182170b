// etcdserverpb.Lease. Grants and revocations go through the log; renewals and remaining times are the leader's business
// alone and touch nothing but its lessor.

import { create, toBinary } from "@bufbuild/protobuf";
import { WireWriter } from "#base";
import { LEASE_GRANT_COST } from "#mvcc";
import {
  ErrLeaseTTLTooLarge,
  ErrNoLeader,
  ErrNoSpace,
  ErrStopped,
  NO_LEASE,
  type RpcError,
  rpcpb,
} from "#proto";
import type { Member } from "../member.js";
import { ReadWaiter } from "../reads.js";
import { Operation } from "../request.js";
import { failWith, type StreamCall, type StreamObserver, type UnaryCall } from "./call.js";
import { decodeMessage } from "./decode.js";
import { KeepAliveStream } from "./keep-alive.js";
import type { LeaderGuard } from "./leader-guard.js";
import { WriteReply } from "./write-reply.js";

const TTL_MAX = 9_000_000_000n;
const scratch = new WireWriter(256);

export class LeaseService {
  private readonly member: Member;
  private readonly leaderGuard: LeaderGuard;
  private readonly streams = new Set<KeepAliveStream>();
  /** Streams ended with an error. */
  failures = 0;

  constructor(member: Member, leaderGuard: LeaderGuard) {
    this.member = member;
    this.leaderGuard = leaderGuard;
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
    // Encoded anew: what enters the log is read the same by every member.
    const request = decodeMessage(rpcpb.LeaseRevokeRequestSchema, message);
    const bytes = toBinary(rpcpb.LeaseRevokeRequestSchema, request);
    this.member.propose(Operation.LeaseRevoke, bytes, new WriteReply(call, this.member));
  }

  timeToLive(call: UnaryCall, message: Uint8Array): void {
    const request = decodeMessage(rpcpb.LeaseTimeToLiveRequestSchema, message);
    const { lessor } = this.member;
    if (!this.member.isLeader) return failWith(call, ErrNoLeader);
    const isCertain = lessor.isPrimary && this.member.leadsForCertain;
    if (isCertain && lessor.exists(request.ID)) return this.serveTimeToLive(call, request);
    // It may have been granted, and the grant not applied here yet; or another leader may have revoked it.
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

  leases(call: UnaryCall, message: Uint8Array): void {
    decodeMessage(rpcpb.LeaseLeasesRequestSchema, message);
    const leases = this.member.lessor.list().map((ID) => create(rpcpb.LeaseStatusSchema, { ID }));
    this.answer(
      call,
      toBinary(rpcpb.LeaseLeasesResponseSchema, create(rpcpb.LeaseLeasesResponseSchema, { leases })),
    );
  }

  /** @param requiresLeader the client wants the stream to end when the cluster has no leader */
  keepAlive(call: StreamCall, requiresLeader = false): StreamObserver {
    const stream = new KeepAliveStream(call, this.member, (failed) => {
      this.leaderGuard.remove(stream);
      if (this.streams.delete(stream) && failed) this.failures++;
    });
    this.streams.add(stream);
    if (requiresLeader) this.leaderGuard.add(stream);
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
