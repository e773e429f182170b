// The metrics of calls: what gRPC servers everywhere expose, and etcd's own of clients and requests.

import { STATUS_NAMES } from "#proto";
import type { Method, RpcServer } from "#rpc";
import type { Services } from "./api/services.js";
import { type CallTimes, labelsOf } from "./call-times.js";
import type { Metrics } from "./metrics.js";

const NAMES = ["grpc_type", "grpc_service", "grpc_method"];

/** @param extensive with a histogram for each method, as --metrics=extensive asks for */
export function registerRpc(metrics: Metrics, server: RpcServer, times: CallTimes, extensive: boolean): void {
  const all = (): Method[] => [...server.allMethods()];
  metrics.counters("grpc_server_started_total", "Calls started.", NAMES, () =>
    all().map((method) => ({ labels: labelsOf(method), value: method.stats.started })),
  );
  metrics.counters("grpc_server_msg_received_total", "Messages received.", NAMES, () =>
    all().map((method) => ({ labels: labelsOf(method), value: method.stats.messagesReceived })),
  );
  metrics.counters("grpc_server_msg_sent_total", "Messages sent.", NAMES, () =>
    all().map((method) => ({ labels: labelsOf(method), value: method.stats.messagesSent })),
  );
  metrics.counters("grpc_server_handled_total", "Calls ended, by code.", [...NAMES, "grpc_code"], () =>
    all().flatMap((method) =>
      STATUS_NAMES.map((code, i) => ({
        labels: { ...labelsOf(method), grpc_code: code },
        value: method.stats.handled[i],
      })),
    ),
  );
  if (extensive) {
    metrics.histograms("grpc_server_handling_seconds", "Duration of calls.", () => times.handling());
  }
  const { counters } = server.group;
  metrics.counter("etcd_network_client_grpc_received_bytes_total", "Bytes received from clients.", () => {
    return counters.messageBytesReceived;
  });
  metrics.counter("etcd_network_client_grpc_sent_bytes_total", "Bytes sent to clients.", () => {
    return counters.messageBytesSent;
  });
}

export function registerRequests(metrics: Metrics, services: Services, times: CallTimes): void {
  const { admission, watch, lease } = services;
  metrics.counters(
    "etcd_server_client_requests_total",
    "Calls by the version that clients name.",
    ["type", "client_api_version"],
    () =>
      [...admission.requests.values()].flatMap(({ version, unary, streams }) => [
        { labels: { type: "unary", client_api_version: version }, value: unary },
        { labels: { type: "stream", client_api_version: version }, value: streams },
      ]),
  );
  metrics.histograms("etcd_server_request_duration_seconds", "Duration of requests by type.", () =>
    times.requests(),
  );
  metrics.histograms("etcd_server_range_duration_seconds", "Duration of ranges.", () => times.ranges());
  metrics.counters(
    "etcd_network_server_stream_failures_total",
    "Streams that the member ended with an error.",
    ["Type", "API"],
    () => [
      { labels: { Type: "send", API: "watch" }, value: watch.failures },
      { labels: { Type: "send", API: "lease-keepalive" }, value: lease.failures },
    ],
  );
  metrics.histogram(
    "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds",
    "Time taken to hand a watch stream what it has.",
    watch.pumps,
  );
}
