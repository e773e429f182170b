// The checkers of what members are and hold: agreement, durability, raft, liveness, resources.

import { describe, expect, it } from "vitest";
import type { CommittedEntry, FinalState, History } from "../history.js";
import { agreement } from "./agreement.js";
import { checkHistory } from "./all.js";
import { durability } from "./durability.js";
import { liveness } from "./liveness.js";
import { raftHistory } from "./raft.js";
import { resources } from "./resources.js";
import { deleteOp, findings, putOp, rangeOp, Script, UNKNOWN } from "./testkit.js";

function goodHistory(): History {
  const script = new Script();
  script.put("a", "1");
  script.put("b", "1", { op: { prevKv: true } });
  script.put("a", "2", { op: { prevKv: true } });
  script.read(rangeOp("a", { rangeEnd: "\0" }));
  script.write(deleteOp("b", "", true));
  script.write({ type: "compact", revision: 3, physical: false });
  return script.finish();
}

function changed(change: (history: History) => void): History {
  const history = goodHistory();
  change(history);
  return history;
}

function final(at: number, more: Partial<FinalState>): History {
  return changed((history) => {
    history.finals[at] = { ...history.finals[at], ...more };
  });
}

function setEntry(history: History, index: number, more: Partial<CommittedEntry>): void {
  const entry = history.log.get(index);
  if (entry !== undefined) history.log.set(index, { ...entry, ...more });
}

describe("a good history", () => {
  it("passes all checkers", () => {
    expect(checkHistory(goodHistory())).toEqual([]);
  });

  it("of 1000 calls, 20 watchers and 3 members is checked in a tenth of a second", () => {
    const script = new Script();
    for (let i = 0; i < 500; i++) {
      script.put(`k${i % 20}`, `v${i}`);
      script.read(rangeOp("k", { rangeEnd: "l" }));
    }
    const { steps } = { steps: script.model.revision };
    for (let i = 0; i < 20; i++) script.stream().created(1, steps, script.now);
    const history = script.finish();
    for (const stream of history.watches) stream.responses.length = 0;
    const began = performance.now();
    expect(checkHistory(history)).toEqual([]);
    // Generous: the machine may be busy. Alone it takes about 20 ms.
    expect(performance.now() - began).toBeLessThan(500);
  });
});

describe("agreement", () => {
  const find = (history: History) => findings(agreement, history)[0];

  it("same entry, same outcome, on every member", () => {
    const other = (more: object) =>
      changed((history) => {
        history.applied[4] = { ...history.applied[4], ...more };
      });
    expect(find(other({ entryHash: 1 }))).toMatch(
      /member 1 \(life 1\) applied another entry 12 than member 0/,
    );
    expect(find(other({ term: 9 }))).toMatch(/applied another entry 12/);
    expect(find(other({ resultHash: 1 }))).toMatch(/entry 12 had another outcome on member 1/);
    expect(find(other({ index: 99 }))).toMatch(/applied entry 99, which nobody recorded/);
  });

  it("in order, each once in a life", () => {
    const again = (life: number) =>
      changed((history) => history.applied.push({ ...history.applied[0], life, time: 99_000 }));
    expect(find(again(1))).toMatch(/member 0 \(life 1\) applied entry 11 after/);
    expect(find(again(2))).toBeUndefined();
  });

  it("one HashKV for one revision and mark", () => {
    const hash = (hashRevision: number, compactRevision: number, value: number) =>
      changed((history) => {
        const result = { type: "hashKv", revision: 5, hash: value, hashRevision, compactRevision } as const;
        const call = { ...history.operations[0], op: { type: "hashKv", revision: 0 } as const };
        history.operations.push({ ...call, outcome: { kind: "ok", result } });
      });
    expect(find(hash(5, 3, 1))).toMatch(/HashKV at revision\/compaction 5\/3 is 1 and 4711/);
    expect(find(hash(5, 3, 4711))).toBeUndefined();
    expect(find(hash(4, 3, 1))).toBeUndefined();
  });

  it("members are alike at rest, in every respect", () => {
    const respects: Partial<FinalState>[] = [
      { appliedIndex: 3 },
      { revision: 4 },
      { compactRevision: 2 },
      { hash: 1 },
      { membership: "100 101" },
      { voters: [100n] },
      { learners: [103n] },
      { leases: [{ id: 1n, ttl: 2, keys: [] }] },
      { alarms: ["100:1"] },
      { kvs: [] },
    ];
    for (const more of respects) {
      const [field] = Object.keys(more);
      const messages = findings(agreement, final(2, more));
      expect(
        messages.some((message) => message.includes(`different ${field}`) || message.includes("HashKV")),
      ).toBe(true);
    }
  });

  it("and what the model makes of the log, even if they are all wrong", () => {
    const all = (more: Partial<FinalState>) =>
      changed((history) => {
        history.finals.splice(0, 3, ...history.finals.map((one) => ({ ...one, ...more })));
      });
    expect(find(all({ compactRevision: 2 }))).toMatch(/ended with compactRevision 2, the log makes 3/);
    expect(find(all({ leases: [{ id: 1n, ttl: 2, keys: [] }] }))).toMatch(/the log makes \[\]/);
    expect(find(all({ alarms: ["100:1"] }))).toMatch(/ended with alarms \["100:1"\]/);
    expect(find(all({ revision: 9 }))).toMatch(/ended with revision 9, the log makes 5/);
  });
});

describe("durability", () => {
  const find = (history: History) => findings(durability, history)[0];

  it("holds for values that reads and previous values showed", () => {
    const shown = (value: string) =>
      changed((history) => {
        const operation = history.operations[3];
        if (operation.outcome.kind !== "ok" || operation.outcome.result.type !== "range") return;
        const { result } = operation.outcome;
        const kvs = result.kvs.map((kv) => ({ ...kv, value }));
        operation.outcome = { kind: "ok", result: { ...result, kvs } };
      });
    expect(find(shown("lost"))).toMatch(/call 3 showed a=lost@4.*; the log has a=2@4/);
  });

  it("holds for events that watchers saw", () => {
    const seen = (type: "put" | "delete", modRevision: number) => {
      const script = new Script();
      script.put("a", "1");
      const kv = { key: "a", value: "1", createRevision: 2, modRevision, version: 1, lease: 0n };
      script.stream().events(1, 2000, [{ type, kv, prevKv: undefined }]);
      return script.finish();
    };
    expect(find(seen("put", 2))).toBeUndefined();
    expect(find(seen("put", 3))).toMatch(/watch stream 0 showed a=1@3/);
    expect(find(seen("delete", 2))).toMatch(/showed that a was deleted at 2: it was not/);
  });

  it("no entry that clients saw the effect of is replaced in a later life", () => {
    const replaced = changed((history) => {
      history.applied.push({ ...history.applied[0], life: 2, time: 9000, entryHash: 1 });
    });
    expect(find(replaced)).toMatch(/entry 11, whose effect clients had seen, was replaced/);
  });

  it("no member ends short of what clients saw", () => {
    expect(find(final(1, { revision: 3 }))).toMatch(/member 1 ended at revision 3; clients had seen 5/);
    expect(find(final(1, { appliedIndex: 12 }))).toMatch(/member 1 ended at entry 12; 15 was acknowledged/);
  });

  it("no member ends with other keys than the log makes", () => {
    const [kv] = goodHistory().finals[0].kvs;
    expect(find(final(0, { kvs: [] }))).toMatch(/member 0 ended without a=2@4/);
    expect(find(final(0, { kvs: [{ ...kv, value: "x" }] }))).toMatch(/a is a=x@4.*, not a=2@4/);
    expect(find(final(0, { kvs: [kv, { ...kv, key: "b" }] }))).toMatch(/b is b=2@4.*, not absent/);
  });
});

describe("raft history", () => {
  const find = (history: History) => findings(raftHistory, history)[0];
  const leader = (member: number, term: number, time: number) => (history: History) => {
    history.memberEvents.push({ time, member, kind: "leader", detail: String(term) });
  };

  it("one leader in a term, and terms that rise", () => {
    expect(find(changed(leader(1, 2, 2000)))).toMatch(/members 0 and 1 both led term 2/);
    expect(find(changed(leader(0, 1, 2000)))).toMatch(/member 0 led term 1 after term 2/);
    expect(find(changed(leader(1, 3, 2000)))).toBeUndefined();
  });

  it("terms do not fall along the log, and each was led by somebody", () => {
    const withTerms = (...terms: number[]) =>
      changed((history) => {
        leader(1, 3, 600)(history);
        terms.forEach((term, at) => {
          setEntry(history, 11 + at, { term });
        });
      });
    expect(find(withTerms(2, 2, 2, 2, 3))).toBeUndefined();
    expect(find(withTerms(3))).toMatch(/entry 12 is of term 2, entry 11 of 3/);
    expect(find(withTerms(2, 2, 2, 2, 4))).toMatch(/entry 15 is of term 4, which nobody led/);
  });

  it("nothing is applied before its leader is elected, or before what precedes it", () => {
    expect(find(changed((history) => setEntry(history, 11, { firstAppliedAt: 400 })))).toMatch(
      /entry 11 of term 2 was applied before that term had a leader/,
    );
    expect(find(changed((history) => setEntry(history, 14, { firstAppliedAt: 900 })))).toMatch(
      /entry 14 was applied before entry 13/,
    );
  });

  it("a leader has all that was applied before it was elected", () => {
    const history = changed((one) => {
      leader(1, 3, 1015)(one);
      setEntry(one, 12, { term: 3 });
      // Entry 13 of term 2 was applied before the election, and yet comes after the new leader's first one.
      setEntry(one, 13, { firstAppliedAt: 1014 });
    });
    expect(findings(raftHistory, history).join("\n")).toMatch(
      /the leader of term 3 put its entry 12 before entry 13, which was applied when it was elected/,
    );
  });
});

describe("liveness", () => {
  const find = (history: History) => findings(liveness, history)[0];
  const late = (returnedAt: number, more: object = {}) =>
    changed((history) => {
      const calledAt = history.livenessFrom + 12_000;
      history.operations.push({
        ...history.operations[0],
        calledAt,
        returnedAt: calledAt + returnedAt,
        ...more,
      });
    });

  it("calls of the second phase are answered in 10 s", () => {
    expect(find(late(9000))).toBeUndefined();
    expect(find(late(11_000))).toMatch(/call 0 \(put to member 0\) had no answer for 11000 ms/);
    expect(find(late(Number.POSITIVE_INFINITY))).toMatch(/had no answer/);
    const stuck = changed((history) => {
      history.operations[0].returnedAt = Number.POSITIVE_INFINITY;
    });
    expect(find(stuck)).toMatch(/had no answer/);
  });

  it("calls do not stay open", () => {
    const open = changed((history) => {
      const calledAt = history.endedAt - 1000;
      history.operations.push({ ...history.operations[0], calledAt, returnedAt: Number.POSITIVE_INFINITY });
    });
    expect(find(open)).toMatch(/is still open at the end/);
  });

  it("writes succeed again", () => {
    const failing = (count: number, outcome: object) =>
      changed((history) => {
        for (let i = 0; i < count; i++) {
          const calledAt = history.livenessFrom + 11_000 + i;
          history.operations.push({
            ...history.operations[0],
            op: putOp("a", `late ${i}`),
            calledAt,
            returnedAt: calledAt + 5,
            outcome: outcome as never,
          });
        }
      });
    const noLeader = { kind: "error", code: 14, message: "etcdserver: no leader", isDefinite: false };
    expect(find(failing(6, noLeader))).toMatch(/none of 6 writes of the fault-free phase was carried out/);
    expect(find(failing(6, UNKNOWN))).toMatch(/none of 6 writes/);
    expect(find(failing(6, { ...noLeader, isDefinite: true }))).toBeUndefined();
  });

  it("members stay, and are there at the end", () => {
    const ended = changed((history) => {
      const time = history.livenessFrom + 11_000;
      history.memberEvents.push({ time, member: 1, kind: "fatal", detail: "Panic: no" });
    });
    expect(find(ended)).toMatch(/member 1 ended in the fault-free phase: Panic: no/);
    expect(find(changed((history) => history.finals.splice(0)))).toMatch(/no member was there at the end/);
  });
});

describe("resources", () => {
  it("are given back", () => {
    expect(findings(resources, final(1, { resources: { watchers: 2 } }))).toEqual([
      "member 1 still has 2 watchers after all clients have gone",
    ]);
  });
});
