// All members are the same state machine.
//
//   1. Whoever applies an entry applies the same entry with the same outcome as everybody else (the apply-hash chain:
//      the outcome is part of the comparison, since members may differ in what they would do next before they differ in
//      what they hold).
//   2. Within a life entries are applied in order, each once. (One that was left out shows in the outcomes that follow.)
//   3. HashKV at equal revisions and marks is equal, whenever and wherever it was asked for.
//   4. At rest all members hold the same: index, revision, compaction mark, hash, membership, leases, alarms; and what
//      the model makes of the log, as far as the model goes.

import type { AppliedRecord, FinalState, HashKvResult, History, OperationRecord } from "../history.js";
import type { Checker } from "./checker.js";
import { replayOf } from "./replay.js";
import { Report } from "./report.js";

const NAME = "agreement";

export const agreement: Checker = {
  name: NAME,
  check(history) {
    const report = new Report(NAME);
    checkChain(history, report);
    checkOrder(history, report);
    checkHashes(history, report);
    checkFinals(history, report);
    checkModel(history, report);
    return report.violations;
  },
};

function checkChain(history: History, report: Report): void {
  for (const record of history.applied) {
    const entry = history.log.get(record.index);
    if (entry === undefined) {
      report.add(
        `member ${record.member} applied entry ${record.index}, which nobody recorded`,
        record.time,
        record,
      );
      continue;
    }
    const who = `member ${record.member} (life ${record.life})`;
    const other = `member ${entry.firstAppliedBy}`;
    if (entry.term !== record.term || entry.entryHash !== record.entryHash)
      report.add(`${who} applied another entry ${record.index} than ${other}`, record.time, entry, record);
    else if (entry.resultHash !== record.resultHash)
      report.add(
        `entry ${record.index} had another outcome on ${who} than on ${other}`,
        record.time,
        entry,
        record,
      );
  }
}

function checkOrder(history: History, report: Report): void {
  const last = new Map<number, AppliedRecord>();
  for (const record of history.applied) {
    const previous = last.get(record.member);
    last.set(record.member, record);
    if (previous === undefined || previous.life !== record.life) continue;
    const who = `member ${record.member} (life ${record.life})`;
    if (record.index <= previous.index) {
      report.add(
        `${who} applied entry ${record.index} after ${previous.index}`,
        record.time,
        previous,
        record,
      );
    }
  }
}

function checkHashes(history: History, report: Report): void {
  const known = new Map<string, { readonly hash: number; readonly evidence: unknown }>();
  const compare = (
    revision: number,
    compactRevision: number,
    hash: number,
    time: number,
    evidence: unknown,
  ) => {
    const at = `${revision}/${compactRevision}`;
    const first = known.get(at);
    if (first === undefined) known.set(at, { hash, evidence });
    else if (first.hash !== hash)
      report.add(
        `HashKV at revision/compaction ${at} is ${first.hash} and ${hash}`,
        time,
        first.evidence,
        evidence,
      );
  };
  for (const operation of history.operations) {
    const result = hashResultOf(operation);
    if (result !== undefined && !isOfNothing(operation, result, history))
      compare(result.hashRevision, result.compactRevision, result.hash, operation.returnedAt, operation);
  }
  for (const final of history.finals)
    compare(final.revision, final.compactRevision, final.hash, history.endedAt, final);
}

/**
 * Of a revision at which no key is left, the hash that is computed when it is asked for and the one that the compaction at
 * that revision leaves behind differ, in etcd too, and members have to agree with it to the byte. Which of the two answers
 * a question by number depends on how far the member's compaction is.
 */
function isOfNothing({ op }: OperationRecord, result: HashKvResult, history: History): boolean {
  if (op.type !== "hashKv" || op.revision === 0) return false;
  return replayOf(history).model.live("\0", "\0", result.hashRevision).length === 0;
}

function hashResultOf({ outcome }: OperationRecord): HashKvResult | undefined {
  return outcome.kind === "ok" && outcome.result.type === "hashKv" ? outcome.result : undefined;
}

const COMPARED = [
  "appliedIndex",
  "term",
  "revision",
  "compactRevision",
  "hash",
  "membership",
  "voters",
  "learners",
  "leases",
  "alarms",
  "kvs",
] as const satisfies readonly (keyof FinalState)[];

function checkFinals(history: History, report: Report): void {
  const [first, ...others] = history.finals;
  if (first === undefined) return;
  for (const other of others) {
    for (const field of COMPARED) {
      const a = plain(first[field]);
      const b = plain(other[field]);
      if (a !== b)
        report.add(
          `members ${first.member} and ${other.member} ended with different ${field}: ${a} and ${b}`,
          history.endedAt,
          first,
          other,
        );
    }
  }
}

function checkModel(history: History, report: Report): void {
  const { model, steps } = replayOf(history);
  for (const final of history.finals) {
    // A member that was left behind differs from the others already, and the model knows only the end of the log.
    if (steps.length === 0 || final.appliedIndex < steps[steps.length - 1].index) continue;
    const expected = {
      revision: model.revision,
      compactRevision: model.compactRevision,
      leases: Array.from(model.leases.values(), ({ id, ttl, keys }) => ({
        id,
        ttl,
        keys: [...keys].sort(),
      })).sort(byId),
      alarms: [...model.alarms].sort(),
    };
    const actual = {
      revision: final.revision,
      compactRevision: final.compactRevision,
      leases: final.leases.map(({ id, ttl, keys }) => ({ id, ttl, keys: [...keys].sort() })).sort(byId),
      alarms: [...final.alarms].sort(),
    };
    for (const field of ["revision", "compactRevision", "leases", "alarms"] as const) {
      const a = plain(expected[field]);
      const b = plain(actual[field]);
      if (a !== b)
        report.add(
          `member ${final.member} ended with ${field} ${b}, the log makes ${a}`,
          history.endedAt,
          final,
        );
    }
  }
}

function byId(a: { readonly id: bigint }, b: { readonly id: bigint }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function plain(value: unknown): string {
  return JSON.stringify(value, (_name, inner: unknown) => (typeof inner === "bigint" ? `${inner}n` : inner));
}
