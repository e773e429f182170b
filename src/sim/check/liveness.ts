// The second phase of a run has no faults and a majority that is up: there everything must finish.
//
//   1. Every call made in it is answered, with whatever answer, in 10 s; calls of the first phase are not open for ever.
//   2. Writes succeed again: not every one of them may be refused once the cluster had time to settle.
//   3. No member ends in it, and all members are there at the end.
//   4. A leader that is taken away in it, with one member deaf and a majority whole, is replaced in 10 s.
//
// That lagging members catch up shows in "agreement", that watches drain in "watch", that leases end in "lease".

import type { History, OperationRecord } from "../history.js";
import type { Checker } from "./checker.js";
import { isWrite } from "./matching.js";
import { Report } from "./report.js";

const NAME = "liveness";
const ANSWER_MS = 10_000;
const ELECTION_MS = 10_000;
/** Time to elect a leader, several times over if votes split, and to reconnect. */
const SETTLE_ELECTIONS = 10;

export const liveness: Checker = {
  name: NAME,
  check(history) {
    const report = new Report(NAME);
    if (history.livenessFrom === 0) return report.violations;
    const settledFrom = history.livenessFrom + SETTLE_ELECTIONS * history.electionTimeoutMs;
    for (const operation of history.operations) checkAnswered(operation, settledFrom, history, report);
    checkWritesSucceed(history, settledFrom, report);
    checkLeaderReplaced(history, report);
    for (const event of history.memberEvents) {
      if (event.time < settledFrom || (event.kind !== "fatal" && event.kind !== "start failed")) continue;
      report.add(`member ${event.member} ended in the fault-free phase: ${event.detail}`, event.time, event);
    }
    if (history.endedAt > 0 && history.finals.length === 0)
      report.add("no member was there at the end", history.endedAt);
    return report.violations;
  },
};

function checkAnswered(
  operation: OperationRecord,
  settledFrom: number,
  history: History,
  report: Report,
): void {
  const { id, op, calledAt, returnedAt, member } = operation;
  const waited = Math.min(returnedAt, history.endedAt) - Math.max(calledAt, settledFrom);
  const isOpen = returnedAt === Number.POSITIVE_INFINITY;
  if (waited > ANSWER_MS)
    report.add(
      `call ${id} (${op.type} to member ${member}) had no answer for ${Math.round(waited)} ms`,
      returnedAt,
      operation,
    );
  else if (isOpen && history.quietFrom > 0)
    report.add(
      `call ${id} (${op.type} to member ${member}) is still open at the end`,
      history.endedAt,
      operation,
    );
}

function checkLeaderReplaced({ leaderlessFrom, memberEvents }: History, report: Report): void {
  for (const from of leaderlessFrom) {
    const successor = memberEvents.find(({ time, kind }) => kind === "leader" && time > from);
    if (successor === undefined || successor.time - from > ELECTION_MS)
      report.add("a whole majority went without a leader for more than 10 s", from, successor);
  }
}

function checkWritesSucceed(history: History, settledFrom: number, report: Report): void {
  const writes = history.operations.filter(({ op, calledAt }) => isWrite(op) && calledAt >= settledFrom);
  const hasEnough = writes.length >= 5;
  // A refusal for its content is as good an answer as any; one for want of a leader or of time is not.
  if (
    !hasEnough ||
    writes.some(({ outcome }) => outcome.kind === "ok" || (outcome.kind === "error" && outcome.isDefinite))
  )
    return;
  report.add(
    `none of ${writes.length} writes of the fault-free phase was carried out`,
    settledFrom,
    writes[0],
  );
}
