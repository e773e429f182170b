// Planted bugs. A checker that has never caught anything proves nothing, so the simulation switches one of these on and
// must then report a violation (mutation testing of the checkers, not of the code). Every switch breaks exactly one rule
// of the paper, named in its comment, at exactly one place. Off, each costs the read of one field.
//
// The record is frozen; the only way to another one is `plantMutation`, which refuses outside a simulation.

import { panic } from "#base";

export interface Mutations {
  /** §5.4.2: commits entries of earlier terms by counting replicas (Figure 8). */
  readonly commitEarlierTermByCount: boolean;
  /** §5.2: the vote is left out of the hard state, so a restarted member may vote again in the same term. */
  readonly voteTwiceAfterRestart: boolean;
  /** Figure 2: currentTerm is left out of the hard state. */
  readonly termNotPersisted: boolean;
  /** §8: a new leader answers reads before it has committed an entry of its own term. */
  readonly readBeforeFirstCommitOfTerm: boolean;
  /** Thesis §4.3: in a joint configuration the old half decides alone. */
  readonly quorumOfOldConfiguration: boolean;
  /** Thesis §4.2.1: the acknowledgements of learners count toward commitment. */
  readonly learnerCounted: boolean;
  /** §5.3: a follower appends without comparing the term of the entry before. */
  readonly appendOutOfOrderAccepted: boolean;
  /** §7: a snapshot below the commit index replaces the log. */
  readonly installSnapshotOlderThanCommit: boolean;
  /** Thesis §9.6: a granted pre-vote restarts the election timer, as only a real vote may. */
  readonly preVoteResetsTimer: boolean;
  /** Figure 2: appends are acknowledged, to others and to oneself, before they are on disk. */
  readonly acknowledgedBeforeSync: boolean;
  /** §8: reads that waited for a confirmation of an earlier leadership are answered in a later one. */
  readonly staleReadIndexAfterLeaderChange: boolean;
  /** §5.1: followers take appends of an earlier term. */
  readonly staleTermAccepted: boolean;
  /** Thesis §4.1: a second configuration change enters the log before the first one is applied. */
  readonly secondChangeBeforeFirstApplied: boolean;
  /** §5.4.1: votes are granted whatever the candidate's log holds. */
  readonly voteForShorterLog: boolean;
}

export type MutationName = keyof Mutations;

const NONE: Mutations = Object.freeze({
  commitEarlierTermByCount: false,
  voteTwiceAfterRestart: false,
  termNotPersisted: false,
  readBeforeFirstCommitOfTerm: false,
  quorumOfOldConfiguration: false,
  learnerCounted: false,
  appendOutOfOrderAccepted: false,
  installSnapshotOlderThanCommit: false,
  preVoteResetsTimer: false,
  acknowledgedBeforeSync: false,
  staleReadIndexAfterLeaderChange: false,
  staleTermAccepted: false,
  secondChangeBeforeFirstApplied: false,
  voteForShorterLog: false,
});

/** What is planted now: nothing, outside the simulation. */
export let mutations: Mutations = NONE;

/** The names of all bugs that can be planted. */
export const MUTATION_NAMES: readonly MutationName[] = Object.freeze(Object.keys(NONE) as MutationName[]);

/** Plants one bug in this process. Panics unless `globalThis.ETCD_TS_SIMULATION === true`. */
export function plantMutation(name: MutationName): void {
  if (Reflect.get(globalThis, "ETCD_TS_SIMULATION") !== true)
    panic("bugs may be planted in a simulation only", { name });
  if (!MUTATION_NAMES.includes(name)) panic("no such mutation", { name });
  mutations = Object.freeze({ ...mutations, [name]: true });
}

/** Removes every planted bug. */
export function clearMutations(): void {
  mutations = NONE;
}
