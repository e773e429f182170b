// Configuration changes by property: whatever sequence of changes is accepted, the configuration keeps its invariants, and no
// two successive configurations can decide apart from each other (every quorum of one meets every quorum of the next).

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  ConfChangeV2,
  ConfState,
  EntryType,
  type MemberId,
} from "#proto";
import { changeConfiguration, confChangeEntry, confChangeOf, leavesJoint } from "./confchange.js";
import { Configuration } from "./configuration.js";
import { VoteResult } from "./quorum/majority.js";

const step = fc
  .tuple(fc.constantFrom(0, 1, 2, 3), fc.integer({ min: 1, max: 6 }))
  .map(([type, id]) => new ConfChangeSingle(type as ConfChangeType, BigInt(id)));
const change = fc
  .tuple(fc.constantFrom(0, 0, 1, 2), fc.array(step, { maxLength: 3 }))
  .map(([transition, steps]) => new ConfChangeV2(transition as ConfChangeTransition, steps));

const start = Configuration.fromConfState(new ConfState([1n, 2n, 3n], [4n]));

/** All sets of members 1..6 that can elect a leader and commit. */
function quorums(configuration: Configuration): Set<MemberId>[] {
  const found: Set<MemberId>[] = [];
  for (let mask = 0; mask < 64; mask++) {
    const votes = new Map<MemberId, boolean>();
    for (let bit = 0; bit < 6; bit++) votes.set(BigInt(bit + 1), (mask & (1 << bit)) !== 0);
    if (configuration.voters.voteResult(votes) !== VoteResult.Won) continue;
    found.push(new Set([...votes].filter(([, yes]) => yes).map(([id]) => id)));
  }
  return found;
}

describe("accepted changes", () => {
  test("keep every invariant, and every quorum meets every quorum of the configuration before", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
        let now = start;
        for (const next of changes) {
          const result = changeConfiguration(now, next);
          if (!result.ok) continue;
          const before = quorums(now);
          now = result.configuration;
          expect(now.problem()).toBeUndefined();
          expect(now.voters.incoming.size).toBeGreaterThan(0);
          for (const a of quorums(now)) {
            for (const b of before) expect([...a].some((id) => b.has(id))).toBe(true);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test("do in one joint step what the single steps would do one by one", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 4 }), (steps) => {
        const joint = changeConfiguration(start, new ConfChangeV2(ConfChangeTransition.JointExplicit, steps));
        let single = start;
        for (const one of steps) {
          const result = changeConfiguration(single, new ConfChangeV2(ConfChangeTransition.Auto, [one]));
          // The last voter cannot be removed on the way, though it can if another one is added in the same change.
          if (!result.ok) return;
          single = result.configuration;
        }
        if (!joint.ok) throw new Error(joint.problem);
        expect(joint.configuration.voters.outgoing.ids).toEqual(start.voters.incoming.ids);
        const left = changeConfiguration(joint.configuration, new ConfChangeV2());
        if (!left.ok) throw new Error(left.problem);
        expect(left.configuration.describe()).toBe(single.describe());
      }),
    );
  });

  test("survive being saved and restored", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
        let now = start;
        for (const next of changes) {
          const result = changeConfiguration(now, next);
          if (result.ok) now = result.configuration;
        }
        expect(Configuration.fromConfState(now.toConfState())).toEqual(now);
      }),
    );
  });
});

describe("refused changes", () => {
  const joint = Configuration.fromConfState(new ConfState([1n, 2n], [], [1n, 2n, 3n]));
  const cases: [string, Configuration, ConfChangeV2, string][] = [
    ["the last voter", Configuration.fromConfState(new ConfState([1n])), v2("r1"), "removed all voters"],
    ["all voters jointly", start, v2("r1 r2 r3"), "removed all voters"],
    ["a simple change while joint", joint, v2("v4"), "can't apply simple config change in joint config"],
    ["joint while joint", joint, v2("v4 v5"), "config is already joint"],
    ["leaving what is not joint", start, v2(""), "can't leave a non-joint config"],
    ["joint without voters", Configuration.EMPTY, v2("v1 v2"), "can't make a zero-voter config joint"],
  ];
  test.each(cases)("%s", (_, from, change, problem) => {
    expect(changeConfiguration(from, change)).toEqual({ ok: false, problem });
  });

  test("more than one voter in a simple change cannot even be expressed", () => {
    // Several steps always go through a joint configuration, so the check behind it is never the first to notice.
    expect(changeConfiguration(start, v2("v5 v6"))).toMatchObject({
      ok: true,
      configuration: { isJoint: true },
    });
  });
});

describe("the entry", () => {
  test("of a V1 change is a V1 entry and reads as a change of one step", () => {
    const entry = confChangeEntry(new ConfChange(7n, ConfChangeType.AddLearnerNode, 9n));
    expect(entry.type).toBe(EntryType.ConfChange);
    expect(confChangeOf(entry)?.changes).toEqual([new ConfChangeSingle(ConfChangeType.AddLearnerNode, 9n)]);
  });

  test("that leaves a joint configuration has no bytes", () => {
    const entry = confChangeEntry(undefined);
    expect(entry.data.length).toBe(0);
    const change = confChangeOf(entry);
    expect(change !== undefined && leavesJoint(change)).toBe(true);
  });

  test("with other bytes is no change", () => {
    const entry = confChangeEntry(new ConfChange(7n, ConfChangeType.AddNode, 9n));
    entry.data = Uint8Array.of(0xff);
    expect(confChangeOf(entry)).toBeUndefined();
  });
});

function v2(text: string): ConfChangeV2 {
  const words = text.split(" ").filter(Boolean);
  const steps = words.map(
    (word) => new ConfChangeSingle("vrul".indexOf(word[0]) as ConfChangeType, BigInt(word.slice(1))),
  );
  return new ConfChangeV2(ConfChangeTransition.Auto, steps);
}
