// Which commits are safe, by the logs of all machines.

import { describe, expect, test } from "vitest";
import { ConfState, type MemberId } from "#proto";
import { Configuration, TERM_COMPACTED, TERM_UNAVAILABLE } from "#raft";
import { type DurableLog, problemOfCommit } from "./commit.js";

/** A log from index 1 on, by its terms; entries before `first` are compacted. */
function logOf(terms: readonly number[], first = 1): DurableLog {
  return {
    lastIndex: () => terms.length,
    term: (index) => (index < first ? TERM_COMPACTED : (terms[index - 1] ?? TERM_UNAVAILABLE)),
  };
}

function problem(index: number, term: number, state: ConfState, logs: Record<string, DurableLog>) {
  const find = (id: MemberId): DurableLog | undefined => logs[String(id)];
  return problemOfCommit(index, term, Configuration.fromConfState(state), find);
}

const THREE = new ConfState([1n, 2n, 3n]);

describe("a commit", () => {
  test("needs a majority", () => {
    const logs = { 1: logOf([1, 1]), 2: logOf([1]) };
    expect(problem(2, 1, THREE, logs)).toBe("it is on 1 of 3 voters");
    expect(problem(2, 1, THREE, { ...logs, 3: logOf([1, 1]) })).toBeUndefined();
    expect(problem(1, 1, THREE, { ...logs, 2: logOf([1, 1, 1], 3) })).toBeUndefined();
  });

  test("does not count learners, nor another entry at the same place", () => {
    const state = new ConfState([1n, 2n, 3n], [4n]);
    const logs = { 1: logOf([1, 2]), 2: logOf([1]), 3: logOf([1, 1]), 4: logOf([1, 2]) };
    expect(problem(2, 2, state, logs)).toBe("it is on 1 of 3 voters");
  });

  test("needs both halves of a joint configuration", () => {
    const state = new ConfState([1n, 2n], [], [1n, 2n, 3n]);
    const logs = { 1: logOf([1, 1]), 2: logOf([1]), 3: logOf([1, 1]) };
    expect(problem(2, 1, state, logs)).toBe("it is on 1 of 2 voters");
  });

  test("is unsafe while somebody without it could be elected (Figure 8)", () => {
    const logs = { 1: logOf([1, 2]), 2: logOf([1, 2]), 3: logOf([1, 3]) };
    expect(problem(2, 2, THREE, logs)).toBe("3 lacks it and could be elected");
    const later = { 1: logOf([1, 2, 4]), 2: logOf([1, 2, 4]), 3: logOf([1, 3]) };
    expect(problem(3, 4, THREE, later)).toBeUndefined();
  });
});
