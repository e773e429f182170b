import { describe, expect, it } from "vitest";
import type { CompareOp, History, TxnOp } from "../history.js";
import { linearizability } from "./linearizability.js";
import { Refusal } from "./model.js";
import { deleteOp, findings, okResult, putOp, rangeOp, refusal, Script, UNKNOWN } from "./testkit.js";

const ABSENT: CompareOp = { target: "create", result: "=", key: "n", rangeEnd: "", operand: 0 };
const TXN: TxnOp = {
  type: "txn",
  compare: [ABSENT],
  success: [
    putOp("n", "t1"),
    rangeOp("a"),
    { type: "txn", compare: [], success: [deleteOp("b")], failure: [] },
  ],
  failure: [rangeOp("n")],
};

/** A bit of everything, all as it should be. */
function goodScript(): Script {
  const script = new Script();
  script.put("a", "1");
  script.put("a", "2", { op: { prevKv: true } });
  script.put("b", "1");
  script.read(rangeOp("a"));
  script.read(rangeOp("a", { rangeEnd: "\0", limit: 1, sortTarget: 3, sortOrder: 2 }));
  script.write(TXN);
  script.write(TXN);
  script.write(deleteOp("nothing"));
  script.write({ type: "compact", revision: 3, physical: false });
  script.call(rangeOp("a", { revision: 2 }), refusal(Refusal.Compacted));
  script.call(rangeOp("a", { revision: 99 }), refusal(Refusal.FutureRev));
  script.read(rangeOp("a", { revision: 3 }));
  return script;
}

function bad(change: (script: Script) => void): string[] {
  const script = goodScript();
  change(script);
  return findings(linearizability, script.history);
}

function only(messages: string[], text: string | RegExp): void {
  expect(messages).toHaveLength(1);
  expect(messages[0]).toMatch(text);
}

describe("a linearizable history", () => {
  it("has no violations", () => {
    expect(findings(linearizability, goodScript().history)).toEqual([]);
  });

  it("may hold unknown calls that happened, happened late, or never happened", () => {
    const messages = bad((script) => {
      script.put("u", "happened", { outcome: UNKNOWN });
      script.put("u", "late", { called: 2000, applied: 9000, returned: 2002, outcome: UNKNOWN });
      script.put("u", "never", { called: 9000, applied: Number.POSITIVE_INFINITY });
    });
    expect(messages).toEqual([]);
  });

  it("may refuse for want of space, before the log or when the entry is applied", () => {
    const messages = bad((script) => {
      script.put("s", "before", { applied: Number.POSITIVE_INFINITY, outcome: refusal(Refusal.NoSpace) });
      script.raiseNoSpace();
      script.put("s", "when applied");
    });
    expect(messages).toEqual([]);
  });

  it("may order overlapping calls either way", () => {
    const messages = bad((script) => {
      const from = script.now;
      script.put("o", "1", { called: from, applied: from + 5, returned: from + 10 });
      // Called before the put was answered, it may see the state before or after it.
      script.read(rangeOp("o"), { called: from + 1, returned: from + 9 });
      script.put("o", "2", { called: from + 20, applied: from + 25, returned: from + 30 });
    });
    expect(messages).toEqual([]);
  });

  it("matches many equal calls to their entries, whichever was first to be answered", () => {
    const messages = bad((script) => {
      const from = script.now;
      for (let i = 0; i < 10; i++)
        script.write(deleteOp("zz"), { called: from + i, applied: from + 20 + i, returned: from + 60 - i });
      script.write(deleteOp("zz"), {
        called: from,
        applied: from + 40,
        returned: from + 90,
        outcome: UNKNOWN,
      });
    });
    expect(messages).toEqual([]);
  });

  it("lets a serializable read be stale", () => {
    const messages = bad((script) => {
      const old = script.model.range(rangeOp("a", { serializable: true, revision: 2 }));
      const result = { ...old, revision: 2 };
      script.call(rangeOp("a", { serializable: true }), { kind: "ok", result }, { member: 2 });
    });
    expect(messages).toEqual([]);
  });
});

describe("writes", () => {
  it("an answer without an entry", () => {
    const result = { type: "put", revision: 99, prevKv: undefined } as const;
    only(
      bad((script) => script.call(putOp("lost", "x"), { kind: "ok", result })),
      /was answered, but no such entry is in the log/,
    );
  });

  it("an answer before any member has applied the entry", () => {
    const messages = bad((script) => script.put("a", "x", { called: 5000, applied: 5010, returned: 5005 }));
    expect(messages[0]).toMatch(/the answer came before any member had applied the entry/);
  });

  it("an effect before its call", () => {
    expect(bad((script) => script.put("a", "x", { called: 5000, applied: 4000 }))[0]).toMatch(
      /the entry was applied before the call/,
    );
  });

  it("a wrong revision, a wrong previous value, a wrong branch, a wrong inner response", () => {
    const edit =
      (at: number, change: (result: ReturnType<typeof okResult>) => object) => (script: Script) => {
        const operation = script.history.operations[at];
        operation.outcome = {
          kind: "ok",
          result: { ...okResult(operation), ...change(okResult(operation)) } as never,
        };
      };
    expect(bad(edit(0, () => ({ revision: 7 })))[0]).toMatch(/revision is 7, not 2/);
    expect(bad(edit(1, () => ({ prevKv: undefined })))[0]).toMatch(/prev_kv is absent, not a=1@2/);
    expect(bad(edit(5, () => ({ succeeded: false })))[0]).toMatch(/succeeded is false, not true/);
    const inner = (result: ReturnType<typeof okResult>) =>
      result.type === "txn"
        ? { responses: [result.responses[0], { ...result.responses[1], count: 5 }, result.responses[2]] }
        : {};
    expect(bad(edit(5, inner))[0]).toMatch(/response 1: count is 5, not 1/);
    expect(bad(edit(7, () => ({ deleted: 1 })))[0]).toMatch(/deleted is 1, not 0/);
  });

  it("an entry that nobody asked for", () => {
    only(
      bad((script) => script.entry(putOp("ghost", "x"))),
      /entry \d+ \(put\) took effect at revision \d+, but no call that could own it is left/,
    );
  });

  it("a call that happened twice", () => {
    only(
      bad((script) => {
        script.put("twice", "x", { outcome: UNKNOWN });
        script.entry(putOp("twice", "x"), script.now + 5);
      }),
      /no call that could own it is left/,
    );
  });

  it("a refused call that happened", () => {
    only(
      bad((script) => script.put("a", "x", { outcome: refusal("etcdserver: too many requests") })),
      /no call that could own it is left/,
    );
  });

  it("a refusal that the state does not explain", () => {
    expect(bad((script) => script.put("a", "x", { outcome: refusal(Refusal.LeaseNotFound) }))[0]).toMatch(
      /was refused, but refused \(etcdserver: requested lease not found\), not success/,
    );
  });

  it("a success that the state does not explain", () => {
    const result = { type: "put", revision: 5, prevKv: undefined } as const;
    expect(
      bad((script) => script.put("x", "x", { op: { lease: 5n }, outcome: { kind: "ok", result } }))[0],
    ).toMatch(/success, not etcdserver: requested lease not found/);
  });
});

describe("reads", () => {
  it("a value that is not the one at its revision", () => {
    only(
      bad((script) => {
        const result = script.model.range(rangeOp("a"));
        const kvs = result.kvs.map((kv) => ({ ...kv, value: "made up" }));
        script.read(rangeOp("a"), { outcome: { kind: "ok", result: { ...result, kvs } } });
      }),
      /read \d+ at revision 5: kvs\[0\] is a=made up@3.*not a=2@3/,
    );
  });

  it("a stale read: older than what had been applied before the call", () => {
    only(
      bad((script) => {
        const result = script.model.range(rangeOp("a"));
        script.put("a", "newer");
        script.read(rangeOp("a"), { outcome: { kind: "ok", result }, member: 2 });
      }),
      /stale read: call \d+ says revision 5, but 6 was applied before the call/,
    );
  });

  it("a read of the future: newer than anything applied by its return", () => {
    only(
      bad((script) => {
        const { now } = script;
        script.put("a", "newer", { called: now, applied: now + 50, returned: now + 60 });
        script.read(rangeOp("a"), { called: now, returned: now + 10 });
      }),
      /says revision 6, but 5 was the newest/,
    );
  });

  it("a serializable read that fits no revision", () => {
    only(
      bad((script) => {
        const result = script.model.range(rangeOp("a", { serializable: true }));
        script.call(
          rangeOp("a", { serializable: true }),
          {
            kind: "ok",
            result: { ...result, revision: 2 },
          },
          { member: 1 },
        );
      }),
      /read \d+ at revision 2: kvs\[0\]/,
    );
  });

  it("a compacted revision that is read, and one that is refused without being compacted", () => {
    only(
      bad((script) => script.read(rangeOp("a", { revision: 2 }))),
      /of revision 2 was answered, but 3 was compacted before/,
    );
    only(
      bad((script) => script.call(rangeOp("a", { revision: 3 }), refusal(Refusal.Compacted))),
      /was refused as compacted, but only 3 was/,
    );
  });

  it("a revision refused as of the future that was there", () => {
    only(
      bad((script) => script.call(rangeOp("a", { revision: 5 }), refusal(Refusal.FutureRev))),
      /was refused as of the future, but 5 was there/,
    );
  });

  it("a read-only transaction whose branch or reads are wrong", () => {
    const op: TxnOp = { type: "txn", compare: [ABSENT], success: [rangeOp("a")], failure: [rangeOp("n")] };
    const check = (change: (history: Script) => object) =>
      bad((script) => {
        const result = script.model.readTxn(op, script.model.revision);
        script.call(op, { kind: "ok", result: { ...result, ...change(script) } });
      });
    expect(check(() => ({}))).toEqual([]);
    only(
      check(() => ({ succeeded: true })),
      /succeeded is true, not false/,
    );
    only(
      check((script) => ({ responses: [script.model.range(rangeOp("a"))] })),
      /response 0: /,
    );
  });

  it("accepts any order among elements that are equal under the sort, and no other change", () => {
    const op = rangeOp("a", { rangeEnd: "\0", sortTarget: 1, sortOrder: 1 });
    const check = (change: (kvs: readonly unknown[]) => unknown[]) =>
      bad((script) => {
        script.put("x", "1");
        script.put("y", "1");
        const result = script.model.range(op);
        script.read(op, { outcome: { kind: "ok", result: { ...result, kvs: change(result.kvs) as never } } });
      });
    // n, x, y have version 1; a has 2
    expect(check((kvs) => [kvs[2], kvs[0], kvs[1], kvs[3]])).toEqual([]);
    only(
      check((kvs) => [kvs[0], kvs[1], kvs[3], kvs[2]]),
      /sort value 2/,
    );
    only(
      check((kvs) => [kvs[0], kvs[0], kvs[1], kvs[3]]),
      /the same key twice/,
    );
  });
});

describe("what one member says", () => {
  function twoReads(between: (script: Script) => void): History {
    const script = goodScript();
    const result = script.model.range(rangeOp("a", { serializable: true }));
    script.call(rangeOp("a", { serializable: true }), { kind: "ok", result }, { member: 1 });
    between(script);
    const old = { ...script.model.range(rangeOp("a", { serializable: true, revision: 3 })), revision: 3 };
    script.call(rangeOp("a", { serializable: true }), { kind: "ok", result: old }, { member: 1 });
    return script.history;
  }

  it("its revision may not go back", () => {
    only(
      findings(
        linearizability,
        twoReads(() => {}),
      ),
      /member 1 said revision 5, and later 3/,
    );
  });

  it("unless it was started again", () => {
    expect(
      findings(
        linearizability,
        twoReads((script) => script.event("start", 1, script.now - 1)),
      ),
    ).toEqual([]);
  });
});
