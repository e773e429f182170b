// rpc: gRPC over HTTP/2, both roles, on net and tls sockets. Knows no service.

export { BUDGETS } from "./budgets.js";
export { CallStatus, RpcStatusError } from "./call-status.js";
export { type CallOptions, type ChannelAddress, type ChannelOptions, RpcChannel } from "./channel.js";
export type { ClientCall, ClientObserver } from "./client-call.js";
export type { CallMetadata, ClientConnection } from "./client-connection.js";
export { type ConnectionGroup, TransportCounters } from "./connection-group.js";
export { type ListenAddress, type ListenerOptions, RpcListener } from "./listener.js";
export { MessageStream } from "./message-stream.js";
export { Metadata } from "./metadata.js";
export {
  type CallObserver,
  type CallTimer,
  type Method,
  type MethodKind,
  MethodStats,
  type ServerStreamHandler,
  type StreamHandler,
  type UnaryHandler,
} from "./method.js";
export { NODE_CLOCK } from "./node-clock.js";
export { type Interceptor, RpcServer, type RpcServerOptions } from "./server.js";
export type { ServerCall } from "./server-call.js";
export type { ServerConnection } from "./server-connection.js";
