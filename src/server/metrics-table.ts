// The names of a member's metrics, as etcd has them, and where each value comes from.

import { version as nodeVersion } from "node:process";
import type { RpcServer } from "#rpc";
import { AlarmType } from "./alarms.js";
import type { HealthCounters } from "./api/http.js";
import type { Services } from "./api/services.js";
import { CallTimes } from "./call-times.js";
import { ETCD_VERSION } from "./config.js";
import type { Member } from "./member.js";
import type { Metrics } from "./metrics.js";
import { registerAbsent } from "./metrics-absent.js";
import { registerDisk } from "./metrics-disk.js";
import { registerRequests, registerRpc } from "./metrics-rpc.js";

/** Whose metrics are exposed. */
export interface MetricSources {
  readonly member: Member;
  /** Its services are registered. */
  readonly server: RpcServer;
  readonly services: Services;
  readonly health: HealthCounters;
  /** Feature gates with their stages. */
  readonly features: readonly { readonly name: string; readonly stage: string; readonly enabled: boolean }[];
  /** With a histogram for each method. */
  readonly extensive: boolean;
}

export function registerMetrics(metrics: Metrics, sources: MetricSources): void {
  const { member, server, services } = sources;
  const times = new CallTimes(server, member.config.warningUnaryRequestDurationMs, member.logger);
  registerServer(metrics, member);
  registerStore(metrics, member);
  registerDisk(metrics, member);
  registerHealth(metrics, sources.health);
  registerRpc(metrics, server, times, sources.extensive);
  registerRequests(metrics, services, times);
  registerAbsent(metrics);
  metrics.gauges("etcd_server_feature_enabled", "Whether a feature is enabled.", ["name", "stage"], () =>
    sources.features.map(({ name, stage, enabled }) => ({ labels: { name, stage }, value: enabled ? 1 : 0 })),
  );
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
  metrics.counter(
    "etcd_server_heartbeat_send_failures_total",
    "Ticks of a leader that came too late.",
    () => {
      return member.driver.lateTicks;
    },
  );
  metrics.histograms("etcd_server_apply_duration_seconds", "Time taken to apply, by operation.", () =>
    counters.applies.samples(),
  );
  metrics.gauges("etcd_server_go_version", "What runs this: Node.js.", ["server_go_version"], () => [
    { labels: { server_go_version: nodeVersion }, value: 1 },
  ]);
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
  metrics.gauge(
    "etcd_debugging_mvcc_db_compaction_last",
    "When the last compaction ended, in Unix seconds.",
    () => {
      return member.compaction.lastFinishedAt;
    },
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
  metrics.histogram("etcd_debugging_lease_ttl_total", "TTLs of granted leases.", member.metrics.leaseTtl);
  metrics.counter("etcd_debugging_lease_granted_total", "Leases granted.", () => lessor.grantedTotal);
  metrics.counter("etcd_debugging_lease_revoked_total", "Leases revoked.", () => lessor.revokedTotal);
  metrics.counter("etcd_debugging_lease_renewed_total", "Leases renewed.", () => lessor.renewedTotal);
  metrics.counter(
    "etcd_debugging_server_lease_expired_total",
    "Leases found expired.",
    () => lessor.expiredTotal,
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
