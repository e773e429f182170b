// Who takes part: voters (in one half, or two during a joint change), learners, which receive the log but decide nothing,
// and the voters of the outgoing half that will be learners once it is left. An immutable value; changes make a new one.
//
// Invariants: learners vote in neither half; learnersNext vote in the outgoing half; outside a joint change there are no
// learnersNext and no autoLeave.

import { ConfState, type MemberId } from "#proto";
import { JointQuorum } from "./quorum/joint.js";
import { describeIds, Majority, sortedIds } from "./quorum/majority.js";

export class Configuration {
  static readonly EMPTY = new Configuration(new JointQuorum(Majority.EMPTY), [], [], false);

  readonly voters: JointQuorum;
  readonly learners: readonly MemberId[];
  readonly learnersNext: readonly MemberId[];
  /** The leader itself proposes to leave the joint configuration as soon as it is applied. */
  readonly autoLeave: boolean;

  constructor(
    voters: JointQuorum,
    learners: Iterable<MemberId>,
    learnersNext: Iterable<MemberId>,
    autoLeave: boolean,
  ) {
    this.voters = voters;
    this.learners = sortedIds(learners);
    this.learnersNext = sortedIds(learnersNext);
    this.autoLeave = autoLeave;
  }

  static fromConfState(state: ConfState): Configuration {
    const voters = new JointQuorum(Majority.of(state.voters), Majority.of(state.votersOutgoing));
    return new Configuration(voters, state.learners, state.learnersNext, state.autoLeave);
  }

  toConfState(): ConfState {
    const { incoming, outgoing } = this.voters;
    return new ConfState(incoming.ids, this.learners, outgoing.ids, this.learnersNext, this.autoLeave);
  }

  get isJoint(): boolean {
    return this.voters.isJoint;
  }

  /** Everyone the leader replicates to, ascending. */
  memberIds(): readonly MemberId[] {
    return this.learners.length === 0
      ? this.voters.ids()
      : sortedIds([...this.voters.ids(), ...this.learners]);
  }

  isLearner(id: MemberId): boolean {
    return this.learners.includes(id);
  }

  has(id: MemberId): boolean {
    return this.voters.has(id) || this.isLearner(id);
  }

  /** The broken invariant, or undefined. */
  problem(): string | undefined {
    for (const id of this.learners) {
      if (this.voters.has(id)) return `${id.toString(16)} is both voter and learner`;
    }
    for (const id of this.learnersNext) {
      if (!this.voters.outgoing.has(id))
        return `${id.toString(16)} is to become learner, but no outgoing voter`;
      if (this.isLearner(id)) return `${id.toString(16)} is to become learner, but is one`;
    }
    if (!this.isJoint && this.learnersNext.length > 0) return "learners staged outside a joint configuration";
    if (!this.isJoint && this.autoLeave) return "autoLeave outside a joint configuration";
    return undefined;
  }

  describe(): string {
    let text = `voters=${this.voters.describe()}`;
    if (this.learners.length > 0) text += ` learners=${describeIds(this.learners)}`;
    if (this.learnersNext.length > 0) text += ` learnersNext=${describeIds(this.learnersNext)}`;
    if (this.autoLeave) text += " autoleave";
    return text;
  }
}
