// When members were up: a member's state may go back only to what is on its disk, and only by a restart.

import type { History, MemberEvent, Place } from "../history.js";

const ENDS: ReadonlySet<MemberEvent["kind"]> = new Set([
  "start",
  "crash",
  "power loss",
  "stop",
  "fatal",
  "start failed",
  "removed",
]);

export class Lives {
  private readonly turns = new Map<Place, number[]>();

  constructor(history: History) {
    for (const event of history.memberEvents) {
      if (!ENDS.has(event.kind)) continue;
      const times = this.turns.get(event.member);
      if (times === undefined) this.turns.set(event.member, [event.time]);
      else times.push(event.time);
    }
  }

  /** Whether a member ran from `from` to `to` without an end or a start in between. */
  isSame(member: Place, from: number, to: number): boolean {
    const times = this.turns.get(member);
    return times === undefined || !times.some((time) => time > from && time <= to);
  }
}
