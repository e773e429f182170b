// Which entry of the log is which call. Calls are recognised by their text; of several alike, each entry belongs to one.
//
//   answered   the entry's outcome by the model equals the response (which names the revision), and it was first applied
//              between call and return. Calls in order of their return take the earliest entry that fits: for points and
//              intervals that finds a full assignment whenever there is one.
//   refused    likewise with the refusal's text. There must be an entry only for a refusal that nothing else can end in;
//              others may have happened before the log.
//   unknown    may own any entry that is left and was applied after the call, or none.
//
// An answered call without an entry, and an entry without a call, are violations; `Mismatch` says what comes closest.

import type { History, OperationRecord, Outcome, TxnOp } from "../history.js";
import { difference } from "./compare-results.js";
import { type LoggedOp, Refusal } from "./model.js";
import { grantText, textOf } from "./op-text.js";
import { type Replay, replayOf, type Step } from "./replay.js";

export interface Mismatch {
  readonly operation: OperationRecord;
  /** Why no entry can be its own. */
  readonly reason: string;
  /** The entry that comes closest, if any. */
  readonly step: Step | undefined;
}

export interface Matching {
  /** The call that each entry belongs to, by the entry's place in `replay.steps`. */
  readonly operations: ReadonlyMap<Step, OperationRecord>;
  readonly steps: ReadonlyMap<OperationRecord, Step>;
  /** Answered calls without an entry. */
  readonly mismatches: readonly Mismatch[];
  /** Entries of a kind that clients ask for, without a call. A revocation may come from an expiry instead. */
  readonly orphans: readonly Step[];
}

const APPLY_REFUSALS: ReadonlySet<string> = new Set([
  Refusal.KeyNotFound,
  Refusal.Compacted,
  Refusal.FutureRev,
  Refusal.LeaseNotFound,
  Refusal.LeaseExist,
]);

/** Whether a call goes through the log: a write, or a transaction that is not made of ranges alone. */
export function isWrite(op: { readonly type: string }): boolean {
  if (op.type === "txn") return !isReadOnlyTxn(op as TxnOp);
  return (
    op.type === "put" ||
    op.type === "delete" ||
    op.type === "compact" ||
    op.type === "leaseGrant" ||
    op.type === "leaseRevoke"
  );
}

/** A nested transaction counts as a write, whatever is in it. */
export function isReadOnlyTxn(op: TxnOp): boolean {
  return (
    op.success.every((inner) => inner.type === "range") && op.failure.every((inner) => inner.type === "range")
  );
}

/** The client certainly knows what became of the call. */
export function isSettled(outcome: Outcome): boolean {
  return outcome.kind === "ok" || (outcome.kind === "error" && outcome.isDefinite);
}

class Matcher {
  readonly operations = new Map<Step, OperationRecord>();
  readonly steps = new Map<OperationRecord, Step>();
  readonly mismatches: Mismatch[] = [];
  private readonly byText = new Map<string, Step[]>();
  /** Grants by TTL, for clients that let the member choose the id. */
  private readonly grants = new Map<number, Step[]>();
  private readonly replay: Replay;

  constructor(replay: Replay) {
    this.replay = replay;
    for (const step of replay.steps) {
      if (!isWrite(step.op)) continue;
      add(this.byText, step.text, step);
      if (step.op.type === "leaseGrant") add(this.grants, step.op.ttl, step);
    }
  }

  match(operations: readonly OperationRecord[]): Matching {
    const writes = operations.filter((operation) => isWrite(operation.op));
    const settled = writes.filter((operation) => isSettled(operation.outcome));
    settled.sort((a, b) => a.returnedAt - b.returnedAt);
    for (const operation of settled) this.matchSettled(operation);
    for (const operation of writes) if (!isSettled(operation.outcome)) this.matchUnknown(operation);
    return {
      operations: this.operations,
      steps: this.steps,
      mismatches: this.mismatches,
      orphans: this.replay.steps.filter((step) => isWrite(step.op) && !this.operations.has(step)),
    };
  }

  private matchSettled(operation: OperationRecord): void {
    const { outcome } = operation;
    for (const step of this.candidates(operation)) {
      if (this.operations.has(step) || this.objection(operation, step) !== undefined) continue;
      return this.assign(operation, step);
    }
    if (outcome.kind === "error" && !APPLY_REFUSALS.has(outcome.message)) return;
    this.mismatches.push(this.explain(operation));
  }

  /** Unknown calls are taken in order of their calls: whatever a later one could own, an earlier one can. */
  private matchUnknown(operation: OperationRecord): void {
    for (const step of this.candidates(operation)) {
      if (this.operations.has(step) || step.time < operation.calledAt) continue;
      return this.assign(operation, step);
    }
  }

  private assign(operation: OperationRecord, step: Step): void {
    this.operations.set(step, operation);
    this.steps.set(operation, step);
  }

  private candidates(operation: OperationRecord): readonly Step[] {
    const { op, outcome } = operation;
    if (op.type !== "leaseGrant" || op.id !== 0n) return this.byText.get(textOf(op as LoggedOp)) ?? [];
    if (outcome.kind !== "ok" || outcome.result.type !== "leaseGrant") return this.grants.get(op.ttl) ?? [];
    return this.byText.get(grantText(outcome.result.id, op.ttl)) ?? [];
  }

  /** Why an entry cannot be this call's. */
  private objection({ op, outcome, calledAt, returnedAt }: OperationRecord, step: Step): string | undefined {
    if (step.time < calledAt) return "the entry was applied before the call";
    if (step.time > returnedAt) return "the answer came before any member had applied the entry";
    if (outcome.kind === "error")
      return outcome.message === step.error ? undefined : `refused (${outcome.message}), not ${ending(step)}`;
    if (outcome.kind !== "ok") return undefined;
    if (step.result === undefined) return `success, not ${ending(step)}`;
    const found = difference(op, step.result, outcome.result);
    return found === undefined ? undefined : `in the response ${found}`;
  }

  private explain(operation: OperationRecord): Mismatch {
    const candidates = this.candidates(operation);
    const { outcome } = operation;
    const revision = outcome.kind === "ok" && "revision" in outcome.result ? outcome.result.revision : -1;
    const free = candidates.filter((step) => !this.operations.has(step));
    const step = free.find((candidate) => candidate.after === revision) ?? free[0];
    if (step !== undefined)
      return { operation, reason: this.objection(operation, step) ?? "no entry is left for it", step };
    const reason = candidates.length > 0 ? "its entry answers another call" : "no such entry is in the log";
    return { operation, reason, step: this.replay.madeBy(revision) };
  }
}

function ending(step: Step): string {
  return step.error ?? "success";
}

function add<K>(map: Map<K, Step[]>, key: K, step: Step): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [step]);
  else list.push(step);
}

const matchings = new WeakMap<History, Matching>();

/** The matching of a finished history; made once. */
export function matchingOf(history: History): Matching {
  let matching = matchings.get(history);
  if (matching === undefined) {
    matching = new Matcher(replayOf(history)).match(history.operations);
    matchings.set(history, matching);
  }
  return matching;
}
