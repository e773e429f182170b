import { describe, expect, it } from "vitest";
import type { History, WatchEventRecord, WatchStreamRecord } from "../history.js";
import { createAsk, deleteOp, findings, putOp, Script, type StreamScript } from "./testkit.js";
import { watch } from "./watch.js";

const LATE = 100_000;

/**
 * Revisions 2 a=1, 3 b=1, 4 c=1 (of no interest), 5 a deleted and b=2 in one transaction, 6 a=3. Watched: [a, c).
 * @returns the script, and the events of each revision as a watcher of [a, c) must see them
 */
function story(): { script: Script; events: Map<number, WatchEventRecord[]> } {
  const script = new Script();
  const events = new Map<number, WatchEventRecord[]>();
  const step = (write: () => void) => {
    write();
    const seen = script.model.lastEvents.filter((event) => event.kv.key < "c");
    events.set(
      script.model.revision,
      seen.map((event) => ({ ...event, prevKv: undefined })),
    );
  };
  step(() => script.put("a", "1"));
  step(() => script.put("b", "1"));
  step(() => script.put("c", "1"));
  step(() =>
    script.write({ type: "txn", compare: [], success: [deleteOp("a"), putOp("b", "2")], failure: [] }),
  );
  step(() => script.put("a", "3"));
  return { script, events };
}

type Tell = (stream: StreamScript, events: (revision: number) => WatchEventRecord[], script: Script) => void;

function check(tell: Tell, asks: WatchStreamRecord["asks"] = [createAsk({ rangeEnd: "c" })]): string[] {
  const { script, events } = story();
  const stream = script.stream(...asks);
  tell(stream, (revision) => events.get(revision) ?? [], script);
  return findings(watch, script.history);
}

function only(messages: string[], text: RegExp): void {
  expect(messages).toHaveLength(1);
  expect(messages[0]).toMatch(text);
}

const good: Tell = (stream, at) =>
  stream
    .created(1, 2, LATE)
    .events(1, LATE, [...at(2), ...at(3)], { revision: 6 })
    .events(1, LATE, at(5))
    .events(1, LATE, at(6));

describe("a good stream", () => {
  it("has no violations", () => {
    expect(check(good)).toEqual([]);
  });

  it("may end anywhere", () => {
    expect(check((stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(2)))).toEqual([]);
  });

  it("may start now, in the past, or in the future", () => {
    const ask = createAsk({ rangeEnd: "c" });
    const now = { ...ask, startRevision: 0 };
    expect(check((stream, at) => stream.created(1, 4, LATE).events(1, LATE, at(5)), [now])).toEqual([]);
    const future = { ...ask, startRevision: 6 };
    expect(check((stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(6)), [future])).toEqual([]);
  });

  it("may split a revision into fragments, if asked to", () => {
    const ask = createAsk({ rangeEnd: "c", startRevision: 5, fragment: true });
    const tell: Tell = (stream, at) =>
      stream
        .created(1, 6, LATE)
        .events(1, LATE, at(5).slice(0, 1), { fragment: true })
        .events(1, LATE, at(5).slice(1))
        .events(1, LATE, at(6));
    expect(check(tell, [ask])).toEqual([]);
    only(check(tell, [{ ...ask, fragment: false }]), /fragments were not asked for/);
  });
});

describe("events", () => {
  it("ordered: none after a later one", () => {
    only(
      check((stream, at) =>
        stream.created(1, 2, LATE).events(1, LATE, at(2)).events(1, LATE, at(3)).events(1, LATE, at(2)),
      ),
      /ordered: put a@2 after revision 3/,
    );
  });

  it("unique: none twice", () => {
    only(
      check((stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(2)).events(1, LATE, at(2))),
      /unique: put a@2 came again/,
    );
  });

  it("reliable: none left out", () => {
    only(
      check((stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(2)).events(1, LATE, at(5))),
      /reliable: delete a@5 came, but not put b@3/,
    );
  });

  it("resumable: the first is the first", () => {
    only(
      check((stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(3))),
      /resumable: put b@3 came, but not put a@2/,
    );
  });

  it("atomic: a revision is not split", () => {
    only(
      check(
        (stream, at) =>
          stream.created(1, 6, LATE).events(1, LATE, at(5).slice(0, 1)).events(1, LATE, at(5).slice(1)),
        [createAsk({ rangeEnd: "c", startRevision: 5 })],
      ),
      /atomic: revision 5 is split/,
    );
  });

  it("filter: nothing older than the start, of other keys, or of a kind that is not wanted", () => {
    const ask = createAsk({ rangeEnd: "c", startRevision: 3 });
    only(
      check((stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(2)), [ask]),
      /filter: put a@2 is older/,
    );
    only(
      check(
        (stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(3)),
        [{ ...ask, key: "c", rangeEnd: "" }],
      ),
      /filter: put b@3 was not asked for/,
    );
    only(
      check((stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(3)), [{ ...ask, noPut: true }]),
      /filter: put b@3 was not asked for/,
    );
    const onlyDeletes: Tell = (stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(5).slice(0, 1));
    expect(check(onlyDeletes, [{ ...ask, noPut: true }])).toEqual([]);
  });

  it("are those of the log: value, create flag, kind, existence", () => {
    const changed = (change: (event: WatchEventRecord) => WatchEventRecord) =>
      check((stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(2).map(change)));
    only(
      changed((event) => ({ ...event, kv: { ...event.kv, value: "9" } })),
      /event of 2: kv is a=9/,
    );
    only(
      changed((event) => ({ ...event, kv: { ...event.kv, createRevision: 1 } })),
      /create=1/,
    );
    only(
      changed((event) => ({ ...event, type: "delete" })),
      /type is delete/,
    );
    only(
      changed((event) => ({ ...event, kv: { ...event.kv, key: "aa" } })),
      /put aa@2 is not in the log/,
    );
  });

  it("are shown when they are committed, under a header not older than they are", () => {
    const early: Tell = (stream, at) => stream.created(1, 1, 1000).events(1, 1000.5, at(2), { revision: 1 });
    expect(check(early)[0]).toMatch(/header says 1, below its event of 2/);
    only(
      check((stream) => stream.created(1, 2, 1000)),
      /header says 2 when 1 was the newest/,
    );
  });

  it("carry the previous value, if asked for; it may be compacted away", () => {
    const ask = createAsk({ rangeEnd: "c", startRevision: 5, prevKv: true });
    const withPrev: Tell = (stream, _at, script) => {
      const previous = (key: string) => script.model.get(key, 4);
      const [gone, put] = _at(5);
      stream.created(1, 6, LATE).events(1, LATE, [
        { ...gone, prevKv: previous("a") },
        { ...put, prevKv: previous("b") },
      ]);
    };
    expect(check(withPrev, [ask])).toEqual([]);
    const without: Tell = (stream, at) => stream.created(1, 6, LATE).events(1, LATE, at(5));
    only(check(without, [ask]), /previous value: event of 5: prev_kv is absent/);
    only(
      check(withPrev, [{ ...ask, prevKv: false }]),
      /previous value: event of 5: prev_kv is a=1@2.*not absent/,
    );
    const compacted: Tell = (stream, at, script) => {
      script.write({ type: "compact", revision: 5, physical: false });
      without(stream, at, script);
    };
    expect(check(compacted, [ask])).toEqual([]);
  });
});

describe("progress", () => {
  const ask = createAsk({ rangeEnd: "c", progressNotify: true });

  it("passes over nothing", () => {
    expect(
      check((stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(2)).progress(1, 2, LATE), [ask]),
    ).toEqual([]);
    only(
      check((stream, at) => stream.created(1, 2, LATE).events(1, LATE, at(2)).progress(1, 4, LATE), [ask]),
      /bookmarkable: notice of 4 before put b@3/,
    );
  });

  it("for the whole stream holds for all of its watchers, and is asked for", () => {
    const asks: WatchStreamRecord["asks"] = [
      createAsk({ rangeEnd: "c" }),
      createAsk({ watchId: 2, key: "c", rangeEnd: "" }),
      { kind: "progress", time: 10 },
    ];
    const tell: Tell = (stream, at) =>
      stream
        .created(1, 2, LATE)
        .created(2, 2, LATE)
        .events(1, LATE, at(2))
        .events(1, LATE, at(3))
        .progress(-1, 3, LATE);
    expect(check(tell, asks)).toEqual([]);
    only(check(tell, asks.slice(0, 2)), /which was not asked for/);
    only(
      check((stream, at) => {
        tell(stream, at, new Script());
        stream.events(1, LATE, [...at(5), ...at(6)]).progress(-1, 6, LATE);
      }, asks),
      /bookmarkable: notice of 6 before put c@4/,
    );
  });

  it("does not come to a watcher of the future, or to one that wants none, and does not go back", () => {
    only(
      check((stream) => stream.created(1, 2, LATE).progress(1, 3, LATE), [{ ...ask, startRevision: 9 }]),
      /bookmarkable: notice of 3 to a watcher from 9 on/,
    );
    only(
      check((stream) => stream.created(1, 2, LATE).progress(1, 1, LATE)),
      /to a watcher that wants none/,
    );
    only(
      check(
        (stream, at) =>
          stream
            .created(1, 2, LATE)
            .events(1, LATE, [...at(2), ...at(3)])
            .progress(1, 2, LATE),
        [ask],
      ),
      /bookmarkable: notice of 2 after events of 3/,
    );
  });
});

describe("created and canceled", () => {
  it("every watcher is created once, under its id", () => {
    only(
      check((stream, at) => stream.events(1, LATE, at(2))),
      /a response for watcher 1, which does not exist/,
    );
    expect(check((stream) => stream.created(1, 2, LATE).created(1, 2, LATE))[0]).toMatch(
      /created watcher 1, which was not asked/,
    );
    only(
      check((stream) => stream.created(7, 2, LATE)),
      /watcher 1 was created as 7/,
    );
  });

  it("refusals have a cause, and causes a refusal", () => {
    const refuse: Tell = (stream) => stream.created(-1, 2, LATE, { canceled: true, cancelReason: "no" });
    only(check(refuse), /refused without a cause/);
    for (const broken of [{ startRevision: -1 }, { rangeEnd: "a" }]) {
      expect(check(refuse, [createAsk(broken)])).toEqual([]);
      only(
        check((stream) => stream.created(1, 2, LATE), [createAsk(broken)]),
        /a watcher was created although/,
      );
    }
    const twice = [createAsk(), createAsk()];
    expect(
      check((stream, at, script) => {
        stream.created(1, 2, LATE);
        refuse(stream, at, script);
      }, twice),
    ).toEqual([]);
  });

  it("a cancellation is asked for, and ends the watcher", () => {
    const asks: WatchStreamRecord["asks"] = [
      createAsk({ rangeEnd: "c" }),
      { kind: "cancel", time: 5, watchId: 1 },
    ];
    const tell: Tell = (stream) => stream.created(1, 2, LATE).response({ time: LATE, canceled: true });
    expect(check(tell, asks)).toEqual([]);
    only(check(tell), /was canceled without a cause/);
    only(
      check((stream, at, script) => {
        tell(stream, at, script);
        stream.events(1, LATE, at(2));
      }, asks),
      /which does not exist \(any more\)/,
    );
  });
});

describe("compaction", () => {
  const compact = (script: Script, revision: number, time = script.now) =>
    script.write({ type: "compact", revision, physical: false }, { called: time });
  const cancel = (stream: StreamScript, compactRevision: number, more = {}) =>
    stream.response({ time: LATE, canceled: true, revision: 0, compactRevision, ...more });

  it("cancels a watcher that lacks what is gone", () => {
    expect(
      check((stream, at, script) => {
        compact(script, 5);
        stream.created(1, 2, LATE).events(1, LATE, at(2));
        cancel(stream, 5);
      }),
    ).toEqual([]);
  });

  it("cancels nobody else, with no other mark, and without words", () => {
    only(
      check((stream, at, script) => {
        compact(script, 5);
        cancel(
          stream
            .created(1, 2, LATE)
            .events(1, LATE, [...at(2), ...at(3)])
            .events(1, LATE, at(5)),
          5,
        );
      }),
      /although it had all below 6/,
    );
    only(
      check((stream) => cancel(stream.created(1, 2, LATE), 4)),
      /compaction 4, which had not happened/,
    );
    only(
      check((stream, _at, script) => {
        compact(script, 5);
        cancel(stream.created(1, 2, LATE), 5, { cancelReason: "sorry" });
      }),
      /with a reason: sorry/,
    );
  });

  it("leaves no events for a watcher that begins below its member's mark", () => {
    const below = createAsk({ rangeEnd: "c", time: 5000, startRevision: 3 });
    only(
      check(
        (stream, at, script) => {
          compact(script, 5);
          stream.created(1, 6, LATE).events(1, LATE, at(3));
        },
        [below],
      ),
      /not compacted: began at 3, below its member's mark 5/,
    );
  });
});

describe("a stream that works to the end", () => {
  function atRest(tell: Tell, asks: WatchStreamRecord["asks"] = [createAsk({ rangeEnd: "c" })]): History {
    const { script, events } = story();
    const stream = script.stream(...asks);
    tell(stream, (revision) => events.get(revision) ?? [], script);
    return script.finish();
  }

  it("has everything", () => {
    expect(findings(watch, atRest(good))).toEqual([]);
  });

  it("is not silent: events, creations and cancellations come", () => {
    const short: Tell = (stream, at) => stream.created(1, 2, 1100).events(1, 1100, [...at(2), ...at(3)]);
    only(findings(watch, atRest(short)), /silence: delete a@5 never came/);
    only(
      findings(
        watch,
        atRest(() => {}),
      ),
      /a creation was never answered/,
    );
    const asks: WatchStreamRecord["asks"] = [
      createAsk({ rangeEnd: "c" }),
      { kind: "cancel", time: 5, watchId: 1 },
    ];
    only(findings(watch, atRest(good, asks)), /a cancellation was never answered/);
  });

  it("is left in peace if it was stalled, or broke", () => {
    const short: Tell = (stream, at) => stream.created(1, 2, 1100).events(1, 1100, at(2));
    const stalled = atRest(short);
    stalled.watches[0].stalls.push({ from: 1200, to: Number.POSITIVE_INFINITY });
    expect(findings(watch, stalled)).toEqual([]);
    const broken = atRest(short);
    Object.assign(broken.watches[0], { endedAt: 2000, endReason: "network" });
    expect(findings(watch, broken)).toEqual([]);
  });

  it("has progress within two intervals", () => {
    const ask = createAsk({ rangeEnd: "c", startRevision: 6, progressNotify: true });
    const history = (everyMs: number) =>
      atRest(
        (stream, at) => {
          stream.created(1, 6, 1100).events(1, 1100, at(6));
          for (let time = 1100; time < 40_000; time += everyMs) stream.progress(1, 6, time);
        },
        [ask],
      );
    expect(findings(watch, history(1900))).toEqual([]);
    only(findings(watch, history(9000)), /no notice for \d+ ms/);
  });
});
