// etcdserverpb.Cluster, as far as a cluster of one has use for it: the member list.

import { create, toBinary } from "@bufbuild/protobuf";
import { WireWriter } from "#base";
import { type RpcError, rpcpb } from "#proto";
import type { Member } from "../member.js";
import { ReadWaiter } from "../reads.js";
import { failWith, type UnaryCall } from "./call.js";
import { decodeMessage } from "./decode.js";

const scratch = new WireWriter(1024);

export class ClusterService {
  private readonly member: Member;

  constructor(member: Member) {
    this.member = member;
  }

  memberList(call: UnaryCall, message: Uint8Array): void {
    const request = decodeMessage(rpcpb.MemberListRequestSchema, message);
    if (request.linearizable) this.member.linearizableRead(new MemberListRead(this, call));
    else this.serveMemberList(call);
  }

  /** The header of membership answers carries no revision. */
  serveMemberList(call: UnaryCall): void {
    const members = this.member.cluster.list().map((member) =>
      create(rpcpb.MemberSchema, {
        ID: member.id,
        name: member.name,
        peerURLs: [...member.peerUrls],
        clientURLs: [...member.clientUrls],
        isLearner: member.isLearner,
      }),
    );
    const body = toBinary(
      rpcpb.MemberListResponseSchema,
      create(rpcpb.MemberListResponseSchema, { members }),
    );
    scratch.reset();
    this.member.headers.write(scratch, 0, this.member.term);
    scratch.raw(body);
    call.reply(scratch.view());
  }
}

class MemberListRead extends ReadWaiter {
  private readonly service: ClusterService;
  private readonly call: UnaryCall;

  constructor(service: ClusterService, call: UnaryCall) {
    super();
    this.service = service;
    this.call = call;
  }

  onReady(): void {
    if (!this.call.cancelled) this.service.serveMemberList(this.call);
  }

  onFailed(error: RpcError): void {
    if (!this.call.cancelled) failWith(this.call, error);
  }
}
