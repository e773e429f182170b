// Automatic compaction, on the leader only. Mode revision keeps the newest N revisions. Mode periodic keeps a span of time:
// revisions are sampled ten times a period, every six minutes for longer ones, and what was current a period ago is
// compacted to: first after a whole period, then once a period, or every hour if that is shorter.

import { create, toBinary } from "@bufbuild/protobuf";
import type { Timer } from "#base";
import { ErrCompacted, type RpcError, rpcpb } from "#proto";
import type { Member } from "./member.js";
import { Operation } from "./request.js";
import { type EntryOutcome, Waiter } from "./waiters.js";

const HOUR_MS = 3_600_000;
const REVISION_INTERVAL_MS = 300_000;
/** Samples between two compactions. */
const STEPS = 10;

/** What automatic compaction needs of the member. */
export type CompactingMember = Pick<Member, "config" | "clock" | "logger" | "isLeader" | "propose"> & {
  readonly store: { readonly currentRevision: number };
};

export class AutoCompactor {
  private readonly member: CompactingMember;
  private readonly intervalMs: number;
  /** Mode periodic: revisions of the kept span, oldest first; undefined in mode revision. */
  private readonly samples: number[] | undefined;
  private readonly samplesMax: number;
  /** Samples to take before the next compaction: those of a whole period at first. */
  private stepsLeft: number;
  private readonly keptRevisions: number;
  private timer: Timer | undefined;
  private lastRevision = 0;
  private underWay = false;

  /** @returns undefined when nothing is to be compacted automatically */
  static create(member: CompactingMember): AutoCompactor | undefined {
    return member.config.autoCompactionRetention > 0 ? new AutoCompactor(member) : undefined;
  }

  private constructor(member: CompactingMember) {
    this.member = member;
    const { autoCompactionMode, autoCompactionRetention } = member.config;
    const isPeriodic = autoCompactionMode === "periodic";
    this.intervalMs = isPeriodic ? Math.min(autoCompactionRetention, HOUR_MS) / STEPS : REVISION_INTERVAL_MS;
    const steps = Math.max(1, Math.floor(autoCompactionRetention / this.intervalMs));
    this.samples = isPeriodic ? [] : undefined;
    this.samplesMax = steps + 1;
    this.stepsLeft = isPeriodic ? steps : 0;
    this.keptRevisions = isPeriodic ? 0 : autoCompactionRetention;
  }

  start(): void {
    this.samples?.push(this.member.store.currentRevision);
    this.timer = this.member.clock.setTimer(this.intervalMs, () => this.tick());
  }

  stop(): void {
    if (this.timer !== undefined) this.member.clock.clearTimer(this.timer);
    this.timer = undefined;
  }

  onDone(revision: number, error: RpcError | undefined): void {
    this.underWay = false;
    // Somebody else has compacted that far: as good as done.
    if (error !== undefined && error !== ErrCompacted) {
      this.member.logger.warn("failed auto compaction", { revision, error: error.message });
      return;
    }
    this.lastRevision = revision;
    if (this.samples !== undefined) this.stepsLeft = STEPS;
    this.member.logger.info("completed auto compaction", { revision });
  }

  private tick(): void {
    this.timer = this.member.clock.setTimer(this.intervalMs, () => this.tick());
    const revision = this.target();
    if (revision <= this.lastRevision || this.underWay || !this.member.isLeader) return;
    this.underWay = true;
    this.member.logger.info("starting auto compaction", { revision });
    const request = create(rpcpb.CompactionRequestSchema, { revision: BigInt(revision) });
    const body = toBinary(rpcpb.CompactionRequestSchema, request);
    this.member.propose(Operation.Compaction, body, new AutoCompaction(this, revision));
  }

  /** The revision to compact to now; 0 for none. After a failure it is the next step's turn. */
  private target(): number {
    const { currentRevision } = this.member.store;
    const { samples } = this;
    if (samples === undefined) return Math.max(0, currentRevision - this.keptRevisions);
    const oldest = samples[0];
    samples.push(currentRevision);
    if (samples.length > this.samplesMax) samples.shift();
    if (this.stepsLeft > 0) this.stepsLeft--;
    return this.stepsLeft === 0 ? oldest : 0;
  }
}

class AutoCompaction extends Waiter {
  private readonly compactor: AutoCompactor;
  private readonly revision: number;

  constructor(compactor: AutoCompactor, revision: number) {
    super();
    this.compactor = compactor;
    this.revision = revision;
  }

  onApplied(outcome: EntryOutcome): void {
    this.compactor.onDone(this.revision, outcome.error);
  }

  onFailed(error: RpcError): void {
    this.compactor.onDone(this.revision, error);
  }
}
