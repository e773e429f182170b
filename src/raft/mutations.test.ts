// Planted bugs that random trouble rarely turns into damage, each shown to do what its name says, and not to do it when it is
// not planted.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Random, utf8 } from "#base";
import { ConfState, Entry, EntryType, MessageType, RaftMessage } from "#proto";
import { MemoryLogStorage, RawNode, Role, raftBugs } from "./index.js";

const EARLIEST: Random = { uint32: () => 0, float: () => 0, below: () => 0 };

function follower(): { node: RawNode; storage: MemoryLogStorage } {
  const storage = new MemoryLogStorage();
  storage.setConfState(new ConfState([1n, 2n, 3n]));
  return { node: new RawNode({ id: 1n, storage, random: EARLIEST, electionTicks: 3 }), storage };
}

function persist(node: RawNode, storage: MemoryLogStorage): void {
  while (node.hasReady()) {
    storage.append(node.ready().entries);
    node.advance();
  }
}

function append(term: number): RaftMessage {
  const m = new RaftMessage(MessageType.App);
  m.from = term === 2 ? 2n : 3n;
  m.term = term;
  m.entries = [new Entry(term, 1, EntryType.Normal, utf8("x"))];
  return m;
}

beforeEach(() => {
  Reflect.set(globalThis, "ETCD_TS_SIMULATION", true);
});

afterEach(() => {
  raftBugs.clear();
  Reflect.deleteProperty(globalThis, "ETCD_TS_SIMULATION");
});

describe("staleTermAccepted", () => {
  function termAfterStaleAppend(): number {
    const { node, storage } = follower();
    node.step(append(3));
    persist(node, storage);
    node.step(append(2));
    persist(node, storage);
    return storage.term(1);
  }

  test("lets an old leader replace what a newer one wrote", () => {
    expect(termAfterStaleAppend()).toBe(3);
    raftBugs.plant("staleTermAccepted");
    expect(termAfterStaleAppend()).toBe(2);
  });
});

describe("preVoteResetsTimer", () => {
  /** A member with a hopeless log asks again and again; does the one that could win ever stand for election? */
  function standsForElection(): boolean {
    const { node } = follower();
    const question = new RaftMessage(MessageType.PreVote);
    question.from = 2n;
    question.term = 1;
    for (let tick = 0; tick < 20; tick++) {
      node.tick();
      node.step(question);
      if (node.basicStatus().role !== Role.Follower) return true;
    }
    return false;
  }

  test("keeps a member from ever standing for election", () => {
    expect(standsForElection()).toBe(true);
    raftBugs.plant("preVoteResetsTimer");
    expect(standsForElection()).toBe(false);
  });
});
