import { beforeEach, describe, expect, it } from "vitest";
import { ErrNoLeader, type RpcError } from "#proto";
import { ManualClock } from "#testing";
import { LeaderGuard } from "./leader-guard.js";

const ELECTION_MS = 1000;

describe("LeaderGuard", () => {
  let clock: ManualClock;
  let leadership: { hasLeader: boolean };
  let guard: LeaderGuard;

  beforeEach(() => {
    clock = new ManualClock();
    leadership = { hasLeader: true };
    guard = new LeaderGuard(leadership, clock, ELECTION_MS);
  });

  class Stream {
    ending: RpcError | undefined;

    end(error: RpcError): void {
      this.ending = error;
      guard.remove(this);
    }
  }

  function open(): Stream {
    const stream = new Stream();
    guard.add(stream);
    return stream;
  }

  it("ends all streams when three looks in a row find no leader", () => {
    const streams = [open(), open()];
    clock.advance(5 * ELECTION_MS);
    leadership.hasLeader = false;
    clock.advance(2 * ELECTION_MS);
    expect(streams.map((stream) => stream.ending)).toEqual([undefined, undefined]);
    clock.advance(ELECTION_MS);
    expect(streams.map((stream) => stream.ending)).toEqual([ErrNoLeader, ErrNoLeader]);
    expect(guard.size).toBe(0);
  });

  it("starts counting again when a leader was seen in between", () => {
    const stream = open();
    for (let i = 0; i < 4; i++) {
      leadership.hasLeader = false;
      clock.advance(2 * ELECTION_MS);
      leadership.hasLeader = true;
      clock.advance(ELECTION_MS);
    }
    expect(stream.ending).toBeUndefined();
  });

  it("looks at nothing while there are no streams, and gives a new one its whole time", () => {
    leadership.hasLeader = false;
    const first = open();
    clock.advance(2 * ELECTION_MS);
    guard.remove(first);
    clock.advance(ELECTION_MS);
    expect(clock.pending).toBe(0);
    const second = open();
    clock.advance(3 * ELECTION_MS - 1);
    expect(second.ending).toBeUndefined();
    clock.advance(1);
    expect([first.ending, second.ending]).toEqual([undefined, ErrNoLeader]);
  });
});
