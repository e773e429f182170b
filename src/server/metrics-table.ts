// The names of a member's metrics, as etcd has them, and where each value comes from.

import { STATUS_NAMES } from "#proto";
import type { Method, MethodKind, RpcServer } from "#rpc";
import { AlarmType } from "./alarms.js";
import type { Admission } from "./api/admission.js";
import type { HealthCounters } from "./api/http.js";
import { ETCD_VERSION } from "./config.js";
import type { Member } from "./member.js";
import type { Metrics } from "./metrics.js";

export function registerMetrics(
  metrics: Metrics,
  member: Member,
  server: RpcServer,
  health: HealthCounters,
  admission: Admission,
): void {
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
  registerServer(metrics, member);
  registerStore(metrics, member);
  registerDisk(metrics, member);
  registerHealth(metrics, health);
  registerRpc(metrics, server);
}

function registerServer(metrics: Metrics, member: Member): void {
  const counters = member.metrics;
  metrics.gauge("etcd_server_has_leader", "Whether or not a leader exists. 1 is existence, 0 is not.", () =>
    member.hasLeader ? 1 : 0,
  );
  metrics.gauge(
    "etcd_server_is_leader",
    "Whether or not this member is a leader. 1 if is, 0 otherwise.",
    () => (member.isLeader ? 1 : 0),
  );
  metrics.gauge(
    "etcd_server_is_learner",
    "Whether or not this member is a learner. 1 if is, 0 otherwise.",
    () => (member.isLearner ? 1 : 0),
  );
  metrics.counter(
    "etcd_server_leader_changes_seen_total",
    "Leader changes seen.",
    () => counters.leaderChanges,
  );
  metrics.gauge("etcd_server_proposals_committed_total", "Consensus proposals committed.", () => {
    return member.driver.node.basicStatus().commit;
  });
  metrics.gauge(
    "etcd_server_proposals_applied_total",
    "Consensus proposals applied.",
    () => member.appliedIndex,
  );
  metrics.gauge("etcd_server_proposals_pending", "Proposals waiting for their result.", () => {
    return member.pendingProposals;
  });
  metrics.counter(
    "etcd_server_proposals_failed_total",
    "Proposals that failed.",
    () => counters.proposalsFailed,
  );
  metrics.counter(
    "etcd_server_slow_apply_total",
    "Applies over the warning threshold.",
    () => counters.slowApplies,
  );
  metrics.counter(
    "etcd_server_slow_read_indexes_total",
    "Read indexes that needed more than one attempt.",
    () => {
      return member.readStatistics.slowReads;
    },
  );
  metrics.counter("etcd_server_read_indexes_failed_total", "Read indexes that failed.", () => {
    return member.readStatistics.failedReads;
  });
  metrics.gauge("etcd_server_quota_backend_bytes", "Current backend storage quota size in bytes.", () => {
    return member.quota.reported;
  });
  metrics.gauges("etcd_server_version", "Which version is running.", ["server_version"], () => [
    { labels: { server_version: ETCD_VERSION }, value: 1 },
  ]);
  metrics.gauges("etcd_server_id", "Server or member ID in hexadecimal format.", ["server_id"], () => [
    { labels: { server_id: member.cluster.localId.toString(16) }, value: 1 },
  ]);
  metrics.gauges("etcd_cluster_version", "Which version the cluster runs.", ["cluster_version"], () =>
    member.cluster.version === ""
      ? []
      : [{ labels: { cluster_version: member.cluster.version.replace(/\.\d+$/, "") }, value: 1 }],
  );
  metrics.gauges("etcd_debugging_server_alarms", "Alarms active.", ["server_id", "alarm_type"], () =>
    member.alarms.list(AlarmType.NONE).map((alarm) => ({
      labels: { server_id: alarm.memberId.toString(16), alarm_type: AlarmType[alarm.type] },
      value: 1,
    })),
  );
}

function registerStore(metrics: Metrics, member: Member): void {
  const { store, hub, lessor } = member;
  const { counters } = store;
  metrics.counter("etcd_mvcc_put_total", "Puts seen by this member.", () => counters.puts);
  metrics.counter("etcd_mvcc_delete_total", "Deletes seen by this member.", () => counters.deletes);
  metrics.counter("etcd_mvcc_range_total", "Ranges seen by this member.", () => counters.ranges);
  metrics.counter("etcd_mvcc_txn_total", "Transactions seen by this member.", () => counters.txns);
  metrics.gauge("etcd_debugging_mvcc_total_put_size_in_bytes", "Size of all puts.", () => counters.putBytes);
  metrics.gauge("etcd_debugging_mvcc_keys_total", "Keys.", () => store.keyCount);
  metrics.gauge("etcd_debugging_mvcc_current_revision", "Current revision.", () => store.currentRevision);
  metrics.gauge("etcd_debugging_mvcc_compact_revision", "Revision of the last compaction.", () => {
    return store.compactedRevision;
  });
  metrics.counter("etcd_debugging_mvcc_db_compaction_keys_total", "Revisions deleted by compaction.", () => {
    return counters.compactedRevisions;
  });
  metrics.histogram(
    "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
    "Time taken by one slice of a compaction.",
    member.compaction.pauses,
  );
  metrics.histogram(
    "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
    "Time taken by a whole compaction.",
    member.compaction.totals,
  );
  metrics.gauge("etcd_debugging_mvcc_watch_stream_total", "Watch streams.", () => hub.streams);
  metrics.gauge("etcd_debugging_mvcc_watcher_total", "Watchers.", () => hub.watchers);
  metrics.gauge(
    "etcd_debugging_mvcc_slow_watcher_total",
    "Watchers that are behind.",
    () => hub.slowWatchers,
  );
  metrics.gauge(
    "etcd_debugging_mvcc_pending_events_total",
    "Events queued for watchers.",
    () => hub.pendingEvents,
  );
  metrics.counter("etcd_debugging_mvcc_events_total", "Events sent to watchers.", () => hub.eventsTotal);
  metrics.counter("etcd_debugging_lease_granted_total", "Leases granted.", () => lessor.grantedTotal);
  metrics.counter("etcd_debugging_lease_revoked_total", "Leases revoked.", () => lessor.revokedTotal);
  metrics.counter("etcd_debugging_lease_renewed_total", "Leases renewed.", () => lessor.renewedTotal);
  metrics.counter(
    "etcd_debugging_server_lease_expired_total",
    "Leases found expired.",
    () => lessor.expiredTotal,
  );
}

function registerDisk(metrics: Metrics, member: Member): void {
  const { backend } = member;
  const timings = member.metrics;
  metrics.gauge("etcd_mvcc_db_total_size_in_bytes", "Size of the database on disk.", () =>
    backend.sizeOnDisk(),
  );
  metrics.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Size of the database in use.", () =>
    backend.sizeInUse(),
  );
  metrics.histogram("etcd_disk_wal_fsync_duration_seconds", "Latency of log syncs.", timings.walFsync);
  metrics.gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the log.", () => member.logBytesWritten);
  metrics.histogram(
    "etcd_disk_backend_commit_duration_seconds",
    "Latency of backend commits.",
    timings.backendCommit,
  );
  metrics.histogram(
    "etcd_disk_backend_defrag_duration_seconds",
    "Latency of defragmentations.",
    timings.defragment,
  );
}

function registerHealth(metrics: Metrics, health: HealthCounters): void {
  metrics.counter("etcd_server_health_success", "Successful health checks.", () => health.healthSuccess);
  metrics.counter("etcd_server_health_failures", "Failed health checks.", () => health.healthFailures);
  metrics.gauges("etcd_server_healthcheck", "Result of the last check.", ["type", "name"], () =>
    [...health.last].map(([key, value]) => {
      const [type, name] = key.split("/");
      return { labels: { type, name }, value };
    }),
  );
  metrics.counters("etcd_server_healthchecks_total", "Checks by result.", ["type", "name", "status"], () =>
    [...health.totals].map(([key, value]) => {
      const [type, name, status] = key.split("/");
      return { labels: { type, name, status }, value };
    }),
  );
}

const GRPC_TYPES: Readonly<Record<MethodKind, string>> = {
  unary: "unary",
  serverStream: "server_stream",
  clientStream: "client_stream",
  bidi: "bidi_stream",
};

function labelsOf(method: Method): { grpc_type: string; grpc_service: string; grpc_method: string } {
  return { grpc_type: GRPC_TYPES[method.kind], grpc_service: method.service, grpc_method: method.name };
}

function registerRpc(metrics: Metrics, server: RpcServer): void {
  const names = ["grpc_type", "grpc_service", "grpc_method"];
  const all = (): Method[] => [...server.allMethods()];
  metrics.counters("grpc_server_started_total", "Calls started.", names, () =>
    all().map((method) => ({ labels: labelsOf(method), value: method.stats.started })),
  );
  metrics.counters("grpc_server_msg_received_total", "Messages received.", names, () =>
    all().map((method) => ({ labels: labelsOf(method), value: method.stats.messagesReceived })),
  );
  metrics.counters("grpc_server_msg_sent_total", "Messages sent.", names, () =>
    all().map((method) => ({ labels: labelsOf(method), value: method.stats.messagesSent })),
  );
  metrics.counters("grpc_server_handled_total", "Calls ended, by code.", [...names, "grpc_code"], () =>
    all().flatMap((method) =>
      STATUS_NAMES.map((code, i) => ({
        labels: { ...labelsOf(method), grpc_code: code },
        value: method.stats.handled[i],
      })),
    ),
  );
  const { counters } = server.group;
  metrics.counter("etcd_network_client_grpc_received_bytes_total", "Bytes received from clients.", () => {
    return counters.messageBytesReceived;
  });
  metrics.counter("etcd_network_client_grpc_sent_bytes_total", "Bytes sent to clients.", () => {
    return counters.messageBytesSent;
  });
}
