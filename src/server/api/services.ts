// Which method is answered by whom: the table of everything that a client port serves over gRPC.

import { electionpb, healthpb, lockpb, reflectionalphapb, reflectionpb, rpcpb } from "#proto";
import type { RpcServer, ServerCall } from "#rpc";
import type { Member } from "../member.js";
import { Admission } from "./admission.js";
import { ClusterService } from "./cluster.js";
import { HealthService } from "./health.js";
import { KvService } from "./kv.js";
import { LeaderGuard } from "./leader-guard.js";
import { LeaseService } from "./lease.js";
import { MaintenanceService } from "./maintenance.js";
import { DescriptorIndex, REFLECTION_SERVICES, ReflectionStream } from "./reflection.js";
import { WatchService } from "./watch.js";

export interface ServiceOptions {
  /** Health turns NOT_SERVING while a defragmentation runs. */
  readonly stopOnDefrag: boolean;
}

/** The services of one member. */
export class Services {
  readonly health: HealthService;
  readonly admission: Admission;
  private readonly member: Member;

  constructor(member: Member, options: ServiceOptions) {
    this.member = member;
    this.health = new HealthService((serving) => {
      member.logger.info("grpc service status changed", {
        service: "",
        status: serving ? "SERVING" : "NOT_SERVING",
      });
    });
    this.admission = new Admission(member);
    this.kv = new KvService(member);
    const leaderGuard = new LeaderGuard(member, member.clock, member.config.electionTimeoutMs);
    this.lease = new LeaseService(member, leaderGuard);
    this.watch = new WatchService(member.hub, member.clock, leaderGuard);
    this.cluster = new ClusterService(member);
    this.maintenance = new MaintenanceService(member, (running) => {
      if (options.stopOnDefrag) this.health.setServing(!running);
    });
    member.outlet.onReady = (stream) => this.watch.onReady(stream);
  }

  readonly kv: KvService;
  readonly lease: LeaseService;
  readonly watch: WatchService;
  readonly cluster: ClusterService;
  readonly maintenance: MaintenanceService;

  /** Offers everything on `server`, whose replies leave when the member's turn ends. */
  registerOn(server: RpcServer): void {
    this.registerKv(server);
    this.registerLease(server);
    this.registerMaintenance(server);
    const { watch, cluster, health, admission } = this;
    server.register("etcdserverpb.Watch", "Watch", "bidi", (call) =>
      watch.open(call, admission.requiresLeader(call)),
    );
    server.register("etcdserverpb.Cluster", "MemberList", "unary", (call, m) => cluster.memberList(call, m));
    server.register("grpc.health.v1.Health", "Check", "unary", (call, m) => health.check(call, m));
    server.register("grpc.health.v1.Health", "List", "unary", (call, m) => health.list(call, m));
    server.register("grpc.health.v1.Health", "Watch", "serverStream", (call, m) => health.watch(call, m));
    this.registerReflection(server);
    this.member.onFlush = () => {
      watch.pump();
      server.flush();
    };
  }

  /** Ends the streams that clients keep open for as long as they run: the server stops, nothing else would end them. */
  endStreams(): void {
    this.watch.endAll();
    this.lease.endAll();
  }

  private registerKv(server: RpcServer): void {
    const { kv } = this;
    const name = "etcdserverpb.KV";
    server.register(name, "Range", "unary", (call: ServerCall, m) => kv.range(call, m));
    server.register(name, "RangeStream", "serverStream", (call, m) => kv.rangeStream(call, m));
    server.register(name, "Put", "unary", (call: ServerCall, m) => kv.put(call, m));
    server.register(name, "DeleteRange", "unary", (call: ServerCall, m) => kv.deleteRange(call, m));
    server.register(name, "Txn", "unary", (call: ServerCall, m) => kv.txn(call, m));
    server.register(name, "Compact", "unary", (call: ServerCall, m) => kv.compact(call, m));
  }

  private registerLease(server: RpcServer): void {
    const { lease, admission } = this;
    const name = "etcdserverpb.Lease";
    server.register(name, "LeaseGrant", "unary", (call: ServerCall, m) => lease.grant(call, m));
    server.register(name, "LeaseRevoke", "unary", (call: ServerCall, m) => lease.revoke(call, m));
    server.register(name, "LeaseKeepAlive", "bidi", (call) =>
      lease.keepAlive(call, admission.requiresLeader(call)),
    );
    server.register(name, "LeaseTimeToLive", "unary", (call: ServerCall, m) => lease.timeToLive(call, m));
    server.register(name, "LeaseLeases", "unary", (call: ServerCall, m) => lease.leases(call, m));
  }

  private registerMaintenance(server: RpcServer): void {
    const { maintenance } = this;
    const name = "etcdserverpb.Maintenance";
    server.register(name, "Alarm", "unary", (call: ServerCall, m) => maintenance.alarm(call, m));
    server.register(name, "Status", "unary", (call: ServerCall, m) => maintenance.status(call, m));
    server.register(name, "Defragment", "unary", (call: ServerCall, m) => maintenance.defragment(call, m));
    server.register(name, "Hash", "unary", (call: ServerCall, m) => maintenance.hash(call, m));
    server.register(name, "HashKV", "unary", (call: ServerCall, m) => maintenance.hashKv(call, m));
    server.register(name, "Snapshot", "serverStream", (call, m) => maintenance.snapshot(call, m));
  }

  private registerReflection(server: RpcServer): void {
    const index = new DescriptorIndex([
      rpcpb.file_etcdserverpb_rpc,
      lockpb.file_v3lockpb_v3lock,
      electionpb.file_v3electionpb_v3election,
      healthpb.file_grpc_health_v1_health,
      reflectionpb.file_grpc_reflection_v1_reflection,
      reflectionalphapb.file_grpc_reflection_v1alpha_reflection,
    ]);
    for (const service of REFLECTION_SERVICES)
      server.register(service, "ServerReflectionInfo", "bidi", (call) => new ReflectionStream(call, index));
  }
}
