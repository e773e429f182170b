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
});
