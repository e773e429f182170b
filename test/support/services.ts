// Every gRPC service that the schemas know, found by name: `KV.Range`, `Health.Check`, `Maintenance.Status`.

import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescService,
} from "@bufbuild/protobuf";
import { Auth, Cluster, KV, Lease, Maintenance, Watch } from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import { Health } from "../../src/proto/gen/grpc/health/v1/health_pb.js";
import { ServerReflection } from "../../src/proto/gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "../../src/proto/gen/grpc/reflection/v1alpha/reflection_pb.js";
import { Election } from "../../src/proto/gen/v3electionpb/v3election_pb.js";
import { Lock } from "../../src/proto/gen/v3lockpb/v3lock_pb.js";

const services = new Map<string, DescService>([
  ["KV", KV],
  ["Watch", Watch],
  ["Lease", Lease],
  ["Cluster", Cluster],
  ["Maintenance", Maintenance],
  ["Auth", Auth],
  ["Lock", Lock],
  ["Election", Election],
  ["Health", Health],
  ["ReflectionV1", ServerReflection],
  ["ReflectionV1Alpha", ServerReflectionAlpha],
]);

/** @param name `Service.Method`; throws when there is none of that name */
export function findMethod(name: string): DescMethod {
  const [service, method] = name.split(".");
  const found = services.get(service)?.methods.find((candidate) => candidate.name === method);
  if (found === undefined) throw new Error(`no method ${name}`);
  return found;
}

export function findBidi(name: string): DescMethodBiDiStreaming {
  const method = findMethod(name);
  if (isBidi(method)) return method;
  throw new Error(`${name} is not a stream in both directions`);
}

export function findServerStream(name: string): DescMethodServerStreaming {
  const method = findMethod(name);
  if (isServerStream(method)) return method;
  throw new Error(`${name} is not a server stream`);
}

function isBidi(method: DescMethod): method is DescMethodBiDiStreaming {
  return method.methodKind === "bidi_streaming";
}

function isServerStream(method: DescMethod): method is DescMethodServerStreaming {
  return method.methodKind === "server_streaming";
}
