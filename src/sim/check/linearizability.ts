// Strict serializability of the key-value operations. The committed log is the claimed total order, each entry's first
// application its linearization point; this checker verifies the claim:
//
//   1. Every answered write owns an entry whose outcome by the model is the response, first applied between call and
//      return. Points inside the intervals, in the order of the log, are a linearization: nothing has to be searched.
//   2. Every entry belongs to a call, each to another: nothing was made up, nothing happened twice, and what was refused
//      did not happen.
//   3. A linearizable read whose header says revision R returned the model's state at R (or at the older revision it asked
//      for), and R lies between the revision that was applied anywhere before the call and the one that was applied
//      anywhere by the return. The lower bound is stronger than "acknowledged before the call", and Raft's read index
//      gives it: whatever was applied was committed, and the leader that confirms the read knows of it.
//   4. A serializable read returned the state at some revision not newer than that.
//   5. What one member says of its revision never goes back while it runs.
//
// Failed and unknown calls may have happened or not: they own an entry or none. There is no third answer besides "linearizable"
// and "not": a response that the order cannot explain is a violation.
//
// Source: Herlihy and Wing, "Linearizability" (linearization points); Raft thesis §6.4 (read index).

import type { History, OperationRecord, RangeOp, RangeResult, Result, TxnResult } from "../history.js";
import type { Checker } from "./checker.js";
import { difference, revisionOf } from "./compare-results.js";
import { Lives } from "./lives.js";
import { isReadOnlyTxn, matchingOf } from "./matching.js";
import { Refusal } from "./model.js";
import { type Replay, replayOf } from "./replay.js";
import { Report } from "./report.js";

const NAME = "linearizability";

export const linearizability: Checker = {
  name: NAME,
  check(history) {
    const report = new Report(NAME);
    checkWrites(history, report);
    const reads = new Reads(history, report);
    for (const operation of history.operations) reads.check(operation);
    checkMemberRevisions(history, report);
    return report.violations;
  },
};

function isKvWrite(type: string): boolean {
  return type === "put" || type === "delete" || type === "txn" || type === "compact";
}

function checkWrites(history: History, report: Report): void {
  const matching = matchingOf(history);
  for (const { operation, reason, step } of matching.mismatches) {
    const { op, id, outcome, returnedAt } = operation;
    if (!isKvWrite(op.type)) continue;
    const what = outcome.kind === "ok" ? "answered" : "refused";
    report.add(`call ${id} (${op.type}) was ${what}, but ${reason}`, returnedAt, operation, step);
  }
  for (const step of matching.orphans) {
    if (!isKvWrite(step.op.type)) continue;
    const message = `entry ${step.index} (${step.op.type}) took effect at revision ${step.after}, but no call that could own it is left: it was never asked for, was refused, or happened twice`;
    report.add(message, step.time, step);
  }
}

class Reads {
  private readonly replay: Replay;
  private readonly report: Report;

  constructor(history: History, report: Report) {
    this.replay = replayOf(history);
    this.report = report;
  }

  check(operation: OperationRecord): void {
    const { op, outcome } = operation;
    const ranges = rangesOf(op);
    if (ranges === undefined) return;
    const isLocal = ranges.every((range) => range.serializable);
    if (outcome.kind === "ok") this.checkAnswer(operation, outcome.result, ranges, isLocal);
    else if (outcome.kind === "error" && outcome.isDefinite)
      this.checkRefusal(operation, outcome.message, ranges, isLocal);
  }

  private checkAnswer(
    operation: OperationRecord,
    result: Result,
    ranges: readonly RangeOp[],
    isLocal: boolean,
  ): void {
    const { op, id, calledAt, returnedAt } = operation;
    const { replay, report } = this;
    const revision = revisionOf(result) ?? 0;
    const newest = replay.revisionBy(returnedAt);
    if (revision < 1 || revision > newest)
      return report.add(
        `read ${id} says revision ${revision}, but ${newest} was the newest`,
        returnedAt,
        operation,
      );
    const before = replay.lastBefore(calledAt);
    if (!isLocal && before !== undefined) {
      if (revision < before.after) {
        const message = `stale read: call ${id} says revision ${revision}, but ${before.after} was applied before the call`;
        report.add(message, returnedAt, operation, before);
      }
      const old = ranges.find((range) => range.revision > 0 && range.revision < before.compactRevision);
      if (old !== undefined && op.type === "range")
        report.add(
          `read ${id} of revision ${old.revision} was answered, but ${before.compactRevision} was compacted before`,
          returnedAt,
          operation,
        );
    }
    const expected = this.expected(op, revision);
    const found = expected === undefined ? undefined : difference(op, expected, result);
    if (found !== undefined)
      report.add(`read ${id} at revision ${revision}: ${found}`, returnedAt, operation, expected);
  }

  private expected(op: OperationRecord["op"], revision: number): RangeResult | TxnResult | undefined {
    if (op.type === "range") return this.replay.model.range(op, revision);
    return op.type === "txn" ? this.replay.model.readTxn(op, revision) : undefined;
  }

  /** A read may be refused for its revision alone, and only if that was out of bounds at some moment of the call. */
  private checkRefusal(
    operation: OperationRecord,
    message: string,
    ranges: readonly RangeOp[],
    isLocal: boolean,
  ): void {
    const { id, calledAt, returnedAt } = operation;
    if (message === Refusal.Compacted) {
      const mark = this.replay.lastBy(returnedAt)?.compactRevision ?? -1;
      // In a transaction a negative revision counts as compacted.
      if (!ranges.some((range) => range.revision !== 0 && range.revision < mark))
        this.report.add(`read ${id} was refused as compacted, but only ${mark} was`, returnedAt, operation);
    } else if (message === Refusal.FutureRev) {
      const least = isLocal ? 1 : this.replay.revisionBefore(calledAt);
      if (!ranges.some((range) => range.revision > least))
        this.report.add(
          `read ${id} was refused as of the future, but ${least} was there`,
          returnedAt,
          operation,
        );
    }
  }
}

/** The ranges of a call that only reads, undefined for any other call. */
function rangesOf(op: OperationRecord["op"]): readonly RangeOp[] | undefined {
  if (op.type === "range") return [op];
  if (op.type !== "txn" || !isReadOnlyTxn(op)) return undefined;
  return [...op.success, ...op.failure].filter((inner): inner is RangeOp => inner.type === "range");
}

/** A member that said R never says less to a call that came after; only a restart may take it back to what is on disk. */
function checkMemberRevisions(history: History, report: Report): void {
  const lives = new Lives(history);
  const returns: OperationRecord[] = [];
  for (const operation of history.operations)
    if (operation.outcome.kind === "ok" && saysRevision(operation.outcome.result)) returns.push(operation);
  const calls = returns.slice().sort((a, b) => a.calledAt - b.calledAt);
  returns.sort((a, b) => a.returnedAt - b.returnedAt);
  const highest = new Map<number, OperationRecord>();
  let next = 0;
  for (const call of calls) {
    for (; next < returns.length && returns[next].returnedAt < call.calledAt; next++) {
      const known = highest.get(returns[next].member);
      const isNewer =
        known === undefined ||
        saidRevision(returns[next]) >= saidRevision(known) ||
        !lives.isSame(known.member, known.calledAt, returns[next].calledAt);
      if (isNewer) highest.set(returns[next].member, returns[next]);
    }
    const earlier = highest.get(call.member);
    if (earlier === undefined || saidRevision(call) >= saidRevision(earlier)) continue;
    if (!lives.isSame(call.member, earlier.calledAt, call.returnedAt)) continue;
    const message = `member ${call.member} said revision ${saidRevision(earlier)}, and later ${saidRevision(call)}`;
    report.add(message, call.returnedAt, earlier, call);
  }
}

function saysRevision(result: Result): boolean {
  return result.type !== "leaseKeepAlive" && (revisionOf(result) ?? 0) > 0;
}

function saidRevision({ outcome }: OperationRecord): number {
  return outcome.kind === "ok" ? (revisionOf(outcome.result) ?? 0) : 0;
}
