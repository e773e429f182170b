// What all connections of one server (or of one client channel) share: the clock, the deadlines, the counters, the
// totals of buffered bytes, the flush at the end of a turn of the event loop, and the sweep that looks at every
// connection once a second for whatever has waited too long.

import type { Clock, Logger, Timer } from "#base";
import { type CutReason, TokenBucket } from "./abuse.js";
import { BUDGETS } from "./budgets.js";
import { DeadlineWheel } from "./deadlines.js";
import { clearOutputPools, trimOutputPools } from "./output-buffer.js";

/** What the group asks of its members. */
export interface GroupMember {
  readonly remote: string;
  /** Bytes queued on all streams of the connection. */
  readonly queuedBytes: number;
  flush(): void;
  /** Called once a second. */
  sweep(second: number): void;
  /** Gives the connection up at once. */
  cut(reason: CutReason, detail: string): void;
}

/** Plain counters, read when somebody scrapes them. */
export class TransportCounters {
  connectionsOpened = 0;
  connectionsOpen = 0;
  /** Bytes on the sockets, HTTP/2 framing included, TLS not. */
  socketBytesReceived = 0;
  socketBytesSent = 0;
  /** Bytes of gRPC messages, without their five-byte prefix. */
  messageBytesReceived = 0;
  messageBytesSent = 0;
  streamsOpened = 0;
  streamsRefused = 0;
  streamsStalled = 0;
  resetsReceived = 0;
  resetsSent = 0;
  pingsReceived = 0;
  /** Connections cut, by reason. */
  readonly cuts = new Map<CutReason, number>();
}

export class ConnectionGroup {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deadlines: DeadlineWheel;
  readonly counters = new TransportCounters();
  /** Sweeps so far: the coarse clock of everything that is measured in seconds. */
  second = 0;
  /** Over all connections: bytes of half-received messages, and bytes queued for sending. */
  assemblyBytes = 0;
  queuedBytes = 0;
  readonly members = new Set<GroupMember>();
  private dirty: GroupMember[] = [];
  private flushing: GroupMember[] = [];
  private flushScheduled = false;
  private timer: Timer | undefined = undefined;
  private readonly cutLog: TokenBucket;
  private cutLogSuppressed = 0;

  private readonly onNext = (): void => {
    this.flushScheduled = false;
    this.flush();
  };
  private readonly onSweep = (): void => {
    this.timer = undefined;
    this.sweep();
  };

  constructor(clock: Clock, logger: Logger) {
    this.clock = clock;
    this.logger = logger;
    this.deadlines = new DeadlineWheel(clock);
    this.cutLog = new TokenBucket(BUDGETS.cutLogBurst, BUDGETS.cutLogsPerSecond, 0);
  }

  add(member: GroupMember): void {
    this.members.add(member);
    this.counters.connectionsOpened++;
    this.counters.connectionsOpen++;
    if (this.timer === undefined) this.timer = this.clock.setTimer(BUDGETS.sweepMs, this.onSweep);
  }

  remove(member: GroupMember): void {
    if (!this.members.delete(member)) return;
    this.counters.connectionsOpen--;
    if (this.members.size > 0) return;
    // No sweep follows that would do it bit by bit.
    clearOutputPools();
    if (this.timer !== undefined) this.clock.clearTimer(this.timer);
    this.timer = undefined;
    this.deadlines.stop();
  }

  /** Has `member` flushed at the end of this turn of the event loop, or by `flush`, whichever comes first. */
  scheduleFlush(member: GroupMember): void {
    this.dirty.push(member);
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    this.clock.setNext(this.onNext);
  }

  /** Writes out what all connections have gathered. Whoever answers many calls at once ends with this. */
  flush(): void {
    const dirty = this.dirty;
    // A flush may ask for another one, which belongs to the next turn.
    this.dirty = this.flushing;
    for (let i = 0; i < dirty.length; i++) dirty[i].flush();
    dirty.length = 0;
    this.flushing = dirty;
  }

  /** Counts queued bytes (negative when they leave) and cuts the largest hoarder when the total is exceeded. */
  addQueuedBytes(bytes: number): void {
    this.queuedBytes += bytes;
    if (bytes <= 0 || this.queuedBytes <= BUDGETS.queuedBytesTotal) return;
    let largest: GroupMember | undefined;
    for (const member of this.members) {
      if (largest === undefined || member.queuedBytes > largest.queuedBytes) largest = member;
    }
    largest?.cut("queued-bytes", "the server holds too many bytes that nobody reads");
  }

  /** Counts a cut connection and writes its one log line, unless there are too many of them. */
  noteCut(remote: string, reason: CutReason, detail: string): void {
    this.counters.cuts.set(reason, (this.counters.cuts.get(reason) ?? 0) + 1);
    if (!this.cutLog.take(1, this.second)) {
      this.cutLogSuppressed++;
      return;
    }
    const suppressed = this.cutLogSuppressed;
    this.cutLogSuppressed = 0;
    this.logger.warn("closed a misbehaving connection", {
      "remote-addr": remote,
      reason,
      detail,
      ...(suppressed > 0 ? { suppressed } : {}),
    });
  }

  private sweep(): void {
    this.second++;
    for (const member of this.members) member.sweep(this.second);
    trimOutputPools();
    if (this.members.size > 0 && this.timer === undefined) {
      this.timer = this.clock.setTimer(BUDGETS.sweepMs, this.onSweep);
    }
  }
}

/** A budget in milliseconds as a count of sweeps. */
export function sweeps(ms: number): number {
  return Math.ceil(ms / BUDGETS.sweepMs);
}
