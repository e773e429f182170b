// One run: a cluster, its clients and its troubles, from a plan to a history. First the safety phase, in which faults
// happen; then they stop, a majority is whole again, and everything must work: that is the liveness phase. At last the
// clients go away, the cluster comes to rest, and what every member then holds is written down.

import { ttlSecondsMin } from "#lease";
import { Caller } from "./caller.js";
import type { Violation } from "./check/checker.js";
import { SimCluster } from "./cluster.js";
import { EventKind } from "./event-queue.js";
import { Faults } from "./faults.js";
import { FinalStates } from "./final-state.js";
import type { History } from "./history.js";
import type { Host } from "./host.js";
import { Knowledge } from "./knowledge.js";
import { type ClientParts, KvClient } from "./kv-client.js";
import { Network } from "./network.js";
import { Operator } from "./operator.js";
import type { Plan } from "./plan.js";
import { Recorder } from "./recorder.js";
import { Trace } from "./trace.js";
import { WatchClient } from "./watch-client.js";
import { World } from "./world.js";

/** The cluster gets this long to elect a leader and to bring members back before calls are held to their deadline. */
const RECOVERY_MS = 5000;
/** Then clients go on for this long. */
const LIVENESS_MS = 8000;
/** Operations of the second phase. */
const LIVENESS_OPERATIONS = 80;
/** What has to be over by itself is over after this. */
const REST_MS = 30_000;

export class Simulation {
  readonly plan: Plan;
  readonly world: World;
  readonly recorder: Recorder;
  readonly network: Network;
  readonly cluster: SimCluster;
  readonly faults: Faults;
  private readonly caller: Caller;
  private readonly operator: Operator;
  private readonly clients: KvClient[] = [];
  private readonly watchers: WatchClient[] = [];
  private operationsLeft: number;

  constructor(plan: Plan, isVerbose = false) {
    this.plan = plan;
    this.world = new World(plan.seed, new Trace(isVerbose));
    this.recorder = new Recorder(this.world, plan, ttlSecondsMin(plan.electionTimeoutMs));
    this.network = new Network(this.world, plan);
    this.cluster = new SimCluster(this.world, plan, this.network, this.recorder);
    this.caller = new Caller(this.world, this.network, this.recorder);
    const knowledge = new Knowledge();
    this.operationsLeft = plan.operations;
    this.operator = new Operator(this.world, plan, this.cluster, this.caller, knowledge);
    this.faults = new Faults(this.world, plan, this.cluster, this.network, this.recorder, this.operator);
    this.makeClients(knowledge);
    this.world.afterStep = (life) => this.recorder.checkStep(life);
  }

  get history(): History {
    return this.recorder.history;
  }

  get violations(): readonly Violation[] {
    return this.recorder.violations;
  }

  /** Runs to the end, or to the first violation. */
  async run(): Promise<void> {
    const { world, recorder } = this;
    try {
      await this.runPhases();
    } catch (error) {
      const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      recorder.violate("exception", text, error instanceof Error ? error.stack : undefined);
    }
    recorder.history.endedAt = world.now;
  }

  private async runPhases(): Promise<void> {
    this.begin();
    await this.until(this.plan.safetyMs, () => false);
    if (this.isBroken) return;
    this.beginLiveness();
    await this.until(RECOVERY_MS + LIVENESS_MS, () => false);
    if (this.isBroken) return;
    await this.rest();
  }

  private begin(): void {
    for (const host of this.cluster.hosts) this.world.after(0, EventKind.Host, () => host.start());
    for (const client of this.clients) client.start();
    for (const watcher of this.watchers) watcher.start();
    this.operator.start();
    this.faults.start();
  }

  private beginLiveness(): void {
    const { world, history } = this;
    this.faults.stop();
    this.caller.resetLost();
    history.livenessFrom = world.now;
    world.say(() => "liveness phase");
    for (const watcher of this.watchers) watcher.calm();
    this.operator.settle();
    world.after(RECOVERY_MS, EventKind.Phase, () => {
      this.operationsLeft = Math.max(this.operationsLeft, 0) + LIVENESS_OPERATIONS;
      for (const client of this.clients) client.wake();
    });
  }

  private async rest(): Promise<void> {
    const { world, history, recorder, caller } = this;
    this.operationsLeft = 0;
    history.quietFrom = world.now;
    world.say(() => "rest");
    const finals = new FinalStates(this.cluster, recorder);
    await this.until(REST_MS, () => caller.open === 0 && finals.isSettled());
    if (this.isBroken) return;
    for (const watcher of this.watchers) watcher.leave();
    await this.until(2000, () => false);
    if (this.isBroken) return;
    finals.collect();
  }

  private get isBroken(): boolean {
    return this.recorder.violations.length > 0;
  }

  private until(ms: number, isEnough: () => boolean): Promise<void> {
    const { world } = this;
    const end = world.now + ms;
    // Somebody has to be there when the time comes.
    world.after(ms, EventKind.Phase, () => {});
    return world.run(() => world.now >= end || this.isBroken || isEnough());
  }

  private makeClients(knowledge: Knowledge): void {
    const { world, plan, caller, cluster } = this;
    const parts: ClientParts = {
      world,
      plan,
      caller,
      knowledge,
      endpoints: () => this.endpoints(),
      leader: () => cluster.leader?.host,
      mayAsk: () => this.operationsLeft-- > 0,
    };
    for (let i = 0; i < plan.clients; i++)
      if (!plan.skipClients.includes(i)) this.clients.push(new KvClient(i, parts));
    for (let i = 0; i < plan.watchClients; i++)
      if (!plan.skipWatchClients.includes(i))
        this.watchers.push(new WatchClient(100 + i, parts, this.network, this.recorder));
  }

  /** Clients know all machines; in the second phase they leave out those that are down for good. */
  private endpoints(): Host[] {
    const { active } = this.cluster;
    const usable = active.filter((host) => !host.isHeldDown);
    return this.history.livenessFrom === 0 ? active : usable;
  }
}
