// The committed log, replayed by the model: for each entry what it did, which revision it made, and when it was first
// applied anywhere. The entry's place in the log is its place in the total order, and the moment of its first application
// is its linearization point; that turns every question of a checker into a look-up.
//
// A history holds each entry once, as whoever was first applied it. Whether the others applied the same is another
// checker's business (agreement).

import type { History, Result, WatchEventRecord } from "../history.js";
import { opOfEntry } from "./entries.js";
import { type LoggedOp, Model } from "./model.js";
import { textOf } from "./op-text.js";

/** One entry of the log. */
export interface Step {
  readonly index: number;
  readonly term: number;
  /** First applied, or known to be committed, at this time. Never goes back along the log. */
  readonly time: number;
  readonly op: LoggedOp;
  readonly text: string;
  /** The revision before and after; equal when the entry made none. */
  readonly before: number;
  readonly after: number;
  readonly compactRevision: number;
  readonly result: Result | undefined;
  readonly error: string | undefined;
  readonly events: readonly WatchEventRecord[];
}

/** A lease from its grant to its end. */
export interface LeaseLife {
  readonly id: bigint;
  readonly ttl: number;
  readonly grant: Step;
  revoke: Step | undefined;
  /** Remaining times that checkpoints told, in order of the log. */
  readonly checkpoints: { readonly index: number; readonly time: number; readonly remainingTtl: number }[];
}

export class Replay {
  readonly steps: Step[] = [];
  /** The step that made revision r is at `r - 2`: the first write makes revision 2. */
  readonly revisions: Step[] = [];
  /** Entries that moved the compaction mark. */
  readonly compactions: Step[] = [];
  readonly leases: LeaseLife[] = [];
  readonly model: Model;

  constructor(history: History) {
    this.model = new Model(history.leaseTtlMin);
    const entries = Array.from(history.log.values()).sort((a, b) => a.index - b.index);
    // Whoever applies an entry has applied those before it, so an entry is committed by the time of a later one.
    const times = entries.map((entry) => entry.firstAppliedAt);
    for (let i = times.length - 2; i >= 0; i--) times[i] = Math.min(times[i], times[i + 1]);
    entries.forEach((entry, i) => {
      this.add(entry.index, entry.term, times[i], opOfEntry(entry));
    });
  }

  /** The step that made a revision, undefined if there is none. */
  madeBy(revision: number): Step | undefined {
    return this.revisions[revision - 2];
  }

  /** The last step that was applied somewhere before `time`, undefined if none was. */
  lastBefore(time: number): Step | undefined {
    return this.steps[this.countBefore(time, false) - 1];
  }

  /** The last step that was applied somewhere by `time`. */
  lastBy(time: number): Step | undefined {
    return this.steps[this.countBefore(time, true) - 1];
  }

  revisionBefore(time: number): number {
    return this.lastBefore(time)?.after ?? 1;
  }

  revisionBy(time: number): number {
    return this.lastBy(time)?.after ?? 1;
  }

  /** How many steps were applied somewhere before `time`, or by it. */
  countBefore(time: number, inclusive: boolean): number {
    let low = 0;
    let high = this.steps.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = this.steps[middle].time;
      if (at < time || (inclusive && at === time)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private add(index: number, term: number, time: number, op: LoggedOp): void {
    const { model } = this;
    const before = model.revision;
    const compactedBefore = model.compactRevision;
    const { result, error } = model.apply(op);
    const step: Step = {
      index,
      term,
      time,
      op,
      text: textOf(op),
      before,
      after: model.revision,
      compactRevision: model.compactRevision,
      result,
      error,
      events: model.lastEvents,
    };
    this.steps.push(step);
    if (step.after > before) this.revisions.push(step);
    if (model.compactRevision !== compactedBefore) this.compactions.push(step);
    if (error === undefined) this.noteLease(step);
  }

  private noteLease(step: Step): void {
    const { op, result } = step;
    if (op.type === "leaseGrant" && result?.type === "leaseGrant")
      this.leases.push({ id: op.id, ttl: result.ttl, grant: step, revoke: undefined, checkpoints: [] });
    else if (op.type === "leaseRevoke") {
      const life = this.liveLease(op.id);
      if (life !== undefined) life.revoke = step;
    } else if (op.type === "checkpoint") {
      for (const { id, remainingTtl } of op.checkpoints)
        this.liveLease(id)?.checkpoints.push({ index: step.index, time: step.time, remainingTtl });
    }
  }

  private liveLease(id: bigint): LeaseLife | undefined {
    return this.leases.findLast((life) => life.id === id && life.revoke === undefined);
  }
}

const replays = new WeakMap<History, Replay>();

/** The replay of a finished history; made once, however many checkers ask. */
export function replayOf(history: History): Replay {
  let replay = replays.get(history);
  if (replay === undefined) {
    replay = new Replay(history);
    replays.set(history, replay);
  }
  return replay;
}
