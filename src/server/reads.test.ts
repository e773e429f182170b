import { describe, expect, it } from "vitest";
import type { RpcError } from "#proto";
import { LinearizableReads, ReadWaiter } from "./reads.js";

class Probe extends ReadWaiter {
  outcome = "waiting";
  onReady(): void {
    this.outcome = "ready";
  }
  onFailed(error: RpcError): void {
    this.outcome = error.name;
  }
}

function reads(): { reads: LinearizableReads; probe: (now: number) => Probe } {
  const all = new LinearizableReads(7000);
  return {
    reads: all,
    probe: (now) => {
      const probe = new Probe();
      all.add(probe, now);
      return probe;
    },
  };
}

describe("LinearizableReads", () => {
  it("serves a read once the confirmed index is applied", () => {
    const { reads: all, probe } = reads();
    const read = probe(0);
    const attempt = all.nextAttempt(0);
    all.onConfirmed(attempt, 10, 9);
    expect(read.outcome).toBe("waiting");
    all.onApplied(10);
    expect(read.outcome).toBe("ready");
  });

  it("shares one attempt among all reads, and never serves a read that came after the attempt began", () => {
    const { reads: all, probe } = reads();
    const first = probe(0);
    const second = probe(0);
    const attempt = all.nextAttempt(0);
    const late = probe(1);
    expect(all.nextAttempt(1)).toBe(0);
    all.onConfirmed(attempt, 5, 5);
    expect([first.outcome, second.outcome, late.outcome]).toEqual(["ready", "ready", "waiting"]);
  });

  it("gives each retry an id of its own, so that an old answer serves nobody", () => {
    const { reads: all, probe } = reads();
    const read = probe(0);
    const first = all.nextAttempt(0);
    const second = all.nextAttempt(600);
    expect(second).not.toBe(first);
    all.onConfirmed(first, 5, 5);
    expect(read.outcome).toBe("waiting");
    all.onConfirmed(second, 5, 5);
    expect(read.outcome).toBe("ready");
  });

  it("fails what was asked when the leader changes, and keeps what was not asked yet", () => {
    const { reads: all, probe } = reads();
    const asked = probe(0);
    const attempt = all.nextAttempt(0);
    const queued = probe(1);
    all.onLeaderChanged();
    all.onConfirmed(attempt, 1, 1);
    expect([asked.outcome, queued.outcome]).toEqual(["LeaderChanged", "waiting"]);
  });

  it("fails reads that wait too long", () => {
    const { reads: all, probe } = reads();
    const read = probe(0);
    all.expire(6999);
    expect(read.outcome).toBe("waiting");
    all.expire(7000);
    expect(read.outcome).toBe("Timeout");
  });

  it("fails reads that were confirmed and then wait too long for entries to be applied", () => {
    const { reads: all, probe } = reads();
    const first = probe(0);
    all.onConfirmed(all.nextAttempt(0), 10, 9);
    const second = probe(1000);
    all.onConfirmed(all.nextAttempt(1000), 20, 9);
    expect(all.waiting).toBe(2);
    all.expire(7000);
    expect([first.outcome, second.outcome, all.waiting]).toEqual(["Timeout", "waiting", 1]);
    all.onApplied(20);
    expect([first.outcome, second.outcome, all.waiting]).toEqual(["Timeout", "ready", 0]);
    expect(all.failedReads).toBe(1);
  });

  it("remembers until the leader changes as of when it was confirmed", () => {
    const { reads: all, probe } = reads();
    expect(all.wasConfirmedWithin(500, 0)).toBe(false);
    probe(100);
    const attempt = all.nextAttempt(100);
    all.onConfirmed(attempt, 10, 9);
    expect([all.wasConfirmedWithin(500, 600), all.wasConfirmedWithin(500, 601)]).toEqual([true, false]);
    all.onLeaderChanged();
    expect(all.wasConfirmedWithin(500, 600)).toBe(false);
  });

  it("does not keep who only wants the leader confirmed until entries are applied", () => {
    const { reads: all } = reads();
    class Confirmation extends Probe {
      override readonly wantsApplied = false;
    }
    const confirmation = new Confirmation();
    all.add(confirmation, 0);
    all.onConfirmed(all.nextAttempt(0), 10, 9);
    expect([confirmation.outcome, all.waiting]).toEqual(["ready", 0]);
  });
});
