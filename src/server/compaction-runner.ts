// Carries out compactions that the log has decided. Each member deletes at its own pace; only the decision is replicated.
//
// The pace is that of one batch for every sleep interval, as long as nobody notices. It is kept in slices as small as a timer
// allows, not in whole batches: a request passes through several turns of the event loop, and would meet a slice of the
// same batch in each. How much fits into a slice is learned from the last ones, since a record costs ten times as much while
// the code is cold, or its page is not in memory. (bench: puts during compaction, scale section of `npm run bench`)

import type { Timer } from "#base";
import { CompactionProgress } from "#mvcc";
import type { ServerConfig } from "./config.js";
import { exponentialBounds, Histogram } from "./histogram.js";
import type { Member } from "./member.js";

/** The shortest rest between two slices. */
const REST_MS_MIN = 1;
/** What a slice may take, and how much more after a longer rest: a busy loop leaves milliseconds between two. */
const SLICE_MS = 0.5;
const SLICE_SHARE = 0.1;
/** A slice makes some progress whatever a record costs. */
const SLICE_MIN = 16;
/** Looked at in one slice when there is to be no rest. */
const RESTLESS_SLICE = 200;
/** What a record is taken to cost before the first. */
const COLD_MS = 0.02;

export class CompactionRunner {
  private readonly member: Member;
  private readonly batch: number;
  private readonly pauseMs: number;
  private timer: Timer | undefined;
  private running = false;
  private stopped = false;
  private began = 0;
  private sliceEndedAt = 0;
  /** Of a key or record in the last slices. */
  private costMs = COLD_MS;
  /** Unix seconds; 0 before the first. */
  lastFinishedAt = 0;
  /** Waiting for a physical compaction: callbacks by revision. */
  private waiting: { readonly revision: number; readonly callback: () => void }[] = [];
  readonly pauses = new Histogram(exponentialBounds(1, 2, 13));
  readonly totals = new Histogram(exponentialBounds(100, 2, 14));
  private readonly runSlice = (): void => this.slice();

  constructor(member: Member, config: ServerConfig) {
    this.member = member;
    this.batch = config.compactionBatchLimit;
    this.pauseMs = config.compactionSleepIntervalMs;
  }

  /** Goes on with what a restart interrupted. */
  start(): void {
    this.wake();
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== undefined) this.member.clock.clearTimer(this.timer);
    this.timer = undefined;
    this.waiting = [];
  }

  onScheduled(): void {
    this.wake();
  }

  /** Calls back once everything below `revision` is deleted. */
  onceFinished(revision: number, callback: () => void): void {
    if (this.member.store.finishedCompactRevision >= revision) callback();
    else this.waiting.push({ revision, callback });
  }

  private wake(): void {
    if (this.running || this.stopped) return;
    this.running = true;
    this.began = this.member.clock.now();
    this.sliceEndedAt = this.began;
    this.member.clock.setNext(this.runSlice);
  }

  private slice(): void {
    if (this.stopped) return;
    const { clock, store } = this.member;
    const began = clock.now();
    const budget = this.budget(began - this.sliceEndedAt);
    const progress = store.compactionStep(budget);
    this.sliceEndedAt = clock.now();
    const took = this.sliceEndedAt - began;
    this.pauses.observe(took);
    this.learn(took / budget);
    if (progress === CompactionProgress.Idle) {
      this.running = false;
      return;
    }
    if (progress === CompactionProgress.Finished) this.finished();
    this.rest(progress === CompactionProgress.Waiting);
  }

  /** Keys or records for a slice after so much rest. */
  private budget(restedMs: number): number {
    if (this.pauseMs === 0) return Math.min(RESTLESS_SLICE, this.batch);
    const due = (this.batch * restedMs) / this.pauseMs;
    const unnoticed = Math.max((SLICE_MS + SLICE_SHARE * restedMs) / this.costMs, SLICE_MIN);
    return Math.max(Math.floor(Math.min(due, unnoticed, this.batch)), 1);
  }

  /** Dearer at once, cheaper bit by bit. */
  private learn(costMs: number): void {
    this.costMs = costMs > this.costMs ? costMs : (3 * this.costMs + costMs) / 4;
  }

  private rest(isWaiting: boolean): void {
    const { clock } = this.member;
    if (this.pauseMs === 0 && !isWaiting) return clock.setNext(this.runSlice);
    const ms = isWaiting ? this.pauseMs : this.pauseMs / this.batch;
    this.timer = clock.setTimer(Math.max(ms, REST_MS_MIN), this.runSlice);
  }

  private finished(): void {
    const { clock, logger, store } = this.member;
    const took = clock.now() - this.began;
    this.began = clock.now();
    this.lastFinishedAt = Math.floor(clock.wallTime() / 1000);
    this.totals.observe(took);
    const revision = store.finishedCompactRevision;
    const hash = store.compactionHashes().at(-1);
    logger.info("finished scheduled compaction", {
      "compact-revision": revision,
      took: `${took.toFixed(3)}ms`,
      hash: hash?.revision === revision ? hash.hash : undefined,
    });
    const done = this.waiting.filter((one) => one.revision <= revision);
    this.waiting = this.waiting.filter((one) => one.revision > revision);
    for (const one of done) one.callback();
  }
}
