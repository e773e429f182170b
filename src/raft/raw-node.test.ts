// RawNode as a driver sees it: what a Ready contains, in which round, and what may not happen before `advance`.

import { describe, expect, test } from "vitest";
import { SeededRandom, utf8, utf8Text } from "#base";
import { ConfState, type Entry, EntryType, type HardState, type MemberId, type RaftMessage } from "#proto";
import { MemoryLogStorage, type RaftConfig, RawNode, type Ready, Role, StepResult } from "./index.js";

function newNode(id: MemberId, voters: readonly MemberId[], options: Partial<RaftConfig> = {}) {
  const storage = new MemoryLogStorage();
  storage.setConfState(new ConfState(voters));
  const node = new RawNode({ id, storage, random: new SeededRandom(Number(id)), ...options });
  return { node, storage };
}

/** One round, by the book. */
function round(node: RawNode, storage: MemoryLogStorage): Ready {
  const ready = node.ready();
  if (ready.snapshot !== undefined) storage.applySnapshot(ready.snapshot);
  storage.append(ready.entries);
  if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
  node.advance();
  return ready;
}

function texts(entries: readonly Entry[]): string[] {
  return entries.map((entry) => utf8Text(entry.data));
}

function elected() {
  const { node, storage } = newNode(1n, [1n]);
  node.campaign();
  while (node.hasReady()) round(node, storage);
  return { node, storage };
}

describe("a single member", () => {
  test("elects itself and commits an empty entry", () => {
    const { node } = elected();
    const status = node.status();
    expect([status.role, status.term, status.commit, status.applied]).toEqual([Role.Leader, 1, 1, 1]);
  });

  test("takes a batch in two rounds: persist, then apply", () => {
    const { node, storage } = elected();
    expect(node.propose([utf8("a"), utf8("b"), utf8("c")])).toBe(StepResult.Ok);

    const first = round(node, storage);
    expect(texts(first.entries)).toEqual(["a", "b", "c"]);
    expect(first.committedEntries).toEqual([]);
    expect(first.mustSync).toBe(true);

    const second = round(node, storage);
    expect(second.entries).toEqual([]);
    expect(texts(second.committedEntries)).toEqual(["a", "b", "c"]);
    expect(second.hardState?.commit).toBe(4);
    expect(second.mustSync).toBe(false);
    expect(node.hasReady()).toBe(false);
  });

  test("does not commit what it has not been told to be on disk", () => {
    const { node, storage } = elected();
    node.propose([utf8("a")]);
    const ready = node.ready();
    expect(ready.committedEntries).toEqual([]);
    expect(node.status().commit).toBe(1);
    expect(node.hasReady()).toBe(false);
    storage.append(ready.entries);
    node.advance();
    expect(node.status().commit).toBe(2);
  });

  test("restarts where it was", () => {
    const { node, storage } = elected();
    node.propose([utf8("a")]);
    while (node.hasReady()) round(node, storage);
    const again = new RawNode({ id: 1n, storage, random: new SeededRandom(1), applied: 1 });
    expect(again.status()).toMatchObject({ term: 1, vote: 1n, commit: 2, applied: 1, role: Role.Follower });
    expect(texts(again.ready().committedEntries)).toEqual(["a"]);
  });

  test("begins a cluster with one entry per member", () => {
    const storage = new MemoryLogStorage();
    const node = new RawNode({ id: 2n, storage, random: new SeededRandom(1) });
    node.bootstrap([
      { id: 3n, context: utf8("c") },
      { id: 2n, context: utf8("b") },
    ]);
    const ready = round(node, storage);
    expect(ready.hardState).toMatchObject({ term: 1, vote: 0n, commit: 2 });
    expect(ready.entries.map((e) => [e.term, e.index, e.type])).toEqual([
      [1, 1, EntryType.ConfChange],
      [1, 2, EntryType.ConfChange],
    ]);
    expect(ready.committedEntries).toEqual(ready.entries);
    expect(node.confState().voters).toEqual([2n, 3n]);
    expect(node.hasReady()).toBe(false);
  });
});

describe("three members", () => {
  function cluster() {
    const members = new Map([1n, 2n, 3n].map((id) => [id, newNode(id, [1n, 2n, 3n])]));
    const applied = new Map<MemberId, string[]>([1n, 2n, 3n].map((id) => [id, []]));
    const saved: HardState[] = [];
    const settle = () => {
      for (;;) {
        const out: RaftMessage[] = [];
        for (const [id, { node, storage }] of members) {
          while (node.hasReady()) {
            const ready = round(node, storage);
            if (ready.hardState !== undefined) saved.push(ready.hardState);
            out.push(...ready.messages, ...ready.messagesAfterPersist);
            applied.get(id)?.push(...texts(ready.committedEntries).filter((text) => text !== ""));
          }
        }
        if (out.length === 0) return;
        for (const m of out) members.get(m.to)?.node.step(m);
      }
    };
    return { members, applied, settle, at: (id: MemberId) => members.get(id)!.node };
  }

  test("elect a leader, replicate and apply everywhere", () => {
    const { at, applied, settle } = cluster();
    at(1n).campaign();
    settle();
    expect(at(1n).isLeader).toBe(true);
    expect(at(2n).leader).toBe(1n);
    at(1n).propose([utf8("a"), utf8("b")]);
    settle();
    at(3n).propose([utf8("c")]);
    settle();
    for (const id of [1n, 2n, 3n]) expect(applied.get(id)).toEqual(["a", "b", "c"]);
  });

  test("serve a linearizable read from a follower", () => {
    const { at, members, settle } = cluster();
    at(1n).campaign();
    settle();
    at(2n).readIndex(utf8("r"));
    const reads: string[] = [];
    for (let i = 0; i < 4; i++) {
      for (const { node, storage } of members.values()) {
        while (node.hasReady()) {
          const ready = round(node, storage);
          for (const read of ready.readStates) reads.push(`${utf8Text(read.context)}@${read.index}`);
          for (const m of [...ready.messages, ...ready.messagesAfterPersist]) members.get(m.to)?.node.step(m);
        }
      }
    }
    expect(reads).toEqual(["r@1"]);
  });
});
