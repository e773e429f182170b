// What the driver overlaps, and what it must not.

import { describe, expect, it } from "vitest";
import { SeededRandom, utf8, utf8Text } from "#base";
import { ConfState, Entry, EntryType, type HardState, MessageType, RaftMessage, Snapshot } from "#proto";
import { MemoryLogStorage, RawNode } from "#raft";
import { ManualClock } from "#testing";
import { type LogWriter, RaftDriver, type StateMachine } from "./driver.js";
import { SYNC_BESIDE_ENTRIES } from "./limits.js";

/** A log whose saves end when the test says so. */
class HeldLog implements LogWriter {
  readonly canSaveSync = true;
  /** Entries of each save on the calling thread. */
  readonly savedHere: number[] = [];
  /** Entries of each save on a thread. */
  readonly savedBeside: number[] = [];
  private end: (() => void) | undefined;

  saveSync(_state: unknown, entries: readonly Entry[]): void {
    this.savedHere.push(entries.length);
  }

  save(_state: unknown, entries: readonly Entry[]): Promise<void> {
    this.savedBeside.push(entries.length);
    return new Promise((resolve) => {
      this.end = resolve;
    });
  }

  /** The save under way is durable, and whoever waits for it has heard. */
  async endSave(): Promise<void> {
    this.end?.();
    await Promise.resolve();
  }
}

class Recorder implements StateMachine {
  readonly applied: string[] = [];

  applyCommitted(entries: readonly Entry[]): void {
    for (const { data } of entries) if (data.length > 0) this.applied.push(utf8Text(data));
  }
  installSnapshot = () => Promise.reject(new Error("no snapshots here"));
  announceSnapshot = () => Promise.reject(new Error("no snapshots here"));
  sendSnapshot(): void {}
  onReadConfirmed(): void {}
  onLeadership(): void {}
  onDropped(): void {}
  nextReadAttempt = () => 0;
  onTurnEnd(): void {}
}

/** The turn that was asked for has run. */
const turn = () => new Promise(setImmediate);

async function leader() {
  const clock = new ManualClock();
  const storage = new MemoryLogStorage();
  storage.setConfState(new ConfState([1n]));
  const node = new RawNode({ id: 1n, storage, random: new SeededRandom(1) });
  const log = new HeldLog();
  const machine = new Recorder();
  const errors: unknown[] = [];
  const driver = new RaftDriver({
    clock,
    node,
    storage,
    log,
    transport: { send: () => undefined },
    machine,
    tickMs: 100,
    mainThreadSync: true,
    fatal: (error) => errors.push(error),
  });
  node.campaign();
  driver.start();
  await turn();
  let counter = 0;
  const propose = (count: number, name: string) => {
    for (let i = 0; i < count; i++) driver.propose(++counter, utf8(`${name}${i}`));
    return turn();
  };
  return { clock, log, machine, errors, propose };
}

function message(type: MessageType): RaftMessage {
  const m = new RaftMessage(type);
  m.from = 2n;
  m.to = 1n;
  m.term = 2;
  return m;
}

const LARGE = SYNC_BESIDE_ENTRIES + 1;

describe("RaftDriver", () => {
  it("does not say that entries behind a snapshot are committed before the log has them", async () => {
    const storage = new MemoryLogStorage();
    storage.setConfState(new ConfState([1n, 2n]));
    const node = new RawNode({ id: 1n, storage, random: new SeededRandom(1) });
    const written: string[] = [];
    const note = (name: string, state: HardState | undefined, entries: readonly Entry[]) => {
      written.push(`${name} commit=${state?.commit} entries=${entries.map(({ index }) => index)}`);
      return Promise.resolve();
    };
    const machine = Object.assign(new Recorder(), {
      announceSnapshot: ({ index }: Snapshot, state: HardState | undefined) =>
        note(`snapshot ${index}`, state, []),
      installSnapshot: () => Promise.resolve(),
    });
    const driver = new RaftDriver({
      clock: new ManualClock(),
      node,
      storage,
      log: {
        canSaveSync: false,
        saveSync: () => undefined,
        save: (state, entries) => note("log", state, entries),
      },
      transport: { send: () => undefined },
      machine,
      tickMs: 100,
      mainThreadSync: true,
      fatal: (error) => expect.fail(String(error)),
    });
    const snap = message(MessageType.Snap);
    snap.snapshot = new Snapshot(5, 2, new ConfState([1n, 2n]));
    const append = message(MessageType.App);
    append.index = 5;
    append.logTerm = 2;
    append.entries = [new Entry(2, 6, EntryType.Normal, utf8("six"))];
    append.commit = 6;
    driver.receive(snap);
    driver.receive(append);
    await turn();
    await turn();
    driver.stop();
    expect(written.slice(0, 2)).toEqual(["snapshot 5 commit=5 entries=", "log commit=6 entries=6"]);
    expect(machine.applied).toEqual(["six"]);
  });

  it("writes and applies a small batch in one turn", async () => {
    const { log, machine, propose } = await leader();
    await propose(3, "a");
    expect(machine.applied).toEqual(["a0", "a1", "a2"]);
    expect(log.savedHere).toContain(3);
    expect(log.savedBeside).toEqual([]);
  });

  it("applies a large batch while the next one is being synced, and that one only when it is durable", async () => {
    const { log, machine, errors, propose } = await leader();
    await propose(LARGE, "a");
    expect(log.savedBeside).toEqual([LARGE]);
    expect(machine.applied).toEqual([]);
    await propose(LARGE, "b");
    // It waits for the first: one write at a time.
    expect(log.savedBeside).toEqual([LARGE]);

    await log.endSave();
    expect(log.savedBeside).toEqual([LARGE, LARGE]);
    expect(machine.applied).toHaveLength(LARGE);
    expect(machine.applied.at(-1)).toBe(`a${LARGE - 1}`);

    await log.endSave();
    expect(machine.applied).toHaveLength(2 * LARGE);
    expect(machine.applied.at(-1)).toBe(`b${LARGE - 1}`);
    expect(errors).toEqual([]);
  });

  it("applies nothing of a batch whose sync never ends", async () => {
    const { clock, log, machine, propose } = await leader();
    await propose(LARGE, "a");
    await propose(1, "b");
    clock.advance(10_000);
    await turn();
    expect(log.savedBeside).toEqual([LARGE]);
    expect(machine.applied).toEqual([]);
  });
});
