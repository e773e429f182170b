// The client: a set of endpoints, and the services behind them.

import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { Caller, type UnaryMethod } from "./caller.js";
import { ClusterClient } from "./cluster.js";
import { type CallOptions, type ClientConfig, resolveConfig } from "./config.js";
import { KvClient } from "./kv.js";
import { LeaseClient } from "./lease.js";
import { MaintenanceClient } from "./maintenance.js";
import { defaultConnector } from "./rpc-transport.js";
import { WatchClient } from "./watch.js";

/**
 * A client of an etcd cluster. Nothing is connected before the first call. Close it when done: open connections, watches
 * and leases kept alive keep the process running.
 */
export class Client {
  readonly kv: KvClient;
  readonly watch: WatchClient;
  readonly lease: LeaseClient;
  readonly cluster: ClusterClient;
  readonly maintenance: MaintenanceClient;
  private readonly caller: Caller;

  /** @throws Error when there is no endpoint, or one that cannot be read */
  constructor(config: ClientConfig) {
    this.caller = new Caller(resolveConfig(config, defaultConnector));
    this.kv = new KvClient(this.caller);
    this.watch = new WatchClient(this.caller);
    this.lease = new LeaseClient(this.caller);
    this.cluster = new ClusterClient(this.caller);
    this.maintenance = new MaintenanceClient(this.caller);
  }

  get endpoints(): string[] {
    return this.caller.balancer.endpointNames;
  }

  /** Replaces the endpoints; connections to those that stay are kept. */
  setEndpoints(endpoints: readonly string[]): void {
    this.caller.balancer.setEndpoints(endpoints);
  }

  /** Takes the endpoints from the member list; learners and members that have not started are left out. */
  async sync(options: CallOptions = {}): Promise<void> {
    const { members } = await this.cluster.list(options);
    const voters = members.filter((member) => member.name !== "" && !member.isLearner);
    this.setEndpoints(voters.flatMap((member) => member.clientUrls));
  }

  /**
   * Any unary call, in the messages generated from etcd's schemas: for what the services above have no name for.
   * @param request a message of the method's input type, or its encoding
   */
  call<I extends DescMessage, O extends DescMessage>(
    method: UnaryMethod<I, O>,
    request: MessageShape<I> | Uint8Array,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    return this.caller.call(method, request, options);
  }

  close(): void {
    this.watch.close();
    this.lease.close();
    this.caller.close();
  }
}
