// The queue of events: a binary heap ordered by (time, sequence). A cancelled event stays until its time comes and is then
// passed over.

import type { Life } from "./life.js";

export class SimEvent {
  time: number;
  sequence: number;
  /** The life of a member that this happens to, undefined for the world's own. */
  readonly life: Life | undefined;
  readonly kind: EventKind;
  /** Undefined once it ran or was cancelled. */
  run: (() => void) | undefined;

  constructor(time: number, sequence: number, life: Life | undefined, kind: EventKind, run: () => void) {
    this.time = time;
    this.sequence = sequence;
    this.life = life;
    this.kind = kind;
    this.run = run;
  }
}

/** What sort of thing an event is; goes into the trace's hash. */
export const EventKind = {
  Timer: 1,
  Next: 2,
  Disk: 3,
  Message: 4,
  Image: 5,
  Request: 6,
  Reply: 7,
  Client: 8,
  Fault: 9,
  Operator: 10,
  Host: 11,
  Phase: 12,
} as const;
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

export class EventQueue {
  private readonly heap: SimEvent[] = [];

  get length(): number {
    return this.heap.length;
  }

  peek(): SimEvent | undefined {
    return this.heap[0];
  }

  push(event: SimEvent): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = event;
  }

  pop(): SimEvent | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    const count = heap.length;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) break;
      if (child + 1 < count && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.time < b.time || (a.time === b.time && a.sequence < b.sequence);
}
