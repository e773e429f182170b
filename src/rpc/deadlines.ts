// One timer for all deadlines. A wheel of slots, each a list of the calls that are due in it; arming and disarming a
// call is a few pointer writes. The timer is set to the next slot that holds anything and not at all when none does.
//
// Deadlines beyond one turn of the wheel stay in their slot and are looked at once per turn. A call fires never early
// and late by at most one slot plus the lateness of the event loop.

import type { Clock, Timer } from "#base";

const SLOT_MS = 5;
const SLOTS = 1024;
const MASK = SLOTS - 1;

/** Something with a deadline. Extend it: the links are part of the object, so arming allocates nothing. */
export abstract class Deadline {
  /** When it is due, by `Clock.now()`; Infinity when it is not armed. */
  dueAt = Number.POSITIVE_INFINITY;
  private wheelNext: Deadline | undefined = undefined;
  private wheelPrev: Deadline | undefined = undefined;
  private wheelSlot = -1;

  /** Called once, when the deadline has passed; the object is disarmed before. */
  abstract onDeadline(): void;

  static link(item: Deadline, slots: (Deadline | undefined)[], slot: number): void {
    const head = slots[slot];
    item.wheelSlot = slot;
    item.wheelPrev = undefined;
    item.wheelNext = head;
    if (head !== undefined) head.wheelPrev = item;
    slots[slot] = item;
  }

  /** Takes the item out of its slot; false when it was in none. */
  static unlink(item: Deadline, slots: (Deadline | undefined)[]): boolean {
    if (item.wheelSlot < 0) return false;
    if (item.wheelPrev === undefined) slots[item.wheelSlot] = item.wheelNext;
    else item.wheelPrev.wheelNext = item.wheelNext;
    if (item.wheelNext !== undefined) item.wheelNext.wheelPrev = item.wheelPrev;
    item.wheelNext = undefined;
    item.wheelPrev = undefined;
    item.wheelSlot = -1;
    return true;
  }

  static next(item: Deadline): Deadline | undefined {
    return item.wheelNext;
  }
}

export class DeadlineWheel {
  private readonly clock: Clock;
  private readonly slots: (Deadline | undefined)[] = new Array(SLOTS).fill(undefined);
  private count = 0;
  /** The slot number (time / SLOT_MS, not wrapped) up to which everything due has fired. */
  private done: number;
  private timer: Timer | undefined = undefined;
  /** The slot number that the timer is set for. */
  private timerSlot = 0;
  private readonly onTimer = (): void => {
    this.timer = undefined;
    this.advance();
  };

  constructor(clock: Clock) {
    this.clock = clock;
    this.done = Math.floor(clock.now() / SLOT_MS);
  }

  get armed(): number {
    return this.count;
  }

  /** Arms `item` for `dueAt` (by `Clock.now()`), replacing what was armed before. */
  arm(item: Deadline, dueAt: number): void {
    this.disarm(item);
    if (this.count === 0) this.done = Math.floor(this.clock.now() / SLOT_MS);
    item.dueAt = dueAt;
    const slot = Math.max(Math.ceil(dueAt / SLOT_MS), this.done + 1);
    Deadline.link(item, this.slots, slot & MASK);
    this.count++;
    const wakeAt = Math.min(slot, this.done + SLOTS);
    if (this.timer === undefined || wakeAt < this.timerSlot) this.setTimer(wakeAt);
  }

  disarm(item: Deadline): void {
    item.dueAt = Number.POSITIVE_INFINITY;
    if (!Deadline.unlink(item, this.slots)) return;
    this.count--;
  }

  /** Stops the timer; nothing fires any more. */
  stop(): void {
    if (this.timer !== undefined) this.clock.clearTimer(this.timer);
    this.timer = undefined;
  }

  /** Fires what is due by now and sets the timer for what comes next. */
  private advance(): void {
    const now = this.clock.now();
    const upTo = Math.floor(now / SLOT_MS);
    // After a pause longer than a turn of the wheel every slot is looked at once.
    const first = Math.max(this.done + 1, upTo - SLOTS + 1);
    this.done = upTo;
    for (let slot = first; slot <= upTo && this.count > 0; slot++) this.fireSlot(slot & MASK, now);
    if (this.count > 0 && this.timer === undefined) this.setTimer(this.nextOccupied());
  }

  private fireSlot(slot: number, now: number): void {
    // A callback may disarm any other item, so the walk starts over after each one that fires.
    let item = this.slots[slot];
    while (item !== undefined) {
      if (item.dueAt > now) {
        item = Deadline.next(item);
        continue;
      }
      this.disarm(item);
      item.onDeadline();
      item = this.slots[slot];
    }
  }

  private nextOccupied(): number {
    for (let slot = this.done + 1; slot < this.done + SLOTS; slot++) {
      if (this.slots[slot & MASK] !== undefined) return slot;
    }
    return this.done + SLOTS;
  }

  private setTimer(slot: number): void {
    if (this.timer !== undefined) this.clock.clearTimer(this.timer);
    this.timerSlot = slot;
    this.timer = this.clock.setTimer(Math.max(0, Math.ceil(slot * SLOT_MS - this.clock.now())), this.onTimer);
  }
}
