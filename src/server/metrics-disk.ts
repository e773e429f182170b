// The metrics of files: log, database, snapshots, and work over the whole of them.

import type { Member } from "./member.js";
import type { Metrics } from "./metrics.js";

export function registerDisk(metrics: Metrics, member: Member): void {
  const { backend } = member;
  const timings = member.metrics;
  const timed = metrics.histogram.bind(metrics);
  metrics.gauge("etcd_mvcc_db_total_size_in_bytes", "Size of the database on disk.", () =>
    backend.sizeOnDisk(),
  );
  metrics.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Size of the database in use.", () =>
    backend.sizeInUse(),
  );
  metrics.gauge("etcd_mvcc_db_open_read_transactions", "Views of the database that are open.", () => {
    return timings.openViews;
  });
  metrics.gauge("etcd_disk_defrag_inflight", "Whether a defragmentation is under way.", () => {
    return timings.defragmentsInFlight;
  });
  metrics.gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the log.", () => member.logBytesWritten);
  timed("etcd_disk_wal_fsync_duration_seconds", "Latency of log syncs.", timings.walFsync);
  timed(
    "etcd_disk_wal_write_duration_seconds",
    "Latency of log writes without their sync.",
    timings.walWrite,
  );
  timed("etcd_disk_backend_commit_duration_seconds", "Latency of backend commits.", timings.backendCommit);
  timed("etcd_disk_backend_defrag_duration_seconds", "Latency of defragmentations.", timings.defragment);
  timed("etcd_disk_backend_snapshot_duration_seconds", "Time taken to send images.", timings.backendSnapshot);
  timed("etcd_mvcc_hash_duration_seconds", "Time taken to hash the database.", timings.hash);
  timed("etcd_mvcc_hash_rev_duration_seconds", "Time taken to hash a revision.", timings.hashRevision);
  // A snapshot file is some hundred bytes: saving it is its sync.
  timed("etcd_snap_fsync_duration_seconds", "Latency of snapshot syncs.", timings.snapSave);
  timed("etcd_debugging_snap_save_total_duration_seconds", "Time taken to save snapshots.", timings.snapSave);
}
