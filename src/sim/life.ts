// One life of a member: from the start of its process to its stop or crash. Whatever belongs to a life, timers and disk
// operations and messages on their way in, comes to nothing once it is over; code that is still running in it is
// talking to nobody.

import type { Clock, Timer } from "#base";
import type { Configuration } from "#raft";
import type { RunningMember, Services } from "#server";
import { EventKind, SimEvent } from "./event-queue.js";
import type { Host } from "./host.js";
import type { World } from "./world.js";

export class Life {
  readonly host: Host;
  /** Counts the lives of its member from 1. */
  readonly number: number;
  readonly clock: Clock;
  isOver = false;
  /** The process does nothing before this time: it is paused, or a synchronous call takes that long. */
  busyUntil = 0;
  /** An injected disk failure makes it right for this life to end by itself. */
  diskFailed = false;
  running: RunningMember | undefined;
  /** Set once the member serves clients. */
  services: Services | undefined;
  /** To be called when the life is over: whoever holds a connection to it hears that it broke. */
  readonly onOver: (() => void)[] = [];
  /** What the step checks remember. */
  seenTerm = 0;
  seenCommit = 0;
  seenLast = 0;
  ledTerm = 0;
  wasLeader = false;
  appliedIndex = 0;
  /** In force since the last step, in order. */
  configurations: Configuration[] = [];

  constructor(host: Host, number: number, world: World) {
    this.host = host;
    this.number = number;
    this.clock = new VirtualClock(world, this, host.clockOffsetMs, host.clockRate, () => host.wallOffsetMs);
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const callback of this.onOver) callback();
  }
}

/** The clocks of one life. They run at their own rate; the monotonic one starts anywhere, the wall clock may be wrong. */
class VirtualClock implements Clock {
  private readonly world: World;
  private readonly life: Life;
  private readonly offsetMs: number;
  private readonly rate: number;
  private readonly wallOffsetMs: () => number;

  constructor(world: World, life: Life, offsetMs: number, rate: number, wallOffsetMs: () => number) {
    this.world = world;
    this.life = life;
    this.offsetMs = offsetMs;
    this.rate = rate;
    this.wallOffsetMs = wallOffsetMs;
  }

  now(): number {
    return this.offsetMs + Math.max(this.world.now, this.life.busyUntil) * this.rate;
  }

  wallTime(): number {
    return Math.floor(this.wallOffsetMs() + Math.max(this.world.now, this.life.busyUntil) * this.rate);
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const busy = Math.max(0, this.life.busyUntil - this.world.now);
    return this.world.after(busy + delayMs / this.rate, EventKind.Timer, callback, this.life);
  }

  clearTimer(timer: Timer): void {
    if (timer instanceof SimEvent) this.world.cancel(timer);
  }

  setNext(callback: () => void): void {
    this.world.after(0, EventKind.Next, callback, this.life);
  }
}
