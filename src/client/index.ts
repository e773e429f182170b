// client: talks to an etcd cluster (public). Endpoints, retries, watches that survive, leases kept alive.

export type { UnaryMethod } from "./caller.js";
export { Client } from "./client.js";
export { ClusterClient, type Member, type MembersResponse } from "./cluster.js";
export type { CallOptions, ClientConfig, FailedAttempt } from "./config.js";
export { describeTarget, parseEndpoint } from "./endpoint.js";
export { EtcdError, statusText, WatchCanceledError } from "./errors.js";
export { type GetChunk, KvClient, op } from "./kv.js";
export type { DeleteResponse, GetResponse, OpResponse, PutResponse, TxnResponse } from "./kv-messages.js";
export { encodeDelete, encodePut, encodeRange, encodeTxn } from "./kv-messages.js";
export { LeaseClient, type LeaseGrantResponse, type LeaseTimeToLiveResponse } from "./lease.js";
export type { KeepAliveResponse, LeaseKeepAlive } from "./lease-keeper.js";
export {
  type Alarm,
  type AlarmType,
  MaintenanceClient,
  type SnapshotChunk,
  type StatusResponse,
} from "./maintenance.js";
export type { WatchEvent } from "./messages.js";
export {
  type BytesLike,
  type DeleteOptions,
  deleteRequest,
  type GetOptions,
  OPEN_END,
  type PutOptions,
  prefixEnd,
  putRequest,
  type RangeOptions,
  rangeOf,
  rangeRequest,
} from "./range.js";
export {
  CallFailure,
  type CallSettings,
  type ClientStream,
  type Connection,
  type Connector,
  type ConnectSettings,
  type StreamObserver,
  type Target,
} from "./transport.js";
export { type CompareOperator, compare, type Txn, type TxnOp, txnRequest } from "./txn.js";
export { WatchClient, Watcher, type WatchOptions, type WatchResponse } from "./watch.js";
