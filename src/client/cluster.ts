// Membership: who is in the cluster, and changing that.

import { create } from "@bufbuild/protobuf";
import { type ResponseHeader, rpcpb } from "#proto";
import type { Caller } from "./caller.js";
import type { CallOptions } from "./config.js";
import { headerOf } from "./messages.js";

export interface Member {
  id: bigint;
  /** Empty until the member has started for the first time. */
  name: string;
  peerUrls: string[];
  clientUrls: string[];
  isLearner: boolean;
}

export interface MembersResponse {
  header: ResponseHeader;
  members: Member[];
}

const METHOD = rpcpb.Cluster.method;

export class ClusterClient {
  private readonly caller: Caller;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  /** All members. Linearizable unless `serializable` is set. */
  async list(options: { serializable?: boolean } & CallOptions = {}): Promise<MembersResponse> {
    const request = create(rpcpb.MemberListRequestSchema, { linearizable: options.serializable !== true });
    return membersOf(await this.caller.call(METHOD.memberList, request, options));
  }

  /** Adds a member that will serve its peers at `peerUrls`; as a learner it has no vote until promoted. */
  async add(
    peerUrls: readonly string[],
    options: { learner?: boolean } & CallOptions = {},
  ): Promise<MembersResponse & { member: Member }> {
    const request = create(rpcpb.MemberAddRequestSchema, {
      peerURLs: [...peerUrls],
      isLearner: options.learner ?? false,
    });
    const response = await this.caller.call(METHOD.memberAdd, request, options);
    const member = response.member ?? create(rpcpb.MemberSchema);
    return { ...membersOf(response), member: memberOf(member) };
  }

  async remove(id: bigint, options: CallOptions = {}): Promise<MembersResponse> {
    const request = create(rpcpb.MemberRemoveRequestSchema, { ID: id });
    return membersOf(await this.caller.call(METHOD.memberRemove, request, options));
  }

  async update(id: bigint, peerUrls: readonly string[], options: CallOptions = {}): Promise<MembersResponse> {
    const request = create(rpcpb.MemberUpdateRequestSchema, { ID: id, peerURLs: [...peerUrls] });
    return membersOf(await this.caller.call(METHOD.memberUpdate, request, options));
  }

  /** Gives a learner that has caught up its vote. */
  async promote(id: bigint, options: CallOptions = {}): Promise<MembersResponse> {
    const request = create(rpcpb.MemberPromoteRequestSchema, { ID: id });
    return membersOf(await this.caller.call(METHOD.memberPromote, request, options));
  }
}

function membersOf(response: { header?: rpcpb.ResponseHeader; members: rpcpb.Member[] }): MembersResponse {
  return { header: headerOf(response.header), members: response.members.map(memberOf) };
}

function memberOf(member: rpcpb.Member): Member {
  return {
    id: member.ID,
    name: member.name,
    peerUrls: member.peerURLs,
    clientUrls: member.clientURLs,
    isLearner: member.isLearner,
  };
}
