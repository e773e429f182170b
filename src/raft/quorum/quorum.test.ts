// Quorum decisions against brute force: the commit index by trying every index, the election by trying every way in which
// the missing votes may still come in.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MemberId } from "#proto";
import { JointQuorum } from "./joint.js";
import { Majority, UNLIMITED_INDEX, VoteResult } from "./majority.js";

const ids = fc.uniqueArray(
  fc.integer({ min: 1, max: 9 }).map((n) => BigInt(n)),
  { maxLength: 7 },
);
const acks = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 10, maxLength: 10 });
const votes = fc.array(fc.constantFrom(undefined, true, false), { minLength: 10, maxLength: 10 });

function ackedBy(indexes: readonly number[]) {
  return { ackedIndex: (id: MemberId) => indexes[Number(id)] };
}

function votesOf(answers: readonly (boolean | undefined)[]): Map<MemberId, boolean> {
  const map = new Map<MemberId, boolean>();
  answers.forEach((answer, id) => {
    if (answer !== undefined) map.set(BigInt(id), answer);
  });
  return map;
}

function holdsMajority(voters: readonly MemberId[], agrees: (id: MemberId) => boolean): boolean {
  return voters.filter(agrees).length * 2 > voters.length || voters.length === 0;
}

function committedByTrying(halves: readonly (readonly MemberId[])[], indexes: readonly number[]): number {
  if (halves.every((half) => half.length === 0)) return UNLIMITED_INDEX;
  for (let index = Math.max(...indexes); index > 0; index--) {
    if (halves.every((half) => holdsMajority(half, (id) => indexes[Number(id)] >= index))) return index;
  }
  return 0;
}

function voteByTrying(halves: readonly (readonly MemberId[])[], given: Map<MemberId, boolean>): VoteResult {
  const missing = [...new Set(halves.flat())].filter((id) => !given.has(id));
  const outcomes = new Set<boolean>();
  for (let mask = 0; mask < 2 ** missing.length; mask++) {
    const all = new Map(given);
    missing.forEach((id, bit) => {
      all.set(id, (mask & (1 << bit)) !== 0);
    });
    outcomes.add(halves.every((half) => holdsMajority(half, (id) => all.get(id) === true)));
  }
  if (outcomes.size === 2) return VoteResult.Pending;
  return outcomes.has(true) ? VoteResult.Won : VoteResult.Lost;
}

describe("one majority", () => {
  test("commits the highest index that a majority has", () => {
    fc.assert(
      fc.property(ids, acks, (voters, indexes) => {
        const committed = Majority.of(voters).committedIndex(ackedBy(indexes));
        expect(committed).toBe(committedByTrying([voters], indexes));
      }),
    );
  });

  test("decides an election exactly when no missing vote can change it", () => {
    fc.assert(
      fc.property(ids, votes, (voters, answers) => {
        const given = votesOf(answers);
        expect(Majority.of(voters).voteResult(given)).toBe(voteByTrying([voters], given));
      }),
    );
  });

  test("is a set", () => {
    expect(Majority.of([3n, 1n, 3n]).describe()).toBe("(1 3)");
    expect(Majority.of([]).describe()).toBe("()");
    expect(Majority.of([255n]).describe()).toBe("(ff)");
  });
});

describe("a joint quorum", () => {
  test("commits what both halves have", () => {
    fc.assert(
      fc.property(ids, ids, acks, (incoming, outgoing, indexes) => {
        const joint = new JointQuorum(Majority.of(incoming), Majority.of(outgoing));
        expect(joint.committedIndex(ackedBy(indexes))).toBe(committedByTrying([incoming, outgoing], indexes));
      }),
    );
  });

  test("elects whom both halves elect", () => {
    fc.assert(
      fc.property(ids, ids, votes, (incoming, outgoing, answers) => {
        const joint = new JointQuorum(Majority.of(incoming), Majority.of(outgoing));
        const given = votesOf(answers);
        const result = joint.voteResult(given);
        // A lost half settles it, but two halves may also exclude each other without either being lost by itself.
        const exact = voteByTrying([incoming, outgoing], given);
        if (result !== VoteResult.Pending) expect(result).toBe(exact);
        else expect(exact).not.toBe(VoteResult.Won);
      }),
    );
  });

  test("is the same as one half when the other is empty", () => {
    fc.assert(
      fc.property(ids, acks, votes, (voters, indexes, answers) => {
        const alone = Majority.of(voters);
        const joint = new JointQuorum(alone);
        expect(joint.committedIndex(ackedBy(indexes))).toBe(alone.committedIndex(ackedBy(indexes)));
        expect(joint.voteResult(votesOf(answers))).toBe(alone.voteResult(votesOf(answers)));
        expect(joint.ids()).toEqual(alone.ids);
      }),
    );
  });
});
