// What any client ever saw is there for ever: acknowledged writes, and every value that a read, a previous value or a
// watch event showed, whatever power losses came in between.
//
//   1. Each record shown with modification revision M is what the log wrote to its key at M.
//   2. Each member that applied the entry of such a revision again, in a later life, applied the same entry.
//   3. At the end no member's revision, and no member's log, is short of what clients saw.
//   4. At the end each member's keys are those that the log makes at that member's revision.
//
// That the log itself explains the responses is another checker's business (linearizability).

import type { FinalState, History, Kv, KvResult, OperationRecord, Result } from "../history.js";
import type { Checker } from "./checker.js";
import { describeKv, kvDifference } from "./compare-results.js";
import { isReadOnlyTxn, matchingOf } from "./matching.js";
import { type Replay, replayOf } from "./replay.js";
import { Report } from "./report.js";

const NAME = "durability";

export const durability: Checker = {
  name: NAME,
  check(history) {
    const report = new Report(NAME);
    const replay = replayOf(history);
    const seen = new Seen(replay, report);
    for (const operation of history.operations) seen.addOperation(operation);
    for (const stream of history.watches)
      for (const response of stream.responses)
        for (const event of response.events) seen.addEvent(event.type, event.kv, response.time, stream.id);
    checkReapplied(history, seen.revision, report);
    const acknowledged = acknowledgedIndex(history);
    for (const final of history.finals) checkFinal(final, replay, seen.revision, acknowledged, report);
    return report.violations;
  },
};

/** Everything that reached a client. */
class Seen {
  /** The highest modification revision of a record, or revision of an acknowledged write. */
  revision = 1;
  private readonly replay: Replay;
  private readonly report: Report;

  constructor(replay: Replay, report: Report) {
    this.replay = replay;
    this.report = report;
  }

  addOperation({ id, op, outcome, returnedAt }: OperationRecord): void {
    if (outcome.kind !== "ok") return;
    const { result } = outcome;
    const isAcknowledgement =
      result.type === "put" ||
      (result.type === "delete" && result.deleted > 0) ||
      result.type === "leaseGrant";
    if (isAcknowledgement) this.revision = Math.max(this.revision, result.revision);
    const hasBareRecords = op.type === "range" && op.keysOnly;
    if (!hasBareRecords && op.type !== "txn") this.addRecords(result, `call ${id}`, returnedAt);
    // A transaction's ranges may be keys_only ones, which show no values; its own checker compares them in full.
    if (op.type === "txn" && result.type === "txn" && !isReadOnlyTxn(op) && writes(result.responses))
      this.revision = Math.max(this.revision, result.revision);
  }

  addEvent(type: "put" | "delete", kv: Kv, time: number, stream: number): void {
    this.revision = Math.max(this.revision, kv.modRevision);
    if (type === "put") return this.addKv(kv, `watch stream ${stream}`, time);
    if (!this.replay.model.deletedAt(kv.key, kv.modRevision))
      this.report.add(
        `watch stream ${stream} showed that ${kv.key} was deleted at ${kv.modRevision}: it was not`,
        time,
        kv,
      );
  }

  private addRecords(result: Result, who: string, time: number): void {
    if (result.type === "range") for (const kv of result.kvs) this.addKv(kv, who, time);
    else if (result.type === "delete") for (const kv of result.prevKvs) this.addKv(kv, who, time);
    else if (result.type === "put" && result.prevKv !== undefined) this.addKv(result.prevKv, who, time);
  }

  private addKv(kv: Kv, who: string, time: number): void {
    this.revision = Math.max(this.revision, kv.modRevision);
    const written = this.replay.model.writtenAt(kv.key, kv.modRevision);
    if (kvDifference("kv", written, kv) !== undefined)
      this.report.add(
        `${who} showed ${describeKv(kv)}; the log has ${describeKv(written)} at that revision`,
        time,
        kv,
      );
  }
}

function writes(responses: readonly KvResult[]): boolean {
  return responses.some(
    (response) =>
      response.type === "put" ||
      (response.type === "delete" && response.deleted > 0) ||
      (response.type === "txn" && writes(response.responses)),
  );
}

/** The last entry that a client has an answer for. */
function acknowledgedIndex(history: History): number {
  let index = 0;
  for (const [operation, step] of matchingOf(history).steps)
    if (operation.outcome.kind === "ok") index = Math.max(index, step.index);
  return index;
}

/** An entry that clients saw the effect of must be the same one in every later life. */
function checkReapplied(history: History, seenRevision: number, report: Report): void {
  const seenIndex = replayOf(history).madeBy(seenRevision)?.index ?? 0;
  for (const record of history.applied) {
    if (record.index > seenIndex) continue;
    const entry = history.log.get(record.index);
    if (entry === undefined || (entry.entryHash === record.entryHash && entry.term === record.term)) continue;
    const message = `entry ${record.index}, whose effect clients had seen, was replaced: member ${record.member} applied another one`;
    report.add(message, record.time, entry, record);
  }
}

function checkFinal(
  final: FinalState,
  replay: Replay,
  seenRevision: number,
  acknowledged: number,
  report: Report,
): void {
  const name = `member ${final.member}`;
  if (final.revision < seenRevision)
    report.add(
      `${name} ended at revision ${final.revision}; clients had seen ${seenRevision}`,
      Number.NaN,
      final,
    );
  if (final.appliedIndex < acknowledged)
    report.add(
      `${name} ended at entry ${final.appliedIndex}; ${acknowledged} was acknowledged`,
      Number.NaN,
      final,
    );
  const expected = new Map<string, Kv>();
  for (const kv of replay.model.live("\0", "\0", final.revision)) expected.set(kv.key, kv);
  for (const kv of final.kvs) {
    const found = kvDifference(kv.key, expected.get(kv.key), kv);
    if (found !== undefined)
      report.add(`${name} ended with a key that the log did not write so: ${found}`, Number.NaN, final);
    expected.delete(kv.key);
  }
  for (const kv of expected.values())
    report.add(`${name} ended without ${describeKv(kv)}`, Number.NaN, final);
}
