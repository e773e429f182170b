// Leases: grant, revoke, ask, keep alive.

import { create } from "@bufbuild/protobuf";
import { type LeaseId, type ResponseHeader, rpcpb } from "#proto";
import type { Caller } from "./caller.js";
import type { CallOptions } from "./config.js";
import { EtcdError } from "./errors.js";
import { type KeepAliveResponse, keepAliveOnce, type LeaseKeepAlive, LeaseKeeper } from "./lease-keeper.js";
import { headerOf } from "./messages.js";

export interface LeaseGrantResponse {
  header: ResponseHeader;
  id: LeaseId;
  /** Seconds; the server raises what is below its minimum. */
  ttl: number;
}

export interface LeaseTimeToLiveResponse {
  header: ResponseHeader;
  id: LeaseId;
  /** Seconds left, rounded down; -1 when there is no such lease. */
  ttl: number;
  /** Seconds it was granted; 0 when there is no such lease. */
  grantedTtl: number;
  /** Keys attached, in no order; only with `keys`. */
  keys: Uint8Array[];
}

export class LeaseClient {
  private readonly caller: Caller;
  private readonly keeper: LeaseKeeper;

  constructor(caller: Caller) {
    this.caller = caller;
    this.keeper = new LeaseKeeper(caller);
  }

  /**
   * A new lease of `ttl` seconds.
   * @param options `id`: the lease's id; absent or 0n: the server chooses
   * @throws EtcdError with row ErrLeaseExist, ErrLeaseTTLTooLarge or ErrNoSpace
   */
  async grant(ttl: number, options: { id?: LeaseId } & CallOptions = {}): Promise<LeaseGrantResponse> {
    const request = create(rpcpb.LeaseGrantRequestSchema, { TTL: BigInt(ttl), ID: options.id ?? 0n });
    const response = await this.caller.call(rpcpb.Lease.method.leaseGrant, request, options);
    if (response.error !== "") throw new EtcdError(2, response.error);
    return { header: headerOf(response.header), id: response.ID, ttl: Number(response.TTL) };
  }

  /** Ends a lease; its keys are deleted in one revision. */
  async revoke(id: LeaseId, options: CallOptions = {}): Promise<{ header: ResponseHeader }> {
    const request = create(rpcpb.LeaseRevokeRequestSchema, { ID: id });
    const response = await this.caller.call(rpcpb.Lease.method.leaseRevoke, request, options);
    return { header: headerOf(response.header) };
  }

  /** How long a lease has left. An unknown lease is no error: see `ttl`. */
  async timeToLive(
    id: LeaseId,
    options: { keys?: boolean } & CallOptions = {},
  ): Promise<LeaseTimeToLiveResponse> {
    const request = create(rpcpb.LeaseTimeToLiveRequestSchema, { ID: id, keys: options.keys ?? false });
    const response = await this.caller.call(rpcpb.Lease.method.leaseTimeToLive, request, options);
    return {
      header: headerOf(response.header),
      id: response.ID,
      ttl: Number(response.TTL),
      grantedTtl: Number(response.grantedTTL),
      keys: response.keys,
    };
  }

  /** Ids of all leases, the next to expire first. */
  async leases(options: CallOptions = {}): Promise<{ header: ResponseHeader; leases: LeaseId[] }> {
    const request = create(rpcpb.LeaseLeasesRequestSchema);
    const response = await this.caller.call(rpcpb.Lease.method.leaseLeases, request, options);
    return { header: headerOf(response.header), leases: response.leases.map((lease) => lease.ID) };
  }

  /**
   * Renews a lease until `close()`, three times per TTL. What is returned tells of the renewals; it need not be read.
   * It ends by itself when the lease has expired or was revoked, or could not be renewed in time.
   */
  keepAlive(id: LeaseId): LeaseKeepAlive {
    return this.keeper.keep(id);
  }

  /**
   * Renews a lease once.
   * @throws EtcdError with row ErrLeaseNotFound when there is no such lease
   */
  async keepAliveOnce(id: LeaseId, options: CallOptions = {}): Promise<KeepAliveResponse> {
    return keepAliveOnce(this.caller, id, options);
  }

  close(): void {
    this.keeper.close();
  }
}
