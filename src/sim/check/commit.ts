// What only somebody sees who looks into all machines at once: whether an entry that a leader calls committed is safe. It is
// when it is durable on a majority of the voters (of both halves, during a joint change), and when nobody who lacks it could
// still be elected. The quorums are counted here, from the logs that the machines hold, by code that shares nothing with
// raft's: learners counted as voters, the wrong half of a joint configuration, or an entry of an earlier term committed by
// its count (Figure 8) show at the step that does it, not when, much later and rarely, the loss of the entry is noticed.
//
// Machines that are down count with what they hold: a promise once synced outlives them.
//
// Source: Raft paper §5.4 (leader completeness); thesis §4.3 (joint consensus).

import type { MemberId } from "#proto";
import { type Configuration, TERM_COMPACTED } from "#raft";

/** The durable part of a machine's log, as `MemoryLogStorage` shows it. */
export interface DurableLog {
  lastIndex(): number;
  /** Negative: not there, or compacted. */
  term(index: number): number;
}

export type LogOf = (id: MemberId) => DurableLog | undefined;

/** Why the entry is not safe under this configuration; undefined if it is. */
export function problemOfCommit(
  index: number,
  term: number,
  { voters }: Configuration,
  logOf: LogOf,
): string | undefined {
  for (const half of [voters.incoming, voters.outgoing]) {
    const holders = half.ids.filter((id) => holds(logOf(id), index, term));
    if (half.size > 0 && !isMajority(holders.length, half.size))
      return `it is on ${holders.length} of ${half.size} voters`;
  }
  const halves = [voters.incoming.ids, voters.outgoing.ids];
  for (const id of voters.ids()) {
    if (!holds(logOf(id), index, term) && couldBeElected(id, halves, logOf))
      return `${id.toString(16)} lacks it and could be elected`;
  }
  return undefined;
}

function isMajority(count: number, size: number): boolean {
  return 2 * count > size;
}

function holds(log: DurableLog | undefined, index: number, term: number): boolean {
  if (log === undefined || index > log.lastIndex()) return false;
  const found = log.term(index);
  return found === term || found === TERM_COMPACTED;
}

/** Would enough voters of each half grant it their vote, going by their logs alone? */
function couldBeElected(id: MemberId, halves: readonly (readonly MemberId[])[], logOf: LogOf): boolean {
  const own = logOf(id);
  return halves.every((half) => {
    const granting = half.filter((other) => isUpToDate(own, logOf(other)));
    return half.length === 0 || isMajority(granting.length, half.length);
  });
}

/** Is `candidate` at least as up to date as `voter`? */
function isUpToDate(candidate: DurableLog | undefined, voter: DurableLog | undefined): boolean {
  const [candidateTerm, voterTerm] = [lastTermOf(candidate), lastTermOf(voter)];
  if (candidateTerm !== voterTerm) return candidateTerm > voterTerm;
  return (candidate?.lastIndex() ?? 0) >= (voter?.lastIndex() ?? 0);
}

function lastTermOf(log: DurableLog | undefined): number {
  return log === undefined ? 0 : log.term(log.lastIndex());
}
