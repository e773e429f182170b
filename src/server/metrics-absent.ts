// Names that etcd has and that stand for something a member here does not have: phases of bbolt's commit, the store of the
// second API version, images from other members. Dashboards and alerts query them, so they are there and stay at zero.

import { exponentialBounds, Histogram } from "./histogram.js";
import type { Metrics } from "./metrics.js";

const HELP = "Always zero: etcd-ts has nothing of the kind.";

const GAUGES = ["etcd_debugging_store_watchers", "etcd_server_snapshot_apply_in_progress_total"];
const COUNTERS = [
  "etcd_debugging_store_expires_total",
  "etcd_debugging_store_watch_requests_total",
  "etcd_server_learner_promote_successes",
];
/** Names, and the buckets: start, factor, count. */
const HISTOGRAMS: readonly (readonly [name: string, start: number, count: number])[] = [
  ["etcd_debugging_disk_backend_commit_rebalance_duration_seconds", 0.001, 14],
  ["etcd_debugging_disk_backend_commit_spill_duration_seconds", 0.001, 14],
  ["etcd_debugging_disk_backend_commit_write_duration_seconds", 0.001, 14],
  ["etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds", 0.5, 14],
  ["etcd_debugging_server_watch_send_loop_control_stream_duration_seconds", 0.001, 14],
  ["etcd_debugging_server_watch_send_loop_progress_duration_seconds", 0.001, 14],
  ["etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds", 0.001, 14],
  ["etcd_debugging_snap_save_marshalling_duration_seconds", 0.001, 14],
  ["etcd_snap_db_fsync_duration_seconds", 0.001, 14],
  ["etcd_snap_db_save_total_duration_seconds", 0.1, 10],
];

export function registerAbsent(metrics: Metrics): void {
  for (const name of GAUGES) metrics.gauge(name, HELP, () => 0);
  for (const name of COUNTERS) metrics.counter(name, HELP, () => 0);
  for (const [name, start, count] of HISTOGRAMS)
    metrics.histogram(name, HELP, new Histogram(exponentialBounds(start, 2, count)));
  metrics.counters("etcd_debugging_store_reads_total", HELP, ["action"], () => []);
  metrics.counters("etcd_debugging_store_writes_total", HELP, ["action"], () => []);
  metrics.counters("etcd_server_learner_promote_failures", HELP, ["Reason"], () => []);
  // There is no authentication; an etcd that never had any reports its first revision.
  metrics.gauge("etcd_debugging_auth_revision", "Revision of the users and roles.", () => 1);
}
