// How long calls take: for the histograms, and for the log when a unary call takes longer than --warning-unary-request-
// duration. One object per method, so that a call looks nothing up.

import type { Logger } from "#base";
import { STATUS_NAMES, StatusCode } from "#proto";
import type { CallTimer, Method, RpcServer, ServerCall } from "#rpc";
import { exponentialBounds, Histogram } from "./histogram.js";
import { SLOW_REQUEST_LOGS_PER_SECOND } from "./limits.js";
import type { HistogramSample } from "./metrics.js";

/** Buckets of grpc_server_handling_seconds, as every exporter has them. */
const HANDLING_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Methods whose duration etcd measures as a request, and what it calls them. */
const REQUEST_TYPES: Readonly<Record<string, string>> = {
  Range: "Range",
  Put: "Put",
  DeleteRange: "DeleteRange",
  Txn: "Txn",
  Compact: "Compaction",
  LeaseGrant: "LeaseGrant",
  LeaseRevoke: "LeaseRevoke",
  Alarm: "Alarm",
};

/** Left in a call's slot by the handler of transactions, for one that only read. */
export const READONLY_TXN = "ReadonlyTxn";

class Request {
  readonly type: string;
  readonly succeeded = new Histogram(exponentialBounds(0.001, 2, 14));
  readonly failed = new Histogram(exponentialBounds(0.001, 2, 14));

  constructor(type: string) {
    this.type = type;
  }
}

class MethodTimes implements CallTimer {
  readonly method: Method;
  readonly handling = new Histogram(HANDLING_BOUNDS);
  readonly request: Request | undefined;
  private readonly owner: CallTimes;
  private readonly isUnary: boolean;

  constructor(method: Method, owner: CallTimes) {
    this.method = method;
    this.owner = owner;
    this.isUnary = method.kind === "unary";
    const type = method.service.startsWith("etcdserverpb.") ? REQUEST_TYPES[method.name] : undefined;
    this.request = type === undefined ? undefined : new Request(type);
  }

  onHandled(call: ServerCall, code: StatusCode, tookMs: number): void {
    const seconds = tookMs / 1000;
    this.handling.observe(seconds);
    const request = call.context === READONLY_TXN ? this.owner.readOnlyTxn : this.request;
    if (request !== undefined) (code === StatusCode.OK ? request.succeeded : request.failed).observe(seconds);
    if (this.isUnary && tookMs > this.owner.warningMs) this.owner.onSlow(call, code, tookMs);
  }
}

export class CallTimes {
  readonly readOnlyTxn = new Request(READONLY_TXN);
  /** A unary call that takes longer is logged. */
  readonly warningMs: number;
  private readonly methods: MethodTimes[] = [];
  private readonly logger: Logger;
  private second = 0;
  private logged = 0;
  private suppressed = 0;

  /** Measures every method of `server` from now on. */
  constructor(server: RpcServer, warningMs: number, logger: Logger) {
    this.warningMs = warningMs;
    this.logger = logger;
    for (const method of server.allMethods()) {
      const times = new MethodTimes(method, this);
      method.timer = times;
      this.methods.push(times);
    }
  }

  /** A line for a slow call; not for each of thousands, since writing them would make all others slow too. */
  onSlow(call: ServerCall, code: StatusCode, tookMs: number): void {
    if (call.openedAt !== this.second) {
      this.second = call.openedAt;
      this.logged = 0;
    }
    if (++this.logged > SLOW_REQUEST_LOGS_PER_SECOND) {
      this.suppressed++;
      return;
    }
    const { suppressed } = this;
    this.suppressed = 0;
    this.logger.warn("request stats", {
      "response type": call.method.path,
      "time spent": `${tookMs.toFixed(3)}ms`,
      "expected-duration": `${this.warningMs}ms`,
      remote: call.remote,
      "grpc-code": STATUS_NAMES[code],
      ...(suppressed > 0 ? { suppressed } : {}),
    });
  }

  handling(): HistogramSample[] {
    return this.methods.map(({ method, handling }) => ({ labels: labelsOf(method), histogram: handling }));
  }

  requests(): HistogramSample[] {
    const all = [this.readOnlyTxn, ...this.methods.flatMap(({ request }) => request ?? [])];
    return all.flatMap(({ type, succeeded, failed }) => [
      { labels: { type, success: "true" }, histogram: succeeded },
      { labels: { type, success: "false" }, histogram: failed },
    ]);
  }

  ranges(): HistogramSample[] {
    return this.requests().flatMap(({ labels, histogram }) =>
      labels.type === "Range" ? [{ labels: { success: labels.success }, histogram }] : [],
    );
  }
}

const GRPC_TYPES: Readonly<Record<Method["kind"], string>> = {
  unary: "unary",
  serverStream: "server_stream",
  clientStream: "client_stream",
  bidi: "bidi_stream",
};

/** The labels that all grpc_server_* metrics share. */
export function labelsOf(method: Method): { grpc_type: string; grpc_service: string; grpc_method: string } {
  return { grpc_type: GRPC_TYPES[method.kind], grpc_service: method.service, grpc_method: method.name };
}
