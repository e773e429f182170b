// Changes of several voters at once, through joint configurations. The product's operators change one member at a time, but
// raft can do more, and an entry of this kind in the log must work on every member: voters are turned into learners, and
// back, without leaving the membership. A hasty operator proposes a second change before the first is applied.

import type { SeededRandom } from "#base";
import { ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, type MemberId } from "#proto";
import type { Configuration } from "#raft";
import type { RunningMember } from "#server";
import type { SimCluster } from "./cluster.js";
import { EventKind } from "./event-queue.js";
import type { World } from "./world.js";

type Driver = RunningMember["member"]["driver"];

/** Fewer voters are never left. */
const VOTERS_MIN = 2;
const NOTHING = new Uint8Array(0);
/** How often somebody looks whether a joint configuration has to be left. */
const LOOK_MS = 1000;

export class JointChanges {
  private readonly world: World;
  private readonly cluster: SimCluster;
  /** Voters that were made learners here. */
  private readonly demoted = new Set<MemberId>();
  private isLooking = false;

  constructor(world: World, cluster: SimCluster) {
    this.world = world;
    this.cluster = cluster;
  }

  /** Whether a learner is one of those that were voters, so that nobody else promotes it. */
  has(id: MemberId): boolean {
    return this.demoted.has(id);
  }

  /**
   * Begins a change, or two if in haste: raft must then make nothing of the second.
   * @returns what was proposed; undefined if there was nothing to propose
   */
  begin(random: SeededRandom, isHasty: boolean): string | undefined {
    const driver = this.leading;
    if (driver === undefined) return undefined;
    const texts: string[] = [];
    for (let left = isHasty ? 2 : 1; left > 0; left--) {
      const steps = this.draw(driver, random);
      if (steps.length === 0) break;
      const isExplicit = random.below(2) === 0;
      const { JointExplicit, JointImplicit } = ConfChangeTransition;
      driver.proposeConfChange(new ConfChangeV2(isExplicit ? JointExplicit : JointImplicit, steps, NOTHING));
      texts.push(steps.map((step) => this.describe(step)).join(" "));
    }
    this.look();
    return texts.length === 0 ? undefined : texts.join(", then ");
  }

  private get leading(): Driver | undefined {
    return this.cluster.leader?.running?.member.driver;
  }

  /** Demotes some of the other voters, as long as enough stay, and promotes some of those that once were voters. */
  private draw(driver: Driver, random: SeededRandom): ConfChangeSingle[] {
    const { configuration } = driver.node;
    const steps: ConfChangeSingle[] = [];
    for (const id of configuration.learners) {
      if (this.demoted.has(id) && random.below(3) > 0)
        steps.push(new ConfChangeSingle(ConfChangeType.AddNode, id));
    }
    const voters = configuration.voters.incoming.ids;
    let staying = voters.length;
    for (const id of voters) {
      if (id === this.cluster.leader?.host.memberId || staying <= VOTERS_MIN || random.below(2) === 0)
        continue;
      staying--;
      this.demoted.add(id);
      steps.push(new ConfChangeSingle(ConfChangeType.AddLearnerNode, id));
    }
    return steps;
  }

  /** A joint configuration that was entered explicitly has to be left explicitly. */
  private look(): void {
    if (this.isLooking) return;
    this.isLooking = true;
    const leave = (): void => {
      const driver = this.leading;
      if (driver !== undefined && mustBeLeft(driver.node.configuration))
        driver.proposeConfChange(new ConfChangeV2(ConfChangeTransition.Auto, [], NOTHING));
      this.world.after(LOOK_MS, EventKind.Operator, leave);
    };
    this.world.after(LOOK_MS, EventKind.Operator, leave);
  }

  private describe({ type, nodeId }: ConfChangeSingle): string {
    return `${type === ConfChangeType.AddNode ? "promote" : "demote"} m${this.cluster.byId(nodeId)?.place}`;
  }
}

function mustBeLeft({ isJoint, autoLeave }: Configuration): boolean {
  return isJoint && !autoLeave;
}
