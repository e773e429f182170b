// Streams whose clients insist on a leader (metadata `hasleader`): a member that is cut off from its cluster would leave
// them waiting for ever. A call is refused at once when there is no leader; ending a stream costs its client more, so a
// stream is ended only when this member has looked for a leader three times, an election timeout apart, and found none.

import type { Clock } from "#base";
import { ErrNoLeader, type RpcError } from "#proto";

const LEADERLESS_MAX = 3;

/** Who knows whether there is a leader. */
export interface Leadership {
  readonly hasLeader: boolean;
}

export interface EndableStream {
  /** Ends with an error, and takes itself out of the guard. */
  end(error: RpcError): void;
}

export class LeaderGuard {
  private readonly leadership: Leadership;
  private readonly clock: Clock;
  private readonly intervalMs: number;
  private readonly streams = new Set<EndableStream>();
  /** Looks in a row that found no leader. */
  private leaderless = 0;
  private isWatching = false;

  /** @param electionTimeoutMs the pause between two looks */
  constructor(leadership: Leadership, clock: Clock, electionTimeoutMs: number) {
    this.leadership = leadership;
    this.clock = clock;
    this.intervalMs = electionTimeoutMs;
  }

  get size(): number {
    return this.streams.size;
  }

  add(stream: EndableStream): void {
    this.streams.add(stream);
    if (this.isWatching) return;
    this.leaderless = 0;
    this.watch();
  }

  remove(stream: EndableStream): void {
    this.streams.delete(stream);
  }

  private watch(): void {
    this.isWatching = true;
    this.clock.setTimer(this.intervalMs, () => this.look());
  }

  private look(): void {
    this.isWatching = false;
    if (this.streams.size === 0) return;
    this.leaderless = this.leadership.hasLeader ? 0 : this.leaderless + 1;
    if (this.leaderless < LEADERLESS_MAX) return this.watch();
    for (const stream of [...this.streams]) stream.end(ErrNoLeader);
  }
}
