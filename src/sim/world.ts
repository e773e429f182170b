// The world: one virtual time, one queue of events, one trace. Everything that happens in a simulation is an event, in the
// order of time and, at the same time, of scheduling. Between two events everything that the product has left in promises
// runs to its end, so an event and what follows from it without waiting are one step.
//
// The product never waits for anything real here, so its promises are settled by events and continue as microtasks. Node
// drains those between two callbacks of setImmediate; `run` therefore makes every event such a callback, many of them
// queued at once because a round of the real event loop costs more than an event does.

import { SeededRandom } from "#base";
import { type EventKind, EventQueue, SimEvent } from "./event-queue.js";
import type { Life } from "./life.js";
import type { Trace } from "./trace.js";

/** Callbacks queued with Node at once. */
const BATCH = 256;
/** So many events at one moment mean that somebody asks for the next turn for ever. */
const EVENTS_PER_MOMENT_MAX = 200_000;

export class World {
  /** Milliseconds since the beginning. */
  now = 0;
  events = 0;
  readonly trace: Trace;
  /** Called after each step of a member. */
  afterStep: (life: Life) => void = () => {};
  private readonly seed: number;
  private readonly queue = new EventQueue();
  private sequence = 0;
  private inMoment = 0;

  constructor(seed: number, trace: Trace) {
    this.seed = seed;
    this.trace = trace;
  }

  /** A generator of its own for each part, so that a part that is switched off changes little for the others. */
  fork(name: string): SeededRandom {
    let mixed = this.seed | 0;
    for (let i = 0; i < name.length; i++) mixed = Math.imul(mixed ^ name.charCodeAt(i), 0x01000193);
    return new SeededRandom(mixed);
  }

  /** Calls `run` after `delayMs`; if a life is named, only while it lasts and is not busy or paused. */
  after(delayMs: number, kind: EventKind, run: () => void, life?: Life): SimEvent {
    const event = new SimEvent(this.now + Math.max(0, delayMs), this.sequence++, life, kind, run);
    this.queue.push(event);
    return event;
  }

  cancel(event: SimEvent): void {
    event.run = undefined;
  }

  /** Resolves after `delayMs`; never, if the life ends before. */
  sleep(delayMs: number, kind: EventKind, life?: Life): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, kind, resolve, life);
    });
  }

  say(text: () => string): void {
    if (this.trace.isVerbose) this.trace.say(this.now, text());
  }

  /** Runs events until `isDone` says so, asked after each of them. Rejects with what an event throws. */
  run(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const step = (): void => {
        if (isOver) return;
        try {
          if (isDone()) {
            isOver = true;
            resolve();
          } else this.step();
        } catch (error) {
          isOver = true;
          reject(error);
        }
      };
      const pump = (): void => {
        if (isOver) return;
        for (let i = 0; i < BATCH; i++) setImmediate(step);
        setImmediate(pump);
      };
      pump();
    });
  }

  private step(): void {
    const event = this.queue.pop();
    if (event === undefined) throw new Error("the simulated world has come to a standstill");
    const { run, life } = event;
    if (run === undefined || life?.isOver === true) return;
    if (event.time === this.now) this.guardMoment();
    else this.inMoment = 0;
    this.now = event.time;
    if (life !== undefined && life.busyUntil > this.now) return this.postpone(event, life.busyUntil);
    event.run = undefined;
    this.events++;
    this.trace.mix(this.now, event.kind * 64 + (life === undefined ? 63 : life.host.place));
    run();
    if (life !== undefined) this.afterStep(life);
  }

  /** The process is busy or stopped: what comes in waits, in order. */
  private postpone(event: SimEvent, until: number): void {
    event.time = until;
    event.sequence = this.sequence++;
    this.queue.push(event);
  }

  private guardMoment(): void {
    if (++this.inMoment > EVENTS_PER_MOMENT_MAX) throw new Error("time stands still: somebody never stops");
  }
}
