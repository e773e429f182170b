// What this member proposed and has no result for yet: admission, the id that an entry carries, and whoever waits for it.
// The id's prefix says which member proposed an entry, since when it was started; its counter finds the waiter. Hot: one
// proposal and one take per write (bench: put rows of `npm run bench`).

import {
  ConfChange,
  type ConfChangeType,
  ErrNoLeader,
  ErrRequestTooLarge,
  ErrRequestTooManyRequests,
  ErrStopped,
  ErrTimeout,
  type MemberId,
  type RpcError,
  StatusCode,
} from "#proto";
import { STEP_RESULT_TEXTS, StepResult } from "#raft";
import type { StorageBackend } from "#storage";
import type { RaftDriver } from "./driver.js";
import { BACKEND_BACKLOG_MAX, PROPOSAL_BACKLOG_BYTES_MAX, PROPOSALS_MAX } from "./limits.js";
import type { MemberMetrics } from "./member-metrics.js";
import { RequestIds, wrapRequest } from "./request.js";
import { type Waiter, Waiters } from "./waiters.js";

/** Raft refused a proposal for good; the text is raft's own and has no row, so it goes out as Unknown. */
const DROPPED: RpcError = Object.freeze({
  name: "ProposalDropped",
  code: StatusCode.Unknown,
  message: STEP_RESULT_TEXTS[StepResult.ProposalDropped],
});

/** A clock that need not be exact. */
export interface CoarseClock {
  readonly now: number;
}

export class Proposals {
  private readonly driver: RaftDriver;
  private readonly backend: StorageBackend;
  private readonly metrics: MemberMetrics;
  private readonly clock: CoarseClock;
  private readonly requestBytesMax: number;
  private readonly ids: RequestIds;
  private readonly waiters: Waiters;
  private stopped = false;

  constructor(parts: {
    driver: RaftDriver;
    backend: StorageBackend;
    metrics: MemberMetrics;
    clock: CoarseClock;
    requestBytesMax: number;
    localId: MemberId;
    /** Milliseconds of the time of day; tells this start of the member from earlier ones. */
    startedAt: number;
    patienceMs: number;
  }) {
    this.driver = parts.driver;
    this.backend = parts.backend;
    this.metrics = parts.metrics;
    this.clock = parts.clock;
    this.requestBytesMax = parts.requestBytesMax;
    this.ids = new RequestIds(Number(parts.localId & 0x7fffn), parts.startedAt);
    this.waiters = new Waiters(parts.patienceMs);
  }

  /** Proposals that have no result yet. */
  get pending(): number {
    return this.waiters.size;
  }

  /** As `Member.propose`. */
  propose(field: number, body: Uint8Array, waiter: Waiter, onlyAsLeader: boolean): void {
    const refusal = this.refuses(body.length);
    if (refusal !== undefined) return waiter.onFailed(refusal);
    const counter = this.ids.next();
    const data = wrapRequest(this.ids.prefix, counter, field, body, 0, body.length);
    if (data.length > this.requestBytesMax) return waiter.onFailed(ErrRequestTooLarge);
    this.waiters.add(counter, waiter, this.clock.now);
    if (onlyAsLeader) this.driver.proposeAsLeader(counter, data);
    else this.driver.propose(counter, data);
  }

  /** As `Member.proposeConfChange`. */
  proposeConfChange(type: ConfChangeType, nodeId: MemberId, context: Uint8Array, waiter: Waiter): void {
    if (this.stopped) return waiter.onFailed(ErrStopped);
    const counter = this.ids.next();
    const id = (BigInt(this.ids.prefix) << 48n) | BigInt(counter);
    this.waiters.add(counter, waiter, this.clock.now);
    if (!this.driver.proposeConfChange(new ConfChange(id, type, nodeId, context))) this.onDropped(counter);
  }

  /** Whoever waits for the entry with this id; undefined if another member proposed it, or nobody waits any more. */
  take(prefix: number, counter: number): Waiter | undefined {
    return prefix === this.ids.prefix ? this.waiters.take(counter) : undefined;
  }

  /** As `take`, for the id of a configuration change, which is one number. */
  takeConfChange(id: bigint): Waiter | undefined {
    return this.take(Number(id >> 48n), Number(id & 0xffffffffffffn));
  }

  /** Raft refused a proposal; it never entered the log. */
  onDropped(counter: number): void {
    this.metrics.proposalsFailed++;
    this.waiters.take(counter)?.onFailed(this.driver.hasLeader ? DROPPED : ErrNoLeader);
  }

  /** Fails those whose patience has run out. */
  expire(now: number): void {
    this.metrics.proposalsFailed += this.waiters.expire(now, ErrTimeout);
  }

  /** Fails everybody who waits, and from now on whoever proposes. */
  stop(): void {
    this.stopped = true;
    this.waiters.failAll(ErrStopped);
  }

  private refuses(bytes: number): RpcError | undefined {
    if (this.stopped) return ErrStopped;
    if (this.waiters.size >= PROPOSALS_MAX) return ErrRequestTooManyRequests;
    if (this.backend.pendingWrites > BACKEND_BACKLOG_MAX) return ErrRequestTooManyRequests;
    if (this.driver.backlogBytes + bytes > PROPOSAL_BACKLOG_BYTES_MAX) return ErrRequestTooManyRequests;
    return undefined;
  }
}
