// What a client can be told. Defaults are those of etcd's own client library: 100 tries of a read, 25 ms
// between rounds over the endpoints with 10 % jitter, 2 MiB out, 2 GiB in.

import type { Connector } from "./transport.js";

export interface ClientConfig {
  /** `host:port` or URLs; at least one. Calls go round-robin over those that are connected. */
  endpoints: readonly string[];
  /** How long one attempt to connect may take. Default 2 s. */
  dialTimeoutMs?: number;
  /** Deadline of unary calls that set none themselves. Default: none. */
  callTimeoutMs?: number;
  /** Ping a connection on which nothing was heard for this long. Default: no pings. */
  keepaliveMs?: number;
  /** Give a connection up when a ping stays unanswered for this long. Default 6 s. */
  keepaliveTimeoutMs?: number;
  /** Tries of one call. Default 100. */
  maxUnaryRetries?: number;
  /** Pause after each round over a majority of the endpoints. Default 25 ms. */
  backoffWaitMs?: number;
  /** Share by which the pause varies, 0 to 1. Default 0.1. */
  backoffJitter?: number;
  /** Largest request. Default 2 MiB. */
  maxSendBytes?: number;
  /** Largest response. Default 2^31 - 1. */
  maxReceiveBytes?: number;
  /** Hears of every failed attempt, also of those that are retried. */
  onAttemptFailed?: (attempt: FailedAttempt) => void;
  /** Opens connections. Default: this package's own HTTP/2. */
  connector?: Connector;
}

/** One try of a call that failed. */
export interface FailedAttempt {
  readonly method: string;
  /** Endpoint tried, or "" when no endpoint could be reached. */
  readonly endpoint: string;
  /** 0 for the first try. */
  readonly attempt: number;
  /** `rpc error: code = X desc = Y` */
  readonly status: string;
}

/** The options of every call. */
export interface CallOptions {
  /** Deadline, from now. Default: the client's `callTimeoutMs`. */
  timeoutMs?: number;
  /** Gives the call up. */
  signal?: AbortSignal;
  /** Fail at once, instead of waiting, while the server knows no leader. */
  requireLeader?: boolean;
  /** Send to this endpoint only. Default: any. */
  endpoint?: string;
}

export type ResolvedConfig = Required<Omit<ClientConfig, "callTimeoutMs" | "keepaliveMs">> &
  Pick<ClientConfig, "callTimeoutMs" | "keepaliveMs">;

export function resolveConfig(config: ClientConfig, connector: Connector): ResolvedConfig {
  if (config.endpoints.length === 0) throw new Error("etcdclient: no available endpoints");
  return {
    endpoints: [...config.endpoints],
    dialTimeoutMs: config.dialTimeoutMs ?? 2000,
    callTimeoutMs: config.callTimeoutMs,
    keepaliveMs: config.keepaliveMs,
    keepaliveTimeoutMs: config.keepaliveTimeoutMs ?? 6000,
    maxUnaryRetries: config.maxUnaryRetries ?? 100,
    backoffWaitMs: config.backoffWaitMs ?? 25,
    backoffJitter: config.backoffJitter ?? 0.1,
    maxSendBytes: config.maxSendBytes ?? 2 * 1024 * 1024,
    maxReceiveBytes: config.maxReceiveBytes ?? 0x7fffffff,
    onAttemptFailed: config.onAttemptFailed ?? (() => {}),
    connector: config.connector ?? connector,
  };
}
