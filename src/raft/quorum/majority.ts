// Decisions by majority of one set of voters. Pure functions of who the voters are and what each has said; nothing here
// knows terms or logs. An empty set never limits a decision: that is how the unused half of a joint configuration and the
// very first configuration of a cluster behave.
//
// Source: Raft paper §5.2 (votes), §5.3 and Figure 2 (commit index).

import type { MemberId } from "#proto";

/** The highest index that each member is known to have on disk. */
export interface AckedIndexes {
  /** An index, not a count; 0 for a member that has said nothing. */
  ackedIndex(id: MemberId): number;
}

export const VoteResult = { Pending: 0, Lost: 1, Won: 2 } as const;
export type VoteResult = (typeof VoteResult)[keyof typeof VoteResult];

export const VOTE_RESULT_NAMES: readonly string[] = ["pending", "lost", "won"];

/** What an empty half of a joint configuration "has committed": more than any real index. */
export const UNLIMITED_INDEX = Number.MAX_SAFE_INTEGER;

/** An immutable set of voters, in ascending order of id. */
export class Majority {
  static readonly EMPTY = new Majority([]);

  readonly ids: readonly MemberId[];

  private constructor(sorted: readonly MemberId[]) {
    this.ids = sorted;
  }

  /** The set of these ids; order and repetition do not matter. */
  static of(ids: Iterable<MemberId>): Majority {
    return new Majority(sortedIds(ids));
  }

  get size(): number {
    return this.ids.length;
  }

  has(id: MemberId): boolean {
    return this.ids.includes(id);
  }

  /** The highest index on disk at a majority; UNLIMITED_INDEX when there are no voters. */
  committedIndex(acked: AckedIndexes): number {
    const count = this.ids.length;
    if (count === 0) return UNLIMITED_INDEX;
    if (count === 1) return acked.ackedIndex(this.ids[0]);
    const indexes: number[] = [];
    for (const id of this.ids) insertAscending(indexes, acked.ackedIndex(id));
    // The smallest member of the best majority: floor(count / 2) + 1 voters are at or past it.
    return indexes[count - (Math.floor(count / 2) + 1)];
  }

  /** The outcome of an election in which those in `votes` have answered so far (true: granted). */
  voteResult(votes: ReadonlyMap<MemberId, boolean>): VoteResult {
    let granted = 0;
    let missing = 0;
    for (const id of this.ids) {
      const vote = votes.get(id);
      if (vote === undefined) missing++;
      else if (vote) granted++;
    }
    const needed = this.ids.length === 0 ? 0 : Math.floor(this.ids.length / 2) + 1;
    if (granted >= needed) return VoteResult.Won;
    return granted + missing >= needed ? VoteResult.Pending : VoteResult.Lost;
  }

  describe(): string {
    return describeIds(this.ids);
  }
}

/** Ascending order without repetition: every iteration over members goes this way, so that runs can be replayed. */
export function sortedIds(ids: Iterable<MemberId>): readonly MemberId[] {
  return [...new Set(ids)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Ids as etcd prints them: hexadecimal, in parentheses. */
export function describeIds(ids: readonly MemberId[]): string {
  return `(${ids.map((id) => id.toString(16)).join(" ")})`;
}

function insertAscending(sorted: number[], value: number): void {
  let at = sorted.length;
  sorted.push(value);
  while (at > 0 && sorted[at - 1] > value) {
    sorted[at] = sorted[at - 1];
    at--;
  }
  sorted[at] = value;
}
