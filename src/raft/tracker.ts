// The leader's view of the cluster: the configuration in force, one Progress per member, and the votes of the current
// election. The rules that need a quorum (commit index, election result, "am I still connected to a majority?") are asked
// here. Members are always visited in ascending order of id.

import { panic } from "#base";
import type { MemberId } from "#proto";
import { Configuration } from "./configuration.js";
import { Inflights } from "./inflights.js";
import { mutations } from "./mutations.js";
import { Progress } from "./progress.js";
import { JointQuorum } from "./quorum/joint.js";
import { type AckedIndexes, VoteResult } from "./quorum/majority.js";

export class Tracker implements AckedIndexes {
  configuration = Configuration.EMPTY;
  /** One per member, ascending by id. */
  members: readonly Progress[] = [];
  /** Answers to the current candidacy: granted or not. */
  readonly votes = new Map<MemberId, boolean>();
  private readonly byId = new Map<MemberId, Progress>();
  private readonly inflightMessagesMax: number;
  private readonly inflightBytesMax: number;

  constructor(inflightMessagesMax: number, inflightBytesMax: number) {
    this.inflightMessagesMax = inflightMessagesMax;
    this.inflightBytesMax = inflightBytesMax;
  }

  progress(id: MemberId): Progress | undefined {
    return this.byId.get(id);
  }

  ackedIndex(id: MemberId): number {
    return this.byId.get(id)?.match ?? 0;
  }

  /**
   * Puts a configuration in force. Members that stay keep their progress; new ones are probed from the end of the log and
   * count as active, so that the next quorum check does not blame them for not having been there yet.
   */
  switchTo(configuration: Configuration, lastIndex: number): void {
    const problem = configuration.problem();
    if (problem !== undefined) panic("invalid configuration", { problem, to: configuration.describe() });
    this.configuration = configuration;
    const members: Progress[] = [];
    for (const id of configuration.memberIds()) {
      const isLearner = configuration.isLearner(id);
      const known = this.byId.get(id);
      if (known !== undefined) known.isLearner = isLearner;
      members.push(known ?? new Progress(id, Math.max(lastIndex, 1), isLearner, true, this.newInflights()));
    }
    this.members = members;
    this.byId.clear();
    for (const member of members) this.byId.set(member.id, member);
  }

  /** Forgets every member; the next `switchTo` starts afresh. For a restored snapshot. */
  forgetMembers(): void {
    this.members = [];
    this.byId.clear();
  }

  /** A new term: nothing is known of the others. */
  resetProgress(self: MemberId, lastIndex: number): void {
    for (const member of this.members) {
      member.resetForTerm(member.id === self ? lastIndex : 0, lastIndex + 1, this.newInflights());
    }
  }

  get isSingleton(): boolean {
    const voters = this.configuration.voters;
    return voters.incoming.size === 1 && !voters.isJoint;
  }

  /** The highest index on disk at a quorum. */
  committedIndex(): number {
    if (mutations.learnerCounted) return this.committedCountingLearners();
    return this.deciding().committedIndex(this);
  }

  resetVotes(): void {
    this.votes.clear();
  }

  /** Only the first answer of each member counts. */
  recordVote(id: MemberId, granted: boolean): void {
    if (!this.votes.has(id)) this.votes.set(id, granted);
  }

  electionResult(): VoteResult {
    return this.deciding().voteResult(this.votes);
  }

  /** Has a quorum been heard from since the last `markInactive`? */
  quorumActive(): boolean {
    const active = new Map<MemberId, boolean>();
    for (const member of this.members) if (!member.isLearner) active.set(member.id, member.recentActive);
    return this.deciding().voteResult(active) === VoteResult.Won;
  }

  markInactive(except: MemberId): void {
    for (const member of this.members) if (member.id !== except) member.recentActive = false;
  }

  private deciding(): JointQuorum {
    const { voters } = this.configuration;
    return mutations.quorumOfOldConfiguration && voters.isJoint ? new JointQuorum(voters.outgoing) : voters;
  }

  private committedCountingLearners(): number {
    const matches = this.members.map((member) => member.match).sort((a, b) => b - a);
    return matches[Math.floor(this.configuration.voters.incoming.size / 2)] ?? 0;
  }

  private newInflights(): Inflights {
    return new Inflights(this.inflightMessagesMax, this.inflightBytesMax);
  }

  /** The configuration, then one line per member. */
  describe(): string {
    const lines = this.members.map((member) => `${member.id.toString(16)}: ${member.describe()}`);
    return [this.configuration.describe(), ...lines].join("\n");
  }
}
