// The operator: whoever runs the cluster. Compacts now and then, grows and shrinks it, hands over leadership, and makes room
// when the quota is reached. Careful where an operator has to be: it changes the membership only while a quorum of the
// result is up, and switches a machine off only after its removal was confirmed.

import type { SeededRandom } from "#base";
import { type Member as ClusterMember, changeContext } from "#cluster";
import { type ConfChangeType, ConfChangeType as Kinds, type RpcError } from "#proto";
import { type EntryOutcome, Waiter } from "#server";
import { type Caller, rowOutcome } from "./caller.js";
import type { SimCluster } from "./cluster.js";
import { EventKind } from "./event-queue.js";
import type { Op, OperationRecord, Outcome, ReconfigureOp } from "./history.js";
import type { Host } from "./host.js";
import { JointChanges } from "./joint-changes.js";
import type { Knowledge } from "./knowledge.js";
import type { Life } from "./life.js";
import { around, type Plan, pick } from "./plan.js";
import { KEY_PREFIX, KEYS_END } from "./workload.js";
import type { World } from "./world.js";

/** The operator's number among the clients. */
export const OPERATOR = 1000;
const PATIENCE_MS = 15_000;
const VOTERS_MAX = 5;

export class Operator {
  private readonly world: World;
  private readonly plan: Plan;
  private readonly cluster: SimCluster;
  private readonly caller: Caller;
  private readonly knowledge: Knowledge;
  private readonly random;
  private readonly joint: JointChanges;
  /** Machines of members whose removal was asked for. */
  private readonly removing = new Set<Host>();
  private isChanging = false;
  private isSettling = false;
  private isMakingRoom = false;

  constructor(world: World, plan: Plan, cluster: SimCluster, caller: Caller, knowledge: Knowledge) {
    this.world = world;
    this.plan = plan;
    this.cluster = cluster;
    this.caller = caller;
    this.knowledge = knowledge;
    this.random = world.fork("operator");
    this.joint = new JointChanges(world, cluster);
  }

  start(): void {
    if (this.plan.isOperatorIdle) return;
    if (this.plan.compactionEveryMs > 0) this.later(this.plan.compactionEveryMs, () => this.compact());
    if (this.plan.quotaBytes > 0) this.later(3000, () => this.watchSpace());
  }

  /** The second phase: nothing new is begun; what was begun is seen through, and room is still made where it is needed. */
  settle(): void {
    this.isSettling = true;
    this.switchOffRemoved();
  }

  // -- compaction and space --------------------------------------------------------------------------------------------

  private compact(): void {
    if (this.isSettling) return;
    this.later(around(this.random, this.plan.compactionEveryMs), () => this.compact());
    const { knowledge, random } = this;
    const revision = knowledge.revision - random.below(20);
    const host = this.anyone();
    if (revision < 1 || host === undefined) return;
    knowledge.compacted = Math.max(knowledge.compacted, revision);
    this.caller.call(
      OPERATOR,
      host,
      { type: "compact", revision, physical: random.below(2) === 0 },
      PATIENCE_MS,
      () => {},
    );
  }

  private watchSpace(): void {
    this.later(2000, () => this.watchSpace());
    const isFull = this.cluster.serving.some((host) => host.life?.running?.member.alarms.noSpace === true);
    if (!isFull || this.isMakingRoom) return;
    this.isMakingRoom = true;
    this.makeRoom().finally(() => {
      this.isMakingRoom = false;
    });
  }

  /** What the manual says: delete, compact, defragment every member, then take the alarms away. */
  private async makeRoom(): Promise<void> {
    await this.ask({ type: "delete", key: KEY_PREFIX, rangeEnd: KEYS_END, prevKv: false });
    const seen = await this.ask({ type: "range", ...ALL_KEYS });
    if (seen?.outcome.kind !== "ok" || seen.outcome.result.type !== "range") return;
    const { revision } = seen.outcome.result;
    this.knowledge.compacted = Math.max(this.knowledge.compacted, revision);
    await this.ask({ type: "compact", revision, physical: true });
    for (const host of this.cluster.serving) await this.askHost(host, { type: "defragment" });
    const alarms = await this.ask({ type: "alarm", action: "get", memberId: 0n });
    if (alarms?.outcome.kind !== "ok" || alarms.outcome.result.type !== "alarm") return;
    for (const text of alarms.outcome.result.alarms)
      await this.ask({ type: "alarm", action: "deactivate", memberId: BigInt(text.split(":")[0]) });
  }

  // -- membership and leadership ---------------------------------------------------------------------------------------

  transferLeader(): void {
    const leader = this.cluster.leader;
    const node = leader?.running?.member.driver.node;
    if (leader === undefined || node === undefined) return;
    const others = node.confState().voters.filter((id) => id !== leader.host.memberId);
    if (others.length === 0) return;
    const target = pick(this.random, others);
    this.world.say(() => `operator hands leadership to m${this.cluster.byId(target)?.place}`);
    node.transferLeader(target);
    leader.running?.member.driver.schedule();
  }

  /**
   * Begins one change of the membership, unless one is under way or none is safe now. Of two voters none is removed: if the
   * other one dies before it hears that the change is committed, it waits for ever for a member that is gone (etcd's
   * too).
   */
  reconfigure(): void {
    const leader = this.cluster.leader;
    if (this.isChanging || this.isSettling || leader?.running === undefined) return;
    const { voters, learners } = leader.running.member.driver.node.confState();
    const up = voters.filter((id) => this.cluster.byId(id)?.life?.running !== undefined).length;
    if (up < voters.length) return;
    this.isChanging = true;
    const learner = learners.find((id) => !this.joint.has(id));
    const work =
      learner !== undefined
        ? this.promote(learner)
        : voters.length >= VOTERS_MAX || (voters.length > 2 && this.random.below(2) === 0)
          ? this.remove(pick(this.random, voters))
          : this.grow();
    work.finally(() => {
      this.isChanging = false;
    });
  }

  /** Changes several voters at once. @returns what was proposed, undefined if nothing was */
  reconfigureJointly(random: SeededRandom, isHasty: boolean): string | undefined {
    return this.isSettling ? undefined : this.joint.begin(random, isHasty);
  }

  private async grow(): Promise<void> {
    const { host, member } = this.cluster.grow();
    const outcome = await this.change(Kinds.AddLearnerNode, "addLearner", host, changeContext(member, false));
    if (outcome?.kind === "error" && outcome.isDefinite) {
      host.isRetired = true;
      return;
    }
    host.start();
    await this.world.sleep(1000 + around(this.random, 3000), EventKind.Operator);
    await this.promote(host.memberId, member);
  }

  /** Makes a voter of a learner that has nearly all of the log. */
  private async promote(id: bigint, known?: ClusterMember): Promise<void> {
    const host = this.cluster.byId(id);
    const leader = this.cluster.leader?.running?.member;
    if (host === undefined || leader === undefined) return;
    const match = leader.driver.node.status().members.find((member) => member.id === id)?.match ?? 0;
    if (match < 0.9 * leader.appliedIndex || host.life?.running === undefined) return;
    const member = known ?? leader.cluster.member(id);
    if (member === undefined) return;
    await this.change(Kinds.AddNode, "promote", host, changeContext({ ...member, isLearner: false }, true));
  }

  private async remove(id: bigint): Promise<void> {
    const host = this.cluster.byId(id);
    if (host === undefined) return;
    this.removing.add(host);
    const outcome = await this.change(Kinds.RemoveNode, "remove", host, new Uint8Array(0));
    if (outcome?.kind !== "ok") return;
    await this.world.sleep(around(this.random, 1500), EventKind.Operator);
    host.retire();
  }

  /** Whoever proposed a removal may have died before it could say that it was done; the one removed never hears of it. */
  private switchOffRemoved(): void {
    const configuration = this.cluster.leader?.running?.member.driver.node.configuration;
    for (const host of this.removing) {
      if (configuration === undefined || configuration.has(host.memberId)) continue;
      this.removing.delete(host);
      host.retire();
    }
    this.later(1000, () => this.switchOffRemoved());
  }

  private change(
    type: ConfChangeType,
    action: ReconfigureOp["action"],
    target: Host,
    context: Uint8Array,
  ): Promise<Outcome | undefined> {
    const life = this.cluster.leader;
    const member = life?.running?.member;
    if (life === undefined || member === undefined) return Promise.resolve(undefined);
    const record = this.caller.begin(OPERATOR, life.host, {
      type: "reconfigure",
      action,
      target: target.place,
    });
    return new Promise((resolve) => {
      const waiter = new ChangeWaiter(this.caller, record, life, resolve);
      this.world.after(0, EventKind.Operator, () => {
        if (life.running === undefined) waiter.onLost();
        else member.proposeConfChange(type, target.memberId, context, waiter);
      });
    });
  }

  // -- calls -----------------------------------------------------------------------------------------------------------

  private ask(op: Op): Promise<OperationRecord | undefined> {
    const host = this.anyone();
    return host === undefined ? Promise.resolve(undefined) : this.askHost(host, op);
  }

  private askHost(host: Host, op: Op): Promise<OperationRecord> {
    return new Promise((resolve) => this.caller.call(OPERATOR, host, op, PATIENCE_MS, resolve));
  }

  private anyone(): Host | undefined {
    const { serving } = this.cluster;
    return serving.length === 0 ? undefined : pick(this.random, serving);
  }

  private later(ms: number, run: () => void): void {
    this.world.after(ms, EventKind.Operator, run);
  }
}

const ALL_KEYS = {
  key: KEY_PREFIX,
  rangeEnd: KEYS_END,
  limit: 0,
  revision: 0,
  sortOrder: 0,
  sortTarget: 0,
  serializable: false,
  keysOnly: false,
  countOnly: true,
  minModRevision: 0,
  maxModRevision: 0,
  minCreateRevision: 0,
  maxCreateRevision: 0,
};

/** Waits for a change to be applied by the member that proposed it. */
class ChangeWaiter extends Waiter {
  private readonly caller: Caller;
  private readonly record: OperationRecord;
  private readonly resolve: (outcome: Outcome) => void;
  private isOver = false;

  constructor(caller: Caller, record: OperationRecord, life: Life, resolve: (outcome: Outcome) => void) {
    super();
    this.caller = caller;
    this.record = record;
    this.resolve = resolve;
    life.onOver.push(() => this.onLost());
  }

  onApplied(outcome: EntryOutcome): void {
    const { error } = outcome;
    this.finish(error === undefined ? { kind: "ok", result: { type: "reconfigure" } } : rowOutcome(error));
  }

  onFailed(error: RpcError): void {
    this.finish(rowOutcome(error));
  }

  onLost(): void {
    this.finish({ kind: "unknown", reason: "the member died" });
  }

  private finish(outcome: Outcome): void {
    if (this.isOver) return;
    this.isOver = true;
    this.caller.end(this.record, outcome);
    this.resolve(outcome);
  }
}
