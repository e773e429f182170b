// Carries out compactions that the log has decided: in batches with pauses between them, so that requests go on. Each
// member deletes at its own pace; only the decision is replicated.

import type { Timer } from "#base";
import { CompactionProgress } from "#mvcc";
import type { ServerConfig } from "./config.js";
import { exponentialBounds, Histogram } from "./histogram.js";
import type { Member } from "./member.js";

/** Looked at in one slice of the event loop; a batch is made of as many slices as it needs. */
const SLICE = 200;

export class CompactionRunner {
  private readonly member: Member;
  private readonly batch: number;
  private readonly pauseMs: number;
  private timer: Timer | undefined;
  private running = false;
  private stopped = false;
  private began = 0;
  /** Unix seconds; 0 before the first. */
  lastFinishedAt = 0;
  private batchLeft = 0;
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
    this.batchLeft = this.batch;
    this.member.clock.setNext(this.runSlice);
  }

  private slice(): void {
    if (this.stopped) return;
    const { clock, store } = this.member;
    const began = clock.now();
    const budget = Math.min(SLICE, this.batchLeft);
    const progress = store.compactionStep(budget);
    this.pauses.observe(clock.now() - began);
    this.batchLeft -= budget;
    switch (progress) {
      case CompactionProgress.Idle:
        this.running = false;
        return;
      case CompactionProgress.Finished:
        this.finished();
        this.batchLeft = this.batch;
        clock.setNext(this.runSlice);
        return;
      case CompactionProgress.Waiting:
        return this.pause();
      default:
        if (this.batchLeft > 0) clock.setNext(this.runSlice);
        else this.pause();
    }
  }

  private pause(): void {
    this.batchLeft = this.batch;
    this.timer = this.member.clock.setTimer(this.pauseMs, this.runSlice);
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
