// The types generated from the schemas, a namespace per file: their names would collide with the hot classes.

export * as authpb from "./gen/authpb/auth_pb.js";
export * as serverpb from "./gen/etcdserverpb/etcdserver_pb.js";
export * as internalpb from "./gen/etcdserverpb/raft_internal_pb.js";
export * as rpcpb from "./gen/etcdserverpb/rpc_pb.js";
export * as healthpb from "./gen/grpc/health/v1/health_pb.js";
export * as reflectionpb from "./gen/grpc/reflection/v1/reflection_pb.js";
export * as reflectionalphapb from "./gen/grpc/reflection/v1alpha/reflection_pb.js";
export * as leasepb from "./gen/leasepb/lease_pb.js";
export * as membershippb from "./gen/membershippb/membership_pb.js";
export * as mvccpb from "./gen/mvccpb/kv_pb.js";
export * as raftpb from "./gen/raftpb/raft_pb.js";
export * as snappb from "./gen/snappb/snap_pb.js";
export * as electionpb from "./gen/v3electionpb/v3election_pb.js";
export * as lockpb from "./gen/v3lockpb/v3lock_pb.js";
export * as walpb from "./gen/walpb/record_pb.js";
