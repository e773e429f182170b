// Requests that wait for their log entry to be applied. A waiter is found by the counter of its request id; the map
// keeps insertion order and every waiter gets the same patience, so the oldest entry is always the first to expire and
// one timer serves all deadlines. Hot: one add and one take per write.

import type { WireWriter } from "#base";
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

export class Waiters {
  private readonly waiting = new Map<number, Waiter>();
  private readonly patienceMs: number;

  constructor(patienceMs: number) {
    this.patienceMs = patienceMs;
  }

  get size(): number {
    return this.waiting.size;
  }

  add(counter: number, waiter: Waiter, now: number): void {
    waiter.deadline = now + this.patienceMs;
    this.waiting.set(counter, waiter);
  }

  /** Removes and returns the waiter, or undefined when it is another member's or has expired. */
  take(counter: number): Waiter | undefined {
    const waiter = this.waiting.get(counter);
    if (waiter !== undefined) this.waiting.delete(counter);
    return waiter;
  }

  /** Fails everyone whose patience has run out. */
  expire(now: number, error: RpcError): number {
    let expired = 0;
    for (const [counter, waiter] of this.waiting) {
      if (waiter.deadline > now) break;
      this.waiting.delete(counter);
      waiter.onFailed(error);
      expired++;
    }
    return expired;
  }

  failAll(error: RpcError): void {
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const waiter of all) waiter.onFailed(error);
  }
}
