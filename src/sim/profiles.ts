// Half of the seeds leave everything to chance. The others have a profile: a situation that the general mix produces rarely,
// made common by the choice of faults and by a cluster that is quick to elect and slow to replicate. Nothing in a profile
// is out of the ordinary by itself; each fault in it may happen in any seed.

import { type Random, SeededRandom } from "#base";
import { type Plan, pick } from "./plan.js";

type Profile = (random: Random, drawn: Plan) => Partial<Plan>;

/** Elections take a moment, so that a run has many. */
const RESTLESS = { heartbeatIntervalMs: 50, faultEveryMs: 1000 } as const;
/** Entries travel one by one, and few at once: logs stay different for longer. */
const NARROW = { raftMessageBytes: 0 } as const;

const READS_AND_WRITES: Plan["weights"] = {
  put: 30,
  get: 50,
  range: 8,
  staleRead: 0,
  pastRead: 2,
  delete: 4,
  deleteRange: 1,
  compareAndSwap: 8,
  txn: 4,
  nestedTxn: 2,
  lease: 2,
  admin: 1,
};

const PROFILES: Readonly<Record<string, Profile>> = {
  /** Leaders that are cut off as soon as they have appended something, one after another (Figure 8 of the paper). */
  flapping: (random, drawn) => ({
    ...RESTLESS,
    ...NARROW,
    members: pick(random, [3, 3, 5]),
    electionTimeoutMs: pick(random, [250, 500]),
    raftInflightMessages: pick(random, [1, 4]),
    faults: [
      "flapping leader",
      "flapping leader",
      "stale append",
      "isolate leader",
      "crash",
      ...drawn.faults.slice(0, 2),
    ],
  }),
  /** Voters that die with their vote just given, and are back before the election is over. */
  voting: (random, drawn) => ({
    ...RESTLESS,
    members: pick(random, [3, 3, 5]),
    electionTimeoutMs: pick(random, [250, 500]),
    preVote: random.below(4) === 0,
    netDelayMs: pick(random, [0.5, 2, 10]),
    faults: ["voter crash", "voter crash", "blackout", "split", ...drawn.faults.slice(0, 2)],
  }),
  /** A configuration that changes all the time, also through joint ones, while members are cut off. */
  reshaping: (random, drawn) => ({
    ...RESTLESS,
    members: pick(random, [3, 5, 5]),
    electionTimeoutMs: pick(random, [250, 500]),
    faults: [
      "membership",
      "joint change",
      "hasty change",
      "isolate leader",
      "split",
      ...drawn.faults.slice(0, 3),
    ],
  }),
  /** Messages and images that arrive when they are no longer true. */
  late: (random, drawn) => ({
    members: pick(random, [3, 3, 5]),
    snapshotCount: pick(random, [20, 50]),
    snapshotCatchupEntries: pick(random, [1, 5]),
    faultEveryMs: pick(random, [1000, 2500]),
    netReorders: true,
    faults: [
      "late image",
      "late image",
      "late packets",
      "isolate leader",
      "transfer",
      ...drawn.faults.slice(0, 2),
    ],
  }),
  /** Many reads and writes of few keys, while members hear late of what the others did, and leaders of being none. */
  stale: (random, drawn) => ({
    members: pick(random, [3, 3, 5]),
    heartbeatIntervalMs: 100,
    electionTimeoutMs: pick(random, [500, 1000]),
    faultEveryMs: pick(random, [1000, 2500]),
    clients: 8,
    operations: Math.max(drawn.operations, (4000 * drawn.safetyMs) / 60_000),
    keys: 3,
    burstiness: 0.6,
    weights: READS_AND_WRITES,
    faults: [
      "slow member",
      "slow member",
      "isolate leader",
      "pause",
      "slow disk",
      ...drawn.faults.slice(0, 2),
    ],
  }),
  /** The second phase loses its leader and has one member that hears nobody; the others must find another leader. */
  deaf: (random) => ({
    heartbeatIntervalMs: 50,
    electionTimeoutMs: pick(random, [250, 500]),
    members: pick(random, [3, 5]),
    preVote: true,
    minorityStaysDown: false,
    turnsDeaf: true,
  }),
};

const NAMES = Object.keys(PROFILES);

/** The plan as it is, or with a profile. */
export function withProfile(plan: Plan): Plan {
  const random = new SeededRandom(plan.seed ^ 0x2c1b3c6d);
  if (random.below(2) === 0) return plan;
  const name = pick(random, NAMES);
  return { ...plan, profile: name, ...PROFILES[name](random, plan) };
}
