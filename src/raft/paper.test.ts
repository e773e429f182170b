// One test per claim of the Raft paper ("In Search of an Understandable Consensus Algorithm", extended version), in its order
// and named for it. A member is driven alone, its peers being messages. Scenarios of several members are in testdata/.

import { describe, expect, test } from "vitest";
import { type Random, SeededRandom, utf8 } from "#base";
import {
  ConfState,
  Entry,
  EntryType,
  HardState,
  type MemberId,
  MessageType,
  RaftMessage,
  Snapshot,
} from "#proto";
import { MemoryLogStorage, type RaftConfig, RawNode, type Ready, Role } from "./index.js";

const ELECTION_TICKS = 10;

/** Member 1 of a cluster, with everything it has sent. */
class Lone {
  readonly storage = new MemoryLogStorage();
  readonly node: RawNode;
  sent: RaftMessage[] = [];
  applied: Entry[] = [];
  readies: Ready[] = [];

  constructor(
    size = 3,
    setup: { terms?: number[]; term?: number; commit?: number; config?: Partial<RaftConfig> } = {},
  ) {
    const terms = setup.terms ?? [];
    this.storage.setConfState(new ConfState(Array.from({ length: size }, (_, i) => BigInt(i + 1))));
    this.storage.append(terms.map((term, i) => new Entry(term, i + 1)));
    this.storage.setHardState(new HardState(setup.term ?? terms.at(-1) ?? 0, 0n, setup.commit ?? 0));
    this.node = new RawNode({
      id: 1n,
      storage: this.storage,
      random: new SeededRandom(1),
      electionTicks: ELECTION_TICKS,
      preVote: false,
      checkQuorum: false,
      ...setup.config,
    });
  }

  /** Persists and sends all there is; returns what has been sent since the last call. */
  flush(): RaftMessage[] {
    while (this.node.hasReady()) {
      const ready = this.node.ready();
      this.readies.push(ready);
      this.sent.push(...ready.messages);
      if (ready.snapshot !== undefined) this.storage.applySnapshot(ready.snapshot);
      this.storage.append(ready.entries);
      if (ready.hardState !== undefined) this.storage.setHardState(ready.hardState);
      this.sent.push(...ready.messagesAfterPersist);
      this.applied.push(...ready.committedEntries);
      this.node.advance();
    }
    return this.sent.splice(0);
  }

  get(from: MemberId, type: MessageType, fields: Partial<RaftMessage>): RaftMessage[] {
    const m = new RaftMessage(type);
    Object.assign(m, { to: 1n, from, ...fields });
    this.node.step(m);
    return this.flush();
  }

  tick(times: number): RaftMessage[] {
    for (let i = 0; i < times; i++) this.node.tick();
    return this.flush();
  }

  get status() {
    return this.node.status();
  }

  lead(size = 3): this {
    this.node.campaign();
    this.flush();
    const { term } = this.status;
    for (let id = 2; id <= Math.floor(size / 2) + 1; id++)
      this.get(BigInt(id), MessageType.VoteResp, { term });
    return this;
  }

  logTerms(): number[] {
    const terms: number[] = [];
    for (let i = this.storage.firstIndex(); i <= this.storage.lastIndex(); i++)
      terms.push(this.storage.term(i));
    return terms;
  }
}

function entry(term: number, index: number, data = "x"): Entry {
  return new Entry(term, index, EntryType.Normal, utf8(data));
}

describe("§5.1 Raft basics", () => {
  test.each([
    ["follower", (lone: Lone) => lone, Role.Follower],
    ["candidate", (lone: Lone) => lone.tick(2 * ELECTION_TICKS), Role.Candidate],
    ["leader", (lone: Lone) => lone.lead(), Role.Leader],
  ])(
    "if one server's current term is smaller than the other's, it updates to the larger value: %s",
    (_, become, role) => {
      const lone = new Lone();
      become(lone);
      expect(lone.status.role).toBe(role);
      lone.get(2n, MessageType.App, { term: 7, entries: [] });
      expect(lone.status).toMatchObject({ term: 7, role: Role.Follower, leader: 2n });
    },
  );

  test("if a server receives a request with a stale term number, it rejects the request", () => {
    const lone = new Lone(3, { terms: [1, 4], term: 4 });
    const answers = lone.get(2n, MessageType.App, { term: 3, index: 1, logTerm: 1, entries: [entry(3, 2)] });
    expect(lone.logTerms()).toEqual([1, 4]);
    // The answer tells the newer term, and acknowledges nothing.
    expect(answers).toMatchObject([{ type: MessageType.AppResp, term: 4, index: 0 }]);
  });

  test("votes and terms are on stable storage before the server responds", () => {
    const lone = new Lone();
    const request = new RaftMessage(MessageType.Vote);
    Object.assign(request, { to: 1n, from: 2n, term: 5 });
    lone.node.step(request);
    const ready = lone.node.ready();
    expect(ready.hardState).toMatchObject({ term: 5, vote: 2n });
    expect(ready.mustSync).toBe(true);
    expect(ready.messages).toEqual([]);
    expect(ready.messagesAfterPersist).toMatchObject([{ type: MessageType.VoteResp, to: 2n, reject: false }]);
  });
});

describe("§5.2 Leader election", () => {
  test("when servers start up, they begin as followers", () => {
    expect(new Lone().status.role).toBe(Role.Follower);
  });

  test("leaders send periodic heartbeats to all followers", () => {
    const lone = new Lone(3, { config: { heartbeatTicks: 3 } }).lead();
    for (let i = 0; i < 3; i++) {
      expect(lone.tick(2)).toEqual([]);
      expect(lone.tick(1)).toMatchObject([
        { type: MessageType.Heartbeat, to: 2n },
        { type: MessageType.Heartbeat, to: 3n },
      ]);
    }
  });

  test("a follower that receives no communication over the election timeout begins an election", () => {
    const lone = new Lone();
    const requests = lone.tick(2 * ELECTION_TICKS);
    expect(lone.status).toMatchObject({ role: Role.Candidate, term: 1, vote: 1n });
    expect(requests).toMatchObject([
      { type: MessageType.Vote, to: 2n, term: 1 },
      { type: MessageType.Vote, to: 3n, term: 1 },
    ]);
  });

  test("a server remains a follower as long as it receives valid messages from a leader or candidate", () => {
    const lone = new Lone();
    for (let i = 0; i < 10; i++) {
      lone.tick(ELECTION_TICKS - 1);
      lone.get(2n, MessageType.Heartbeat, { term: 1 });
    }
    expect(lone.status).toMatchObject({ role: Role.Follower, term: 1 });
  });

  test.each([
    [1, 0, Role.Leader],
    [3, 1, Role.Leader],
    [3, 0, Role.Candidate],
    [5, 4, Role.Leader],
    [5, 2, Role.Leader],
    [5, 1, Role.Candidate],
    [4, 1, Role.Candidate],
    [4, 2, Role.Leader],
  ])(
    "a candidate wins if it receives votes from a majority: of %i servers %i others",
    (size, votes, role) => {
      const lone = new Lone(size);
      lone.node.campaign();
      lone.flush();
      for (let i = 0; i < votes; i++) lone.get(BigInt(i + 2), MessageType.VoteResp, { term: 1 });
      expect(lone.status.role).toBe(role);
    },
  );

  test("a vote counts once, and the first answer of a server is the one that counts", () => {
    const lone = new Lone(5);
    lone.node.campaign();
    lone.flush();
    lone.get(2n, MessageType.VoteResp, { term: 1 });
    lone.get(2n, MessageType.VoteResp, { term: 1 });
    lone.get(3n, MessageType.VoteResp, { term: 1, reject: true });
    lone.get(3n, MessageType.VoteResp, { term: 1 });
    expect(lone.status.role).toBe(Role.Candidate);
  });

  test.each([
    [0n, 2n, true],
    [2n, 2n, true],
    [3n, 2n, false],
  ])(
    "each server votes for at most one candidate in a term: voted %i, asked by %i",
    (voted, candidate, granted) => {
      const lone = new Lone();
      if (voted !== 0n) lone.get(voted, MessageType.Vote, { term: 1 });
      const answers = lone.get(candidate, MessageType.Vote, { term: 1 });
      expect(answers).toMatchObject([{ type: MessageType.VoteResp, to: candidate, reject: !granted }]);
    },
  );

  test.each([1, 2])(
    "a candidate that hears of a leader with a term at least as large returns to follower: %i",
    (term) => {
      const lone = new Lone();
      lone.node.campaign();
      lone.flush();
      lone.get(2n, MessageType.App, { term });
      expect(lone.status).toMatchObject({ role: Role.Follower, term, leader: 2n });
    },
  );

  test("if the term in the RPC is smaller, the candidate continues in candidate state", () => {
    const lone = new Lone(3, { term: 4 });
    lone.node.campaign();
    lone.flush();
    lone.get(2n, MessageType.App, { term: 4 });
    expect(lone.status).toMatchObject({ role: Role.Candidate, term: 5 });
  });

  test("each candidate times out and starts a new election by incrementing its term", () => {
    const lone = new Lone();
    lone.node.campaign();
    lone.flush();
    lone.tick(2 * ELECTION_TICKS);
    expect(lone.status).toMatchObject({ role: Role.Candidate, term: 2 });
  });

  test("election timeouts are chosen randomly from a fixed interval, for each election", () => {
    const random: Random = new SeededRandom(7);
    const seen = new Set<number>();
    for (let i = 0; i < 300; i++) {
      const lone = new Lone(3, { config: { random } });
      let ticks = 0;
      while (lone.status.role === Role.Follower) {
        lone.node.tick();
        ticks++;
      }
      seen.add(ticks);
    }
    const all = Array.from({ length: ELECTION_TICKS }, (_, i) => ELECTION_TICKS + i);
    expect([...seen].sort((a, b) => a - b)).toEqual(all);
  });
});

describe("§5.3 Log replication", () => {
  test("the leader appends the command and issues AppendEntries in parallel to each of the other servers", () => {
    const lone = new Lone().lead();
    for (const from of [2n, 3n]) lone.get(from, MessageType.AppResp, { term: 1, index: 1 });
    lone.node.propose([utf8("a")]);
    const ready = lone.node.ready();
    expect(ready.entries).toMatchObject([{ term: 1, index: 2 }]);
    // Before its own write is done, and with the entry before it, for the consistency check.
    expect(ready.messages).toMatchObject([
      { type: MessageType.App, to: 2n, index: 1, logTerm: 1, entries: [{ index: 2 }] },
      { type: MessageType.App, to: 3n, index: 1, logTerm: 1, entries: [{ index: 2 }] },
    ]);
  });

  test.each([
    [1, [], true],
    [3, [], false],
    [3, [2], true],
    [5, [2], false],
    [5, [2, 4], true],
    [4, [2], false],
    [4, [2, 3], true],
  ])(
    "an entry is committed once the leader has replicated it on a majority: of %i servers to %j",
    (size, acks, committed) => {
      const lone = new Lone(size).lead(size);
      lone.node.propose([utf8("a")]);
      lone.flush();
      for (const from of acks) lone.get(BigInt(from), MessageType.AppResp, { term: 1, index: 2 });
      expect(lone.status.commit >= 2).toBe(committed);
    },
  );

  test("this also commits all preceding entries, including those created by previous leaders", () => {
    const lone = new Lone(3, { terms: [1, 1, 2] }).lead();
    lone.get(2n, MessageType.AppResp, { term: 3, index: 4 });
    expect(lone.applied.map((e) => [e.term, e.index])).toEqual([
      [1, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
  });

  test("the leader includes the highest committed index in future AppendEntries, and followers then apply", () => {
    const leader = new Lone().lead();
    const appends = leader.get(2n, MessageType.AppResp, { term: 1, index: 1 });
    expect(appends.filter((m) => m.type === MessageType.App)).toMatchObject([{ to: 2n, commit: 1 }]);

    const follower = new Lone();
    follower.get(2n, MessageType.App, { term: 1, entries: [entry(1, 1), entry(1, 2)], commit: 0 });
    expect(follower.applied).toEqual([]);
    follower.get(2n, MessageType.App, { term: 1, index: 2, logTerm: 1, commit: 1 });
    expect(follower.applied.map((e) => e.index)).toEqual([1]);
  });

  test.each([
    // What the follower has of the leader's commit index is limited by what this request is known to have made equal.
    [1, 0, 0],
    [1, 1, 1],
    [1, 9, 1],
    [2, 9, 2],
  ])(
    "commitIndex = min(leaderCommit, index of last new entry): %i new, leader at %i",
    (count, leaderCommit, commit) => {
      const lone = new Lone(3, { terms: [1, 1, 1, 1], term: 1 });
      const entries = Array.from({ length: count }, (_, i) => entry(1, i + 1));
      lone.get(2n, MessageType.App, { term: 1, entries, commit: leaderCommit });
      expect(lone.status.commit).toBe(commit);
    },
  );

  test.each([
    [0, 0, true],
    [1, 1, true],
    [2, 2, true],
    [2, 1, false],
    [3, 2, false],
  ])(
    "a follower refuses entries unless it has the one before them: index %i, term %i",
    (index, logTerm, accepted) => {
      const lone = new Lone(3, { terms: [1, 2], term: 2 });
      const [answer] = lone.get(2n, MessageType.App, { term: 2, index, logTerm });
      expect(answer).toMatchObject({ type: MessageType.AppResp, reject: !accepted });
    },
  );

  test.each([
    [[1, 1], 1, 1, [2], [1, 2]],
    [[1, 1, 1], 1, 1, [2], [1, 2]],
    [[1, 1, 1], 1, 1, [1], [1, 1, 1]],
    [[1], 1, 1, [1, 2], [1, 1, 2]],
    [[1, 1, 2, 2], 2, 1, [3], [1, 1, 3]],
  ])(
    "conflicting entries are deleted with all that follow, others are kept: %j",
    (terms, index, logTerm, newTerms, after) => {
      const lone = new Lone(3, { terms, term: 3 });
      const entries = newTerms.map((term, i) => entry(term, index + 1 + i));
      lone.get(2n, MessageType.App, { term: 3, index, logTerm, entries });
      expect(lone.logTerms()).toEqual(after);
    },
  );

  test("the leader handles inconsistencies by forcing the followers' logs to duplicate its own", () => {
    const lone = new Lone(3, { terms: [1, 1, 4, 4] }).lead();
    // The follower has terms 1, 2, 2: it agrees up to 1.
    const probe = { term: 5, index: 4, reject: true, rejectHint: 3, logTerm: 2 };
    const [append] = lone.get(2n, MessageType.AppResp, probe);
    expect(append).toMatchObject({
      index: 2,
      logTerm: 1,
      entries: [{ index: 3 }, { index: 4 }, { index: 5 }],
    });
    const [again] = lone.get(2n, MessageType.AppResp, {
      term: 5,
      index: 2,
      reject: true,
      rejectHint: 1,
      logTerm: 1,
    });
    expect(again).toMatchObject({ index: 1, logTerm: 1, entries: [{ index: 2 }, {}, {}, {}] });
  });

  test("a leader never overwrites or deletes entries in its own log", () => {
    const lone = new Lone(3, { terms: [1, 1] }).lead();
    lone.get(2n, MessageType.AppResp, { term: 2, index: 2, reject: true, rejectHint: 0 });
    lone.get(3n, MessageType.AppResp, { term: 2, index: 3 });
    expect(lone.logTerms()).toEqual([1, 1, 2]);
  });
});

describe("§5.4 Safety", () => {
  test.each([
    [[1], 1, 1, true],
    [[1], 2, 1, true],
    [[1, 1], 1, 1, false],
    [[1], 1, 2, true],
    [[2], 2, 1, false],
    [[1, 1, 1], 1, 2, true],
    [[], 0, 0, true],
  ])(
    "§5.4.1 a voter denies its vote if its own log is more up-to-date: log %j, candidate ends at %i in term %i",
    (terms, index, logTerm, granted) => {
      const lone = new Lone(3, { terms, term: 2 });
      const [answer] = lone.get(2n, MessageType.Vote, { term: 3, index, logTerm });
      expect(answer).toMatchObject({ type: MessageType.VoteResp, reject: !granted });
    },
  );

  test("§5.4.1 a candidate's request says how its log ends", () => {
    const lone = new Lone(3, { terms: [1, 1, 2] });
    lone.node.campaign();
    expect(lone.flush()).toMatchObject([
      { index: 3, logTerm: 2 },
      { index: 3, logTerm: 2 },
    ]);
  });

  test.each([
    [1, 0],
    [2, 0],
    [3, 3],
  ])(
    "§5.4.2 only entries from the leader's current term are committed by counting replicas: up to %i",
    (index, commit) => {
      const lone = new Lone(3, { terms: [1, 2] }).lead();
      lone.get(2n, MessageType.AppResp, { term: 3, index });
      expect(lone.status.commit).toBe(commit);
    },
  );
});

describe("§5.5 Follower and candidate crashes", () => {
  test("Raft RPCs are idempotent: entries that are there already are ignored", () => {
    const lone = new Lone();
    const request = { term: 1, entries: [entry(1, 1), entry(1, 2)], commit: 1 };
    const first = lone.get(2n, MessageType.App, request);
    const second = lone.get(2n, MessageType.App, { ...request, index: 0 });
    expect(first).toMatchObject([{ index: 2, reject: false }]);
    // What is known to be committed is acknowledged without another look.
    expect(second).toMatchObject([{ index: 1, reject: false }]);
    expect(lone.logTerms()).toEqual([1, 1]);
  });
});

describe("§6 Cluster membership changes", () => {
  test("servers disregard RequestVote when they believe a current leader exists", () => {
    const lone = new Lone(3, { config: { checkQuorum: true } });
    lone.get(2n, MessageType.Heartbeat, { term: 1 });
    expect(lone.get(3n, MessageType.Vote, { term: 9 })).toEqual([]);
    expect(lone.status.term).toBe(1);
    for (let i = 0; i < ELECTION_TICKS; i++) lone.node.tick();
    lone.flush();
    lone.get(3n, MessageType.Vote, { term: 9 });
    expect(lone.status.term).toBe(9);
  });
});

describe("§7 Log compaction", () => {
  test("the leader sends a snapshot to followers that need entries it has discarded", () => {
    const lone = new Lone().lead();
    lone.node.propose([utf8("a"), utf8("b")]);
    lone.get(2n, MessageType.AppResp, { term: 1, index: 3 });
    lone.storage.createSnapshot(3, lone.node.confState(), utf8("state"));
    lone.storage.compact(3);
    lone.get(3n, MessageType.HeartbeatResp, { term: 1 });
    const sent = lone.get(3n, MessageType.AppResp, { term: 1, index: 0, reject: true, rejectHint: 0 });
    const snapshots = [...sent, ...lone.tick(1)].filter((m) => m.type === MessageType.Snap);
    expect(lone.status.members[2]).toMatchObject({ stateName: "snapshot", pendingSnapshot: 3 });
    expect(snapshots.every((m) => m.snapshot?.index === 3)).toBe(true);
  });

  test("a snapshot that describes a prefix of the log leaves the entries after it in place", () => {
    const lone = new Lone(3, { terms: [1, 1, 1], term: 1 });
    const snapshot = new Snapshot(2, 1, new ConfState([1n, 2n, 3n]));
    lone.get(2n, MessageType.Snap, { term: 1, snapshot });
    expect(lone.logTerms()).toEqual([1, 1, 1]);
    expect(lone.status.commit).toBe(2);
  });

  test("otherwise the follower discards its entire log", () => {
    const lone = new Lone(3, { terms: [1, 1, 1], term: 1 });
    const snapshot = new Snapshot(5, 2, new ConfState([1n, 2n, 3n]));
    lone.get(2n, MessageType.Snap, { term: 2, snapshot });
    expect([lone.storage.firstIndex(), lone.storage.lastIndex()]).toEqual([6, 5]);
  });
});

describe("§8 Client interaction", () => {
  test("each leader commits a no-op entry into the log at the start of its term", () => {
    const lone = new Lone(3, { terms: [1] }).lead();
    expect(lone.logTerms()).toEqual([1, 2]);
    lone.get(2n, MessageType.AppResp, { term: 2, index: 2 });
    expect(lone.applied.at(-1)).toMatchObject({ term: 2, index: 2, data: new Uint8Array(0) });
  });

  test("a leader exchanges heartbeats with a majority before responding to read-only requests", () => {
    const lone = new Lone().lead();
    lone.get(2n, MessageType.AppResp, { term: 1, index: 1 });
    lone.readies = [];
    lone.node.readIndex(utf8("r"));
    const [heartbeat] = lone.flush();
    expect(heartbeat.type).toBe(MessageType.Heartbeat);
    expect(lone.readies.flatMap((ready) => ready.readStates)).toEqual([]);
    lone.get(2n, MessageType.HeartbeatResp, { term: 1, context: heartbeat.context });
    expect(lone.readies.flatMap((ready) => ready.readStates)).toMatchObject([{ index: 1 }]);
  });
});
