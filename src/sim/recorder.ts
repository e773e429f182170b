// Writes the history, and watches over what must hold at every step: what is cheap to check there is checked there, so that
// a run stops at the step that broke a promise and not a minute later.

import { crc32c } from "#base";
import { type Entry, EntryType, type MemberId, MessageType, type RaftMessage } from "#proto";
import type { EntryOutcome } from "#server";
import type { Violation } from "./check/checker.js";
import { type DurableLog, problemOfCommit } from "./check/commit.js";
import type { History, MemberEvent } from "./history.js";
import type { Life } from "./life.js";
import type { Plan } from "./plan.js";
import type { World } from "./world.js";

/** Thrown to end a run at once. */
export class ViolationFound extends Error {
  override readonly name = "ViolationFound";
  readonly violation: Violation;

  constructor(violation: Violation) {
    super(violation.message);
    this.violation = violation;
  }
}

export class Recorder {
  readonly history: History;
  readonly violations: Violation[] = [];
  private readonly world: World;
  private readonly comparesBodies: boolean;
  private readonly leaders = new Map<number, MemberId>();
  private readonly scratch = Buffer.alloc(16);
  /** Highest index applied by any member, or committed by a leader, while it was in a term, by that term. */
  private readonly committedIn = new Map<number, number>();
  /** Whom each member voted for, by member and term. */
  private readonly votes = new Map<string, MemberId>();
  /** The durable log of each member, running or not. */
  private readonly logs = new Map<MemberId, DurableLog>();
  private readonly logOf = (id: MemberId): DurableLog | undefined => this.logs.get(id);

  constructor(world: World, plan: Plan, leaseTtlMin: number) {
    this.world = world;
    this.comparesBodies = plan.comparesBodies;
    this.history = {
      seed: plan.seed,
      members: plan.members,
      electionTimeoutMs: plan.electionTimeoutMs,
      heartbeatIntervalMs: plan.heartbeatIntervalMs,
      leaseTtlMin,
      watchProgressIntervalMs: plan.watchProgressIntervalMs,
      clockDriftMax: plan.clockDrift,
      operations: [],
      watches: [],
      log: new Map(),
      applied: [],
      memberEvents: [],
      faults: [],
      finals: [],
      livenessFrom: 0,
      leaderlessFrom: [],
      quietFrom: 0,
      endedAt: 0,
    };
  }

  /** Notes a broken promise; the run ends after this step. */
  violate(checker: string, message: string, ...evidence: unknown[]): void {
    this.world.say(() => `VIOLATION ${checker}: ${message}`);
    this.violations.push({ checker, message, time: this.world.now, evidence });
  }

  memberEvent(life: Life, kind: MemberEvent["kind"], detail = ""): void {
    const member = life.host.place;
    this.world.say(() => `m${member} ${kind}${detail === "" ? "" : `: ${detail}`} (life ${life.number})`);
    this.history.memberEvents.push({ time: this.world.now, member, kind, detail });
  }

  fault(kind: string, detail: string): void {
    this.world.say(() => `fault: ${kind} ${detail}`);
    this.history.faults.push({ time: this.world.now, kind, detail });
  }

  applied(life: Life, entry: Entry, outcome: EntryOutcome): void {
    if (life.isOver) return;
    const { history, world } = this;
    const { index, term, type, data } = entry;
    const entryHash = this.hash(term, type, data, 0, data.length);
    const resultHash = this.resultHash(outcome);
    const member = life.host.place;
    const time = world.now;
    world.trace.mix(index, entryHash ^ resultHash);
    if (index <= life.appliedIndex)
      this.violate(
        "state machine safety",
        `m${member} applied entry ${index} again, after ${life.appliedIndex}`,
      );
    life.appliedIndex = index;
    this.noteApplied(life, index);
    if (type !== EntryType.Normal) this.noteConfiguration(life);
    history.applied.push({ member, life: life.number, time, index, term, entryHash, resultHash });
    world.say(() => `m${member} applies ${term}/${index} result=${outcome.error?.name ?? outcome.revision}`);
    const known = history.log.get(index);
    if (known === undefined) {
      const first = { firstAppliedAt: time, firstAppliedBy: member };
      history.log.set(index, { index, term, type, data, entryHash, resultHash, ...first });
    } else if (known.entryHash !== entryHash || known.term !== term) {
      this.violate("state machine safety", `m${member} applied another entry at ${index}`, known, entry);
    } else if (known.resultHash !== resultHash) {
      const text = `entry ${index} had another result on m${member} than on m${known.firstAppliedBy}`;
      this.violate("apply hash", `${text}: ${outcome.error?.name ?? `revision ${outcome.revision}`}`, known);
    }
  }

  installed(life: Life, index: number): void {
    if (life.isOver) return;
    if (index <= life.appliedIndex)
      this.violate(
        "raft",
        `m${life.host.place} installed a snapshot at ${index}, behind ${life.appliedIndex}`,
      );
    life.appliedIndex = index;
    this.memberEvent(life, "snapshot installed", String(index));
  }

  /** A member has read its log and takes part. */
  started(life: Life): void {
    const driver = life.running?.member.driver;
    if (driver === undefined) return;
    this.logs.set(life.host.memberId, driver.storage);
    life.configurations = [driver.node.configuration];
  }

  /** A member sends a message: a vote that leaves it binds it, life after life. */
  sent(life: Life, message: RaftMessage): void {
    if (message.type === MessageType.Vote) this.voted(life, message.term, life.host.memberId);
    else if (message.type === MessageType.VoteResp && !message.reject)
      this.voted(life, message.term, message.to);
  }

  private voted(life: Life, term: number, candidate: MemberId): void {
    const key = `${life.host.place}/${term}`;
    const before = this.votes.get(key);
    if (before === undefined) this.votes.set(key, candidate);
    else if (before !== candidate)
      this.violate("raft", `m${life.host.place} voted for ${before} and for ${candidate} in term ${term}`);
  }

  /** The invariants of raft that a member's own state shows, after each of its steps. */
  checkStep(life: Life): void {
    const { running } = life;
    if (running === undefined || life.isOver) return;
    const { member } = running;
    const { node, storage } = member.driver;
    const status = node.basicStatus();
    const name = `m${life.host.place}`;
    if (status.term < life.seenTerm)
      this.violate("raft", `${name}: term went back from ${life.seenTerm} to ${status.term}`);
    if (status.commit < life.seenCommit)
      this.violate("raft", `${name}: commit index went back from ${life.seenCommit} to ${status.commit}`);
    if (status.commit > status.lastIndex)
      this.violate("raft", `${name}: commit index ${status.commit} beyond the log's end ${status.lastIndex}`);
    if (member.appliedIndex > status.commit)
      this.violate("raft", `${name}: applied ${member.appliedIndex} beyond commit index ${status.commit}`);
    this.noteConfiguration(life);
    if (node.isLeader) {
      if (life.wasLeader && life.ledTerm === status.term && status.commit > life.seenCommit)
        this.checkCommit(life, status.commit, status.term, storage);
      this.checkLeader(life, status.term, status.lastIndex);
    } else if (life.wasLeader) {
      life.wasLeader = false;
      this.memberEvent(life, "not leader", String(status.term));
    }
    if (life.configurations.length > 1) life.configurations = [node.configuration];
    life.seenTerm = status.term;
    life.seenCommit = status.commit;
    life.seenLast = status.lastIndex;
  }

  /** Remembers what was in force at any time of this step. */
  private noteConfiguration(life: Life): void {
    const configuration = life.running?.member.driver.node.configuration;
    if (configuration === undefined || configuration === life.configurations.at(-1)) return;
    life.configurations.push(configuration);
  }

  /** What a leader commits must be safe, under some configuration that it had in this step. */
  private checkCommit(life: Life, commit: number, term: number, log: DurableLog): void {
    // What a leader has not written itself yet it has appended in its own term.
    const entryTerm = commit <= log.lastIndex() ? log.term(commit) : term;
    this.noteCommitted(term, commit);
    let problem: string | undefined;
    for (const configuration of life.configurations) {
      problem = problemOfCommit(commit, entryTerm, configuration, this.logOf);
      if (problem === undefined) return;
    }
    const name = `m${life.host.place}`;
    this.violate("raft", `${name} commits ${entryTerm}/${commit} in term ${term}, but ${problem}`);
  }

  private checkLeader(life: Life, term: number, lastIndex: number): void {
    const name = `m${life.host.place}`;
    if (life.wasLeader && life.ledTerm === term) {
      if (lastIndex < life.seenLast)
        this.violate("raft", `${name}: a leader's log shrank from ${life.seenLast} to ${lastIndex}`);
      return;
    }
    const other = this.leaders.get(term);
    const { memberId } = life.host;
    if (other !== undefined && other !== memberId)
      this.violate("raft", `${name}: two leaders in term ${term}: ${memberId} and ${other}`);
    this.leaders.set(term, memberId);
    const committed = this.committedBefore(term);
    if (lastIndex < committed)
      this.violate(
        "raft",
        `${name}: leads term ${term} with a log up to ${lastIndex}, but ${committed} was committed before that term`,
      );
    life.wasLeader = true;
    life.ledTerm = term;
    this.memberEvent(life, "leader", String(term));
  }

  /** What a member applies was committed in a term not later than the member's own. */
  private noteApplied(life: Life, index: number): void {
    const term = life.running?.member.term;
    if (term !== undefined) this.noteCommitted(term, index);
  }

  private noteCommitted(term: number, index: number): void {
    if (index > (this.committedIn.get(term) ?? 0)) this.committedIn.set(term, index);
  }

  /** The highest index that is certainly from terms before `term`: a leader elected late may lack what later ones did. */
  private committedBefore(term: number): number {
    let highest = 0;
    for (const [other, index] of this.committedIn) if (other < term && index > highest) highest = index;
    return highest;
  }

  private resultHash(outcome: EntryOutcome): number {
    const name = outcome.error?.name ?? "";
    const revision = outcome.error === undefined ? outcome.revision : 0;
    const body = outcome.error === undefined && this.comparesBodies ? outcome.body.view() : NOTHING;
    return this.hash(revision, 0, body, name.length, body.length) ^ textHash(name);
  }

  private hash(a: number, b: number, bytes: Uint8Array, c: number, length: number): number {
    const { scratch } = this;
    scratch.writeDoubleLE(a, 0);
    scratch.writeUInt32LE(b, 8);
    scratch.writeUInt32LE((c * 31 + length) >>> 0, 12);
    return crc32c(crc32c(0, scratch), bytes);
  }
}

const NOTHING = new Uint8Array(0);

function textHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}
