import { describe, expect, it } from "vitest";
import type { LeaseTimeToLiveResult, Outcome } from "../history.js";
import { lease } from "./lease.js";
import { deleteOp, findings, refusal, Script, UNKNOWN } from "./testkit.js";

const ID = 7n;
const TTL = 10;
const GRANTED = 1001;

/** A lease of 10 s, granted at 1001, with two keys. */
function granted(): Script {
  const script = new Script();
  script.write({ type: "leaseGrant", id: ID, ttl: TTL });
  script.put("a", "1", { op: { lease: ID } });
  script.put("b", "1", { op: { lease: ID } });
  return script;
}

function renewal(ttl: number): Outcome {
  return { kind: "ok", result: { type: "leaseKeepAlive", revision: 3, ttl } };
}

function renew(script: Script, called: number, outcome = renewal(TTL)): void {
  script.call({ type: "leaseKeepAlive", id: ID }, outcome, { called });
}

function remaining(script: Script, called: number, more: Partial<LeaseTimeToLiveResult>): void {
  const result = {
    type: "leaseTimeToLive",
    revision: 3,
    ttl: 9,
    grantedTtl: TTL,
    keys: [],
    ...more,
  } as const;
  const op = { type: "leaseTimeToLive", id: ID, keys: more.keys !== undefined } as const;
  script.call(op, { kind: "ok", result }, { called });
}

function expire(script: Script, time: number): void {
  script.entry({ type: "leaseRevoke", id: ID }, time);
}

function revoke(script: Script, called: number): void {
  script.write({ type: "leaseRevoke", id: ID }, { called });
}

function only(script: Script, text: RegExp): void {
  const messages = findings(lease, script.history);
  expect(messages).toHaveLength(1);
  expect(messages[0]).toMatch(text);
}

function none(script: Script): void {
  expect(findings(lease, script.history)).toEqual([]);
}

describe("never early", () => {
  it("a lease lives for its TTL after the grant, within the drift of clocks", () => {
    const good = granted();
    expire(good, GRANTED + 10_000);
    none(good);
    const fastClock = granted();
    expire(fastClock, GRANTED + 9_905);
    none(fastClock);
    const bad = granted();
    expire(bad, GRANTED + 9_800);
    only(bad, /never early: lease 7 \(TTL 10 s\) expired 9800 ms after its grant/);
  });

  it("and after every renewal that was answered", () => {
    const good = granted();
    renew(good, 8000);
    expire(good, 18_001);
    none(good);
    const bad = granted();
    renew(bad, 8000);
    expire(bad, 12_000);
    only(bad, /never early: .* expired 4000 ms after the call of a renewal/);
    const unanswered = granted();
    renew(unanswered, 8000, UNKNOWN);
    expire(unanswered, 12_000);
    none(unanswered);
  });

  it("a new leader gives the full time again, or what a checkpoint left: an older leader's revocation has no effect", () => {
    const good = granted();
    good.event("leader", 1, 9000, "3");
    good.term = 3;
    expire(good, 20_100);
    none(good);
    const bad = granted();
    bad.event("leader", 1, 9000, "3");
    bad.term = 3;
    expire(bad, 11_500);
    only(bad, /expired 2500 ms after the leader of term 3 was elected, who owed it 9899 ms/);
  });

  it("what a client revokes may go at any time", () => {
    const script = granted();
    revoke(script, 2000);
    none(script);
    const unknown = granted();
    unknown.write({ type: "leaseRevoke", id: ID }, { called: 2000, applied: 3000, outcome: UNKNOWN });
    none(unknown);
  });
});

describe("never forgotten", () => {
  it("a lease ends in time once there are no faults any more", () => {
    const good = granted();
    expire(good, 31_000);
    good.finish(20_000);
    none(good);
    const late = granted();
    expire(late, 36_000);
    late.finish(20_000);
    only(late, /never forgotten: lease 7 \(TTL 10 s\) expired 16000 ms after/);
    const never = granted();
    never.finish(20_000);
    only(never, /never forgotten: lease 7 \(TTL 10 s\) was still there 30000 ms after/);
  });

  it("renewals, even possible ones, and elections put it off", () => {
    for (const outcome of [renewal(TTL), UNKNOWN]) {
      const script = granted();
      renew(script, 30_000, outcome);
      expire(script, 41_000);
      script.finish(20_000);
      none(script);
    }
    const elected = granted();
    elected.event("leader", 1, 28_000, "3");
    elected.term = 3;
    expire(elected, 39_500);
    elected.finish(20_000);
    none(elected);
  });
});

describe("what members say of a lease", () => {
  it("a dead one cannot be renewed, a live one is not denied", () => {
    const good = granted();
    renew(good, 2000);
    revoke(good, 3000);
    renew(good, 4000, renewal(0));
    none(good);
    const after = granted();
    revoke(after, 3000);
    renew(after, 4000);
    only(after, /lease 7 was renewed by member 0, but had been revoked before the call/);
    const denied = granted();
    renew(denied, 4000, renewal(0));
    only(denied, /lease 7 was denied by member 0, but it lives/);
    const unheard = new Script();
    renew(unheard, 4000);
    only(unheard, /but was never granted/);
  });

  it("its granted TTL stays", () => {
    const script = granted();
    renew(script, 2000, renewal(5));
    only(script, /lease 7 has TTL 5, but 10 was granted/);
  });

  it("its remaining time is neither more than can be nor less than was promised", () => {
    const good = granted();
    renew(good, 8000);
    remaining(good, 9000, { ttl: 8 });
    none(good);
    const little = granted();
    renew(little, 8000);
    remaining(little, 9000, { ttl: 3 });
    only(little, /lease 7 has 3 s left, less than a renewal promised/);
    const much = granted();
    remaining(much, 9000, { ttl: 12 });
    only(much, /lease 7 has 12 s left of 10/);
    const gone = granted();
    remaining(gone, 2000, { ttl: -1, grantedTtl: 0 });
    only(gone, /lease 7 was denied/);
  });

  it("after an election it has what a checkpoint left", () => {
    const told = (ttl: number, change: (script: Script) => void = () => {}) => {
      const script = granted();
      script.checkpoint(ID, 4, 7000);
      change(script);
      script.event("leader", 1, 8000, "3");
      const result = { type: "leaseTimeToLive", revision: 3, ttl, grantedTtl: TTL, keys: [] } as const;
      const op = { type: "leaseTimeToLive", id: ID, keys: false } as const;
      script.call(op, { kind: "ok", result }, { called: 8100, member: 1 });
      return script;
    };
    none(told(5));
    only(told(9), /has 9 s left, but a checkpoint had left it 4 s before the leader was elected/);
    none(told(9, (script) => renew(script, 7500)));
    none(told(9, (script) => script.checkpoint(ID, 0, 7500)));
    none(told(9, (script) => script.event("start", 1, 7500)));
    none(told(9, (script) => script.event("snapshot installed", 1, 7500)));
  });

  it("its keys are those that are attached", () => {
    const good = granted();
    remaining(good, 2000, { keys: ["b", "a"] });
    none(good);
    const bad = granted();
    remaining(bad, 2000, { keys: ["a"] });
    only(bad, /has keys \[a\], at revision 3 \[a b\] are attached/);
  });

  it("the list is that of some moment", () => {
    const list = (...ids: bigint[]) => {
      const script = granted();
      script.write({ type: "leaseGrant", id: 8n, ttl: TTL });
      script.call({ type: "leaseLeases" }, { kind: "ok", result: { type: "leaseLeases", revision: 3, ids } });
      return script;
    };
    none(list(8n, 7n));
    none(list(7n));
    none(list());
    only(list(8n), /the list of leases is that of no moment/);
    only(list(7n, 7n), /the list of leases is that of no moment/);
  });
});

describe("the log", () => {
  it("has the grants and revocations that were answered, and no other grants", () => {
    const lost = granted();
    const result = { type: "leaseGrant", revision: 3, id: 9n, ttl: TTL } as const;
    lost.call({ type: "leaseGrant", id: 0n, ttl: TTL }, { kind: "ok", result });
    only(lost, /\(leaseGrant\) was answered, but no such entry is in the log/);
    const ghost = granted();
    ghost.entry({ type: "leaseGrant", id: 9n, ttl: TTL });
    only(ghost, /grants lease 9, which nobody asked for/);
    const wrong = granted();
    wrong.write(
      { type: "leaseRevoke", id: ID },
      { outcome: refusal("etcdserver: requested lease not found") },
    );
    expect(findings(lease, wrong.history)[0]).toMatch(/\(leaseRevoke\) was refused, but/);
  });

  it("finds the grant of a lease whose id the member chose", () => {
    const script = new Script();
    script.entry({ type: "leaseGrant", id: 77n, ttl: TTL }, 1500);
    const result = { type: "leaseGrant", revision: 1, id: 77n, ttl: TTL } as const;
    script.call(
      { type: "leaseGrant", id: 0n, ttl: TTL },
      { kind: "ok", result },
      { called: 1490, returned: 1510 },
    );
    script.entry({ type: "leaseGrant", id: 78n, ttl: TTL }, 1600);
    script.call({ type: "leaseGrant", id: 0n, ttl: TTL }, UNKNOWN, { called: 1590, returned: 1595 });
    none(script);
  });
});

describe("attachment at the end", () => {
  const final = (change: (script: Script) => void) => {
    const script = granted();
    script.finish(1100, 1200);
    script.history.livenessFrom = 0; // not about expiry
    change(script);
    return script;
  };

  it("agrees between keys and leases", () => {
    none(final(() => {}));
    only(
      final(({ history }) => {
        history.finals[1] = { ...history.finals[1], leases: [{ id: ID, ttl: TTL, keys: ["a"] }] };
      }),
      /member 1: key b says lease 7, the leases say none/,
    );
    only(
      final(({ history }) => {
        history.finals[0] = { ...history.finals[0], kvs: history.finals[0].kvs.slice(0, 1) };
      }),
      /member 0: lease 7 holds key b, which does not exist/,
    );
  });

  it("leaves nothing on a lease that is gone", () => {
    const messages = findings(
      lease,
      final(({ history }) => {
        history.finals[2] = { ...history.finals[2], leases: [] };
      }).history,
    );
    expect(messages[0]).toMatch(/member 2: key a hangs on lease 7, which is gone/);
  });

  it("keys that were deleted or put without a lease are free of it", () => {
    const script = granted();
    script.write(deleteOp("a"));
    script.put("b", "free");
    script.finish(1100, 1200);
    script.history.livenessFrom = 0;
    none(script);
  });
});
