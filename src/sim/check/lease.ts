// The promises of leases, judged from outside on the simulation's time, which no member's clock agrees with.
//
//   never early      an expiry's revocation is not applied before the TTL has passed since the grant, since the call of any
//                    renewal that was answered, and since the election of the leader in whose term it is logged (a new
//                    leader gives every lease its full time again, or what the last checkpoint left). The last rule also
//                    tells a deposed leader's revocation, which may have no effect.
//   never forgotten  in the fault-free phase it is applied at the latest TTL + 2 election times + slack after the last
//                    renewal, or change of leader, that there can have been
//   one revision     the keys of a lease go with it (by the model, compared by watch, reads and final states)
//   dead is dead     no renewal succeeds, and no time to live is told, after a revocation; a live one is never denied
//   remaining time   never more than a leader may grant (after an election: what the last checkpoint left, and an election
//                    timeout), never less than what a renewal promised
//   attachment       nothing hangs on a lease that is gone; leases and keys agree on every member
//
// A clock runs faster or slower than the simulation's by at most `clockDriftMax`.

import type {
  FinalState,
  History,
  LeaseTimeToLiveResult,
  MemberEvent,
  OperationRecord,
  Result,
} from "../history.js";
import type { Checker } from "./checker.js";
import { Lives } from "./lives.js";
import { isSettled, matchingOf } from "./matching.js";
import { type LeaseLife, type Replay, replayOf } from "./replay.js";
import { Report } from "./report.js";

const NAME = "lease";
/** Passes of the expiry loop, the revocation's way through the log, and calls that were under way. */
const LATE_MS = 2500;
/** Rounding of clocks and of the moment at which an election is noticed. */
const EARLY_MS = 2;

export const lease: Checker = {
  name: NAME,
  check(history) {
    const report = new Report(NAME);
    new LeaseCheck(history, report).run();
    for (const final of history.finals) checkAttachment(final, history, report);
    return report.violations;
  },
};

/** Which checkpoints a member has in memory: those that it applied itself in its present life, since its last snapshot. */
class AppliedCheckpoints {
  private readonly times = new Map<string, number[]>();
  private readonly lives: Lives;
  private readonly installs: readonly MemberEvent[];

  constructor(history: History) {
    this.lives = new Lives(history);
    this.installs = history.memberEvents.filter((event) => event.kind === "snapshot installed");
    const indexes = new Set<number>();
    for (const life of replayOf(history).leases) for (const { index } of life.checkpoints) indexes.add(index);
    for (const { member, index, time } of history.applied) {
      if (!indexes.has(index)) continue;
      const times = this.times.get(`${member}/${index}`);
      if (times === undefined) this.times.set(`${member}/${index}`, [time]);
      else times.push(time);
    }
  }

  knows(member: number, index: number, time: number): boolean {
    const applied = this.times.get(`${member}/${index}`)?.findLast((at) => at < time);
    if (applied === undefined || !this.lives.isSame(member, applied, time)) return false;
    return !this.installs.some(
      (event) => event.member === member && event.time >= applied && event.time <= time,
    );
  }
}

class LeaseCheck {
  private readonly history: History;
  private readonly report: Report;
  private readonly replay: Replay;
  private readonly lives = new Map<bigint, LeaseLife[]>();
  /** Renewals that may have happened, by lease. */
  private readonly renewals = new Map<bigint, OperationRecord[]>();
  private readonly revokes = new Map<bigint, OperationRecord[]>();
  private readonly elections: readonly MemberEvent[];
  private readonly checkpoints: AppliedCheckpoints;

  constructor(history: History, report: Report) {
    this.history = history;
    this.report = report;
    this.checkpoints = new AppliedCheckpoints(history);
    this.replay = replayOf(history);
    this.elections = history.memberEvents.filter((event) => event.kind === "leader");
    for (const life of this.replay.leases) push(this.lives, life.id, life);
    for (const operation of history.operations) {
      const { op } = operation;
      if (op.type === "leaseKeepAlive") push(this.renewals, op.id, operation);
      else if (op.type === "leaseRevoke") push(this.revokes, op.id, operation);
    }
  }

  run(): void {
    this.checkLogged();
    for (const life of this.replay.leases) {
      this.checkEarly(life);
      this.checkForgotten(life);
    }
    for (const operation of this.history.operations)
      if (operation.outcome.kind === "ok") this.checkAnswer(operation, operation.outcome.result);
  }

  /** Grants and revocations that clients asked for are entries of the log, one each. */
  private checkLogged(): void {
    const matching = matchingOf(this.history);
    for (const { operation, reason, step } of matching.mismatches) {
      const { op, id, outcome, returnedAt } = operation;
      if (op.type !== "leaseGrant" && op.type !== "leaseRevoke") continue;
      const what = outcome.kind === "ok" ? "answered" : "refused";
      this.report.add(`call ${id} (${op.type}) was ${what}, but ${reason}`, returnedAt, operation, step);
    }
    for (const step of matching.orphans)
      if (step.op.type === "leaseGrant")
        this.report.add(
          `entry ${step.index} grants lease ${step.op.id}, which nobody asked for`,
          step.time,
          step,
        );
  }

  // Expiry.

  /** Whether a life was ended by the cluster itself. */
  private isExpiry(life: LeaseLife): boolean {
    const { revoke, id } = life;
    if (revoke === undefined) return false;
    return !this.revokes.get(id)?.some((call) => call.calledAt <= revoke.time && !isRefused(call));
  }

  private checkEarly(life: LeaseLife): void {
    const { revoke } = life;
    if (revoke === undefined || !this.isExpiry(life)) return;
    const { report } = this;
    const least = this.leastMs(life.ttl);
    const lived = revoke.time - life.grant.time;
    const what = `lease ${life.id} (TTL ${life.ttl} s) expired`;
    if (lived < least)
      report.add(`never early: ${what} ${Math.round(lived)} ms after its grant`, revoke.time, life);
    const renewal = this.lastRenewalBefore(life, revoke.time);
    if (renewal !== undefined && revoke.time - renewal.calledAt < least)
      report.add(
        `never early: ${what} ${Math.round(revoke.time - renewal.calledAt)} ms after the call of a renewal`,
        revoke.time,
        life,
        renewal,
      );
    const election = this.elections.find((event) => Number(event.detail) === revoke.term);
    const remaining = this.leastMs(leastRemaining(life, revoke.time));
    if (election !== undefined && revoke.time - election.time < Math.min(least, remaining))
      report.add(
        `never early: ${what} ${Math.round(revoke.time - election.time)} ms after the leader of term ${revoke.term} was elected, who owed it ${Math.round(Math.min(least, remaining))} ms`,
        revoke.time,
        life,
        election,
      );
  }

  /** The shortest time that a correct clock can take for a TTL. */
  private leastMs(ttl: number): number {
    return (ttl * 1000) / (1 + this.history.clockDriftMax) - EARLY_MS;
  }

  /** The renewal of this life that was called last, among those that succeeded. */
  private lastRenewalBefore(life: LeaseLife, time: number): OperationRecord | undefined {
    let last: OperationRecord | undefined;
    for (const renewal of this.renewals.get(life.id) ?? []) {
      const isAfter = renewal.calledAt >= life.grant.time && renewal.calledAt < time;
      if (isAfter && isRenewed(renewal) && (last === undefined || renewal.calledAt > last.calledAt))
        last = renewal;
    }
    return last;
  }

  private checkForgotten(life: LeaseLife): void {
    const { livenessFrom, endedAt, electionTimeoutMs, clockDriftMax } = this.history;
    if (livenessFrom === 0) return;
    const end = life.revoke?.time ?? endedAt;
    let from = Math.max(livenessFrom, life.grant.time);
    for (const renewal of this.renewals.get(life.id) ?? []) {
      if (renewal.calledAt < end && isPossible(renewal))
        from = Math.max(from, Math.min(renewal.returnedAt, end));
    }
    for (const election of this.elections) if (election.time < end) from = Math.max(from, election.time);
    const limit = life.ttl * 1000 * (1 + clockDriftMax) + 2 * electionTimeoutMs + LATE_MS;
    if (end - from <= limit) return;
    const what = life.revoke === undefined ? "was still there" : "expired";
    this.report.add(
      `never forgotten: lease ${life.id} (TTL ${life.ttl} s) ${what} ${Math.round(end - from)} ms after it could have been renewed last`,
      end,
      life,
    );
  }

  // Answers.

  private checkAnswer(operation: OperationRecord, result: Result): void {
    const { op } = operation;
    if (op.type === "leaseKeepAlive" && result.type === "leaseKeepAlive")
      this.checkTold(operation, op.id, result.ttl > 0, result.ttl, "renewed");
    else if (op.type === "leaseTimeToLive" && result.type === "leaseTimeToLive") {
      this.checkTold(operation, op.id, result.ttl >= 0, result.grantedTtl, "known");
      if (result.ttl >= 0) this.checkRemaining(operation, op.id, result);
      if (op.keys && result.ttl >= 0) this.checkKeys(operation, op.id, result);
    } else if (result.type === "leaseLeases") this.checkList(operation, result.ids);
  }

  /** What a member says of a lease was true at some moment of the call. */
  private checkTold(
    operation: OperationRecord,
    id: bigint,
    isLive: boolean,
    ttl: number,
    what: string,
  ): void {
    const { calledAt, returnedAt, id: call, member } = operation;
    const lives = this.lives.get(id) ?? [];
    if (!isLive) {
      const life = lives.find(
        ({ grant, revoke }) => grant.time < calledAt && (revoke?.time ?? Infinity) > returnedAt,
      );
      if (life !== undefined)
        this.report.add(
          `call ${call}: lease ${id} was denied by member ${member}, but it lives`,
          returnedAt,
          operation,
          life,
        );
      return;
    }
    const life = lives.find(
      ({ grant, revoke }) => grant.time <= returnedAt && (revoke?.time ?? Infinity) >= calledAt,
    );
    if (life !== undefined) {
      if (life.ttl !== ttl)
        this.report.add(
          `call ${call}: lease ${id} has TTL ${ttl}, but ${life.ttl} was granted`,
          returnedAt,
          operation,
          life,
        );
      return;
    }
    const last = lives[lives.length - 1];
    const reason = last === undefined ? "was never granted" : "had been revoked before the call";
    this.report.add(
      `call ${call}: lease ${id} was ${what} by member ${member}, but ${reason}`,
      returnedAt,
      operation,
      last,
    );
  }

  private checkRemaining(operation: OperationRecord, id: bigint, result: LeaseTimeToLiveResult): void {
    const { returnedAt, id: call } = operation;
    const { electionTimeoutMs, clockDriftMax } = this.history;
    if (result.ttl > result.grantedTtl + electionTimeoutMs / 1000)
      this.report.add(
        `call ${call}: lease ${id} has ${result.ttl} s left of ${result.grantedTtl}`,
        returnedAt,
        operation,
      );
    const life = this.lives.get(id)?.findLast(({ grant }) => grant.time <= operation.calledAt);
    if (life !== undefined) this.checkCheckpoint(operation, life, result);
    const renewal = life === undefined ? undefined : this.lastAnsweredRenewal(life, operation.calledAt);
    if (life === undefined || renewal === undefined) return;
    const promisedUntil = renewal.calledAt + this.leastMs(life.ttl);
    const toldUntil = returnedAt + (result.ttl + 1) * 1000 * (1 + clockDriftMax);
    if (toldUntil < promisedUntil)
      this.report.add(
        `call ${call}: lease ${id} has ${result.ttl} s left, less than a renewal promised`,
        returnedAt,
        operation,
        renewal,
      );
  }

  /** A checkpoint that a leader had applied when it was elected bounds what it gives, until a renewal. */
  private checkCheckpoint(operation: OperationRecord, life: LeaseLife, result: LeaseTimeToLiveResult): void {
    const { member, calledAt, returnedAt, id: call } = operation;
    const election = this.elections.findLast((event) => event.member === member && event.time <= returnedAt);
    if (election === undefined || election.time > calledAt) return;
    const checkpoint = life.checkpoints.findLast(({ index }) =>
      this.checkpoints.knows(member, index, election.time),
    );
    if (checkpoint === undefined || checkpoint.remainingTtl === 0) return;
    const isRenewedSince = this.renewals
      .get(life.id)
      ?.some((one) => isPossible(one) && one.returnedAt >= checkpoint.time && one.calledAt <= returnedAt);
    const most = checkpoint.remainingTtl + this.history.electionTimeoutMs / 1000;
    if (isRenewedSince === true || result.ttl <= most) return;
    this.report.add(
      `call ${call}: lease ${life.id} has ${result.ttl} s left, but a checkpoint had left it ${checkpoint.remainingTtl} s before the leader was elected`,
      returnedAt,
      operation,
      election,
      checkpoint,
    );
  }

  private lastAnsweredRenewal(life: LeaseLife, time: number): OperationRecord | undefined {
    return this.renewals
      .get(life.id)
      ?.findLast(
        (renewal) => isRenewed(renewal) && renewal.returnedAt <= time && renewal.calledAt >= life.grant.time,
      );
  }

  private checkKeys(operation: OperationRecord, id: bigint, result: LeaseTimeToLiveResult): void {
    const attached = this.replay.model
      .live("\0", "\0", result.revision)
      .filter((kv) => kv.lease === id)
      .map((kv) => kv.key);
    const told = [...result.keys].sort();
    if (told.join("\n") !== attached.join("\n"))
      this.report.add(
        `call ${operation.id}: lease ${id} has keys [${told.join(" ")}], at revision ${result.revision} [${attached.join(" ")}] are attached`,
        operation.returnedAt,
        operation,
      );
  }

  /** A list of leases is that of some moment of the log up to the answer. */
  private checkList(operation: OperationRecord, ids: readonly bigint[]): void {
    const listed = new Set(ids);
    const { returnedAt, id: call } = operation;
    const last = this.replay.lastBy(returnedAt)?.index ?? 0;
    const changes: { readonly index: number; readonly id: bigint; readonly isGrant: boolean }[] = [];
    for (const { grant, revoke, id } of this.replay.leases) {
      if (grant.index <= last) changes.push({ index: grant.index, id, isGrant: true });
      if (revoke !== undefined && revoke.index <= last)
        changes.push({ index: revoke.index, id, isGrant: false });
    }
    changes.sort((a, b) => a.index - b.index);
    // How many leases are in one set and not in the other, as the log goes on.
    let differing = listed.size;
    let isExplained = differing === 0;
    for (const { id, isGrant } of changes) {
      differing += listed.has(id) === isGrant ? -1 : 1;
      if (differing === 0) isExplained = true;
    }
    if (!isExplained || listed.size !== ids.length)
      this.report.add(`call ${call}: the list of leases is that of no moment`, returnedAt, operation);
  }
}

function push<V>(map: Map<bigint, V[]>, id: bigint, value: V): void {
  const list = map.get(id);
  if (list === undefined) map.set(id, [value]);
  else list.push(value);
}

function isRefused({ outcome }: OperationRecord): boolean {
  return outcome.kind === "error" && outcome.isDefinite;
}

function isRenewed({ outcome }: OperationRecord): boolean {
  return outcome.kind === "ok" && outcome.result.type === "leaseKeepAlive" && outcome.result.ttl > 0;
}

/** It succeeded, or nobody knows. */
function isPossible(renewal: OperationRecord): boolean {
  return isRenewed(renewal) || !isSettled(renewal.outcome);
}

/** The least that any checkpoint left of a lease, in seconds; its TTL if there was none. */
function leastRemaining(life: LeaseLife, time: number): number {
  let least = life.ttl;
  for (const checkpoint of life.checkpoints)
    if (checkpoint.time <= time && checkpoint.remainingTtl > 0)
      least = Math.min(least, checkpoint.remainingTtl);
  return least;
}

function checkAttachment(final: FinalState, history: History, report: Report): void {
  const name = `member ${final.member}`;
  const owners = new Map<string, bigint>();
  for (const { id, keys } of final.leases) for (const key of keys) owners.set(key, id);
  const live = new Set(final.leases.map(({ id }) => id));
  for (const kv of final.kvs) {
    if (kv.lease !== 0n && !live.has(kv.lease))
      report.add(`${name}: key ${kv.key} hangs on lease ${kv.lease}, which is gone`, history.endedAt, final);
    else if ((owners.get(kv.key) ?? 0n) !== kv.lease)
      report.add(
        `${name}: key ${kv.key} says lease ${kv.lease}, the leases say ${owners.get(kv.key) ?? "none"}`,
        history.endedAt,
        final,
      );
    owners.delete(kv.key);
  }
  for (const [key, id] of owners)
    report.add(`${name}: lease ${id} holds key ${key}, which does not exist`, history.endedAt, final);
}
