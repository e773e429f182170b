// What a member is built from; start.ts makes it from files, the simulation from disks of its own.

import type { Clock, Logger } from "#base";
import type { Lessor } from "#lease";
import type { Store, WatchHub } from "#mvcc";
import type { MemoryLogStorage, RawNode } from "#raft";
import type { StorageBackend } from "#storage";
import type { Alarms } from "./alarms.js";
import type { Cluster } from "./cluster.js";
import type { Committer } from "./committer.js";
import type { ServerConfig } from "./config.js";
import type { LogWriter, Transport } from "./driver.js";
import type { MemberMetrics } from "./member-metrics.js";
import type { Quota } from "./quota.js";
import type { RaftSnapshots } from "./raft-snapshots.js";
import type { SnapshotReceiver, SnapshotSender } from "./snapshot-transfer.js";
import type { LogSpace } from "./space-watch.js";
import type { WatchOutlet } from "./watch-outlet.js";

export interface MemberParts {
  readonly config: ServerConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backend: StorageBackend;
  readonly store: Store;
  readonly lessor: Lessor;
  readonly hub: WatchHub;
  readonly outlet: WatchOutlet;
  readonly alarms: Alarms;
  readonly quota: Quota;
  readonly cluster: Cluster;
  readonly node: RawNode;
  readonly storage: MemoryLogStorage;
  readonly log: LogWriter & LogSpace & { readonly bytesWritten: number };
  readonly committer: Committer;
  readonly snapshots: RaftSnapshots;
  readonly transport: Transport;
  readonly snapshotSender: SnapshotSender;
  readonly snapshotReceiver: SnapshotReceiver;
  readonly metrics: MemberMetrics;
  /** Entries up to this one were applied before the restart. */
  readonly appliedIndex: number;
  readonly mainThreadSync: boolean;
  /** The member can no longer be trusted, or its disk failed: whoever owns it must stop it. */
  readonly onFatal: (error: unknown) => void;
}
