// The plan of a run: every parameter, drawn from the seed (a swarm: each seed has its own cluster, its own mix of
// operations and its own kinds of trouble, so that rare combinations and quiet runs both occur). A plan is plain data;
// the shrinker changes it, and whoever replays a failure may too.

import { type Random, SeededRandom } from "#base";

export const FAULT_KINDS = [
  "crash",
  "power loss",
  "crash at a step",
  "blackout",
  "stop",
  "pause",
  "isolate",
  "isolate leader",
  "split",
  "one way",
  "ring",
  "half open",
  "starve",
  "slow member",
  "lossy",
  "slow net",
  "cut images",
  "slow disk",
  "failing disk",
  "full disk",
  "wall clock",
  "client net",
  "transfer",
  "membership",
  "joint change",
  "hasty change",
  "flapping leader",
  "stale append",
  "voter crash",
  "late packets",
  "late image",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Kinds that need somebody else to be felt. */
const NEEDS_PEERS: ReadonlySet<FaultKind> = new Set([
  "isolate",
  "isolate leader",
  "split",
  "one way",
  "ring",
  "half open",
  "starve",
  "slow member",
  "lossy",
  "slow net",
  "cut images",
  "transfer",
  "joint change",
  "hasty change",
  "flapping leader",
  "stale append",
  "voter crash",
  "late packets",
  "late image",
]);

export interface Plan {
  readonly seed: number;
  /** Of profiles.ts; empty for none. */
  readonly profile: string;
  readonly members: number;
  // The cluster.
  readonly heartbeatIntervalMs: number;
  readonly electionTimeoutMs: number;
  readonly preVote: boolean;
  /** Encoded entries in one append; 0: one entry. */
  readonly raftMessageBytes: number;
  readonly raftInflightMessages: number;
  readonly snapshotCount: number;
  readonly snapshotCatchupEntries: number;
  readonly compactionBatchLimit: number;
  readonly compactionSleepIntervalMs: number;
  /** 0: no quota. */
  readonly quotaBytes: number;
  readonly backendBatchIntervalMs: number;
  readonly backendBatchLimit: number;
  readonly walSegmentBytes: number;
  readonly mainThreadSync: boolean;
  readonly leaseCheckpoints: boolean;
  readonly leaseCheckpointIntervalMs: number;
  readonly watchQueueResponses: number;
  readonly watchFragmentBytes: number;
  readonly watchProgressIntervalMs: number;
  /** Responses are part of the compared results. */
  readonly comparesBodies: boolean;
  // The world.
  readonly diskWriteMs: number;
  readonly diskSyncMs: number;
  readonly netDelayMs: number;
  readonly netJitterMs: number;
  /** Per message, always; faults add to it. */
  readonly netLoss: number;
  readonly netDuplicate: number;
  readonly netReorders: boolean;
  readonly clientNetDelayMs: number;
  readonly clientLoss: number;
  readonly clockDrift: number;
  // What happens.
  readonly safetyMs: number;
  readonly operations: number;
  readonly clients: number;
  readonly watchClients: number;
  readonly keys: number;
  readonly valueBytes: number;
  /** Share of a client's pauses that are so short that calls come in bursts. */
  readonly burstiness: number;
  readonly weights: Readonly<Record<WorkKind, number>>;
  readonly compactionEveryMs: number;
  readonly faults: readonly FaultKind[];
  readonly faultEveryMs: number;
  /** One member stays down in the second phase too. */
  readonly minorityStaysDown: boolean;
  /** In the second phase the leader restarts and one member hears nobody. */
  readonly turnsDeaf: boolean;
  /** What a shrunk run leaves out: faults, clients and watch clients by number. */
  readonly skipFaults: readonly number[];
  readonly skipClients: readonly number[];
  readonly skipWatchClients: readonly number[];
  /** The operator neither compacts nor makes room. */
  readonly isOperatorIdle: boolean;
}

export const WORK_KINDS = [
  "put",
  "get",
  "range",
  "staleRead",
  "pastRead",
  "delete",
  "deleteRange",
  "compareAndSwap",
  "txn",
  "nestedTxn",
  "lease",
  "admin",
] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

/** The plan of a seed, without a profile. @param size 1 is the full size of a run; less makes it shorter */
export function drawPlan(seed: number, size = 1): Plan {
  const random = new SeededRandom(seed ^ 0x51ed270b);
  const members = pick(random, [1, 3, 3, 3, 3, 5]);
  const heartbeatIntervalMs = pick(random, [50, 100, 100, 100, 200]);
  const electionTimeoutMs = heartbeatIntervalMs * pick(random, [5, 10, 10]);
  const snapshotCount = pick(random, [20, 50, 100, 300, 1000]);
  return {
    seed,
    profile: "",
    members,
    heartbeatIntervalMs,
    electionTimeoutMs,
    preVote: random.below(8) !== 0,
    raftMessageBytes: pick(random, [0, 300, 1024 * 1024, 1024 * 1024]),
    raftInflightMessages: pick(random, [1, 4, 512, 512]),
    snapshotCount,
    snapshotCatchupEntries: pick(random, [1, 5, 20, 100]),
    compactionBatchLimit: pick(random, [1, 5, 20, 1000]),
    compactionSleepIntervalMs: pick(random, [1, 10, 20]),
    quotaBytes: random.below(8) === 0 ? 48 * 1024 + random.below(64 * 1024) : 0,
    backendBatchIntervalMs: pick(random, [20, 0, 100, 500]),
    backendBatchLimit: pick(random, [10, 1000, 10_000]),
    walSegmentBytes: pick(random, [8, 32, 128]) * 1024,
    mainThreadSync: random.below(2) === 0,
    leaseCheckpoints: random.below(3) === 0,
    leaseCheckpointIntervalMs: pick(random, [1000, 3000, 300_000]),
    watchQueueResponses: pick(random, [8, 16, 64, 16_384]),
    watchFragmentBytes: pick(random, [200, 1000, 2 * 1024 * 1024]),
    watchProgressIntervalMs: pick(random, [200, 1000, 5000]),
    comparesBodies: random.below(2) === 0,
    diskWriteMs: pick(random, [0.01, 0.05, 0.5]),
    diskSyncMs: pick(random, [0.1, 0.5, 2, 10]),
    netDelayMs: pick(random, [0.1, 0.5, 2, 10]),
    netJitterMs: pick(random, [0.1, 1, 5, 20]),
    netLoss: pick(random, [0, 0, 0, 0.005, 0.02]),
    netDuplicate: pick(random, [0, 0, 0.01]),
    netReorders: random.below(3) === 0,
    clientNetDelayMs: pick(random, [0.1, 1, 5]),
    clientLoss: pick(random, [0, 0, 0.002, 0.01]),
    clockDrift: pick(random, [0, 0.0001, 0.005, 0.01]),
    safetyMs: Math.round(60_000 * size),
    operations: Math.round(pick(random, [1200, 1600, 2400, 4000]) * size),
    clients: 2 + random.below(7),
    watchClients: random.below(5),
    keys: pick(random, [3, 8, 20, 60]),
    valueBytes: pick(random, [0, 0, 10, 100, 1000]),
    burstiness: pick(random, [0.2, 0.6, 0.9]),
    weights: drawWeights(random),
    compactionEveryMs: pick(random, [0, 1000, 5000, 20_000]),
    faults: drawFaults(random, members),
    faultEveryMs: pick(random, [1000, 2500, 5000, 10_000]),
    minorityStaysDown: members > 1 && random.below(6) === 0,
    turnsDeaf: false,
    skipFaults: [],
    skipClients: [],
    skipWatchClients: [],
    isOperatorIdle: false,
  };
}

function drawWeights(random: Random): Record<WorkKind, number> {
  const usual: Record<WorkKind, number> = {
    put: 30,
    get: 20,
    range: 8,
    staleRead: 6,
    pastRead: 4,
    delete: 6,
    deleteRange: 2,
    compareAndSwap: 8,
    txn: 8,
    nestedTxn: 3,
    lease: 10,
    admin: 2,
  };
  // Each kind is left out now and then, or favoured.
  for (const kind of WORK_KINDS) if (kind !== "put") usual[kind] *= pick(random, [0, 1, 1, 1, 4]);
  return usual;
}

/** Three kinds at least, so that they meet. */
function drawFaults(random: Random, members: number): FaultKind[] {
  const possible = FAULT_KINDS.filter((kind) => members > 1 || !NEEDS_PEERS.has(kind));
  const count = 3 + random.below(Math.max(1, possible.length - 3));
  const chosen: FaultKind[] = [];
  while (chosen.length < count) {
    const kind = pick(random, possible);
    if (!chosen.includes(kind)) chosen.push(kind);
  }
  return chosen;
}

export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[random.below(choices.length)];
}

/** An exponentially distributed duration with this mean, at most ten times it. */
export function around(random: Random, meanMs: number): number {
  return Math.min(10 * meanMs, -Math.log(1 - random.float()) * meanMs);
}
