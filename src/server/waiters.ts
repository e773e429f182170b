// Requests that wait for their log entry to be applied. Counters of requests are consecutive, so the waiters stand in a
// ring, each in the place that its counter names, from the oldest that still waits to the newest. Every waiter gets the
// same patience, so the oldest is always the first to lose it, and one timer serves all. Hot: one add and one take per
// write (bench: put rows of `npm run bench`).

import { assert, slotsOf, type WireWriter } from "#base";
import type { RpcError } from "#proto";

/** What applying an entry gave. One instance is reused: it holds only during `onApplied`. */
export class EntryOutcome {
  /** A deterministic refusal: the same on every member, and itself the result of the entry. */
  error: RpcError | undefined = undefined;
  /** Revision for the response header; 0 when the operation has none of its own. */
  revision = 0;
  /** Fields of the response after the header, encoded; empty for most operations. */
  readonly body: WireWriter;

  constructor(body: WireWriter) {
    this.body = body;
  }

  reset(): void {
    this.error = undefined;
    this.revision = 0;
    this.body.reset();
  }
}

/** Somebody who proposed an entry. Exactly one of the two methods is called, once. */
export abstract class Waiter {
  /** Set by `Waiters.add`: milliseconds on the monotonic clock. */
  deadline = 0;

  abstract onApplied(outcome: EntryOutcome): void;
  /** The entry was not applied as far as this member knows: it may or may not take effect later. */
  abstract onFailed(error: RpcError): void;
}

const SLOTS_MIN = 1024;
/** A larger ring gives its memory back once nobody waits. */
const SLOTS_KEPT = 64 * 1024;

export class Waiters {
  private slots: (Waiter | undefined)[] = slotsOf(SLOTS_MIN, undefined);
  private mask = SLOTS_MIN - 1;
  /** Every waiter's counter is in [first, next); the place of `first` is taken unless nobody waits. */
  private first = 0;
  private next = 0;
  private count = 0;
  private readonly patienceMs: number;

  constructor(patienceMs: number) {
    this.patienceMs = patienceMs;
  }

  get size(): number {
    return this.count;
  }

  /** @param counter above that of every waiter so far */
  add(counter: number, waiter: Waiter, now: number): void {
    assert(counter >= this.next, "request counters ascend");
    waiter.deadline = now + this.patienceMs;
    if (this.count === 0) this.first = counter;
    while (counter - this.first >= this.slots.length) this.resize(this.slots.length * 2);
    this.slots[counter & this.mask] = waiter;
    this.next = counter + 1;
    this.count++;
  }

  /** Removes and returns the waiter, or undefined when it is another member's or has expired. */
  take(counter: number): Waiter | undefined {
    if (counter < this.first || counter >= this.next) return undefined;
    const at = counter & this.mask;
    const waiter = this.slots[at];
    if (waiter === undefined) return undefined;
    this.slots[at] = undefined;
    this.count--;
    if (counter === this.first) this.skipEmpty();
    return waiter;
  }

  /** Fails everyone whose patience has run out. */
  expire(now: number, error: RpcError): number {
    let expired = 0;
    while (this.count > 0 && this.slots[this.first & this.mask]!.deadline <= now) {
      this.take(this.first)!.onFailed(error);
      expired++;
    }
    return expired;
  }

  failAll(error: RpcError): void {
    // Only those who wait now: one that fails may add another.
    const end = this.next;
    while (this.count > 0 && this.first < end) this.take(this.first)!.onFailed(error);
  }

  private skipEmpty(): void {
    if (this.count === 0) {
      this.first = this.next;
      if (this.slots.length > SLOTS_KEPT) this.resize(SLOTS_MIN);
    } else while (this.slots[this.first & this.mask] === undefined) this.first++;
  }

  private resize(size: number): void {
    const { slots, mask } = this;
    this.slots = slotsOf(size, undefined);
    this.mask = size - 1;
    for (let counter = this.first; counter < this.next; counter++)
      this.slots[counter & this.mask] = slots[counter & mask];
  }
}
