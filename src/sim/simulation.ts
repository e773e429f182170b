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
/** In some runs the leader is then taken away, over and over; each time the others have so long to find another. */
const LEADERLESS_ROUNDS = 5;
const ROUND_MS = 3000;
const HEARING_MS = 1200;
const LEADERLESS_MAX_MS = 10_000;
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
    this.network.listeners.add((life, message) => this.recorder.sent(life, message));
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
    await this.until(this.livenessMs, () => false);
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
    if (this.plan.turnsDeaf) world.after(ROUND_MS, EventKind.Phase, () => this.beginRound(1));
    world.after(RECOVERY_MS, EventKind.Phase, () => {
      this.operationsLeft = Math.max(this.operationsLeft, 0) + LIVENESS_OPERATIONS;
      for (const client of this.clients) client.wake();
    });
  }

  private get livenessMs(): number {
    const roundsMs = LEADERLESS_ROUNDS * ROUND_MS + HEARING_MS + LEADERLESS_MAX_MS;
    return this.plan.turnsDeaf ? Math.max(RECOVERY_MS + LIVENESS_MS, roundsMs) : RECOVERY_MS + LIVENESS_MS;
  }

  /** Whoever was deaf hears again, and catches up; then another is, and the leader restarts. */
  private beginRound(round: number): void {
    const { world, faults, history } = this;
    // Without a leader it stays as it is: how long that lasts is the question.
    if (this.cluster.leader !== undefined) {
      faults.endDeafness();
      world.after(HEARING_MS, EventKind.Phase, () => {
        if (faults.turnDeaf()) history.leaderlessFrom.push(world.now);
      });
    }
    if (round < LEADERLESS_ROUNDS) world.after(ROUND_MS, EventKind.Phase, () => this.beginRound(round + 1));
  }

  private async rest(): Promise<void> {
    const { world, history, recorder, caller } = this;
    this.operationsLeft = 0;
    history.quietFrom = world.now;
    this.faults.endDeafness();
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
    const usable = active.filter((host) => !host.isHeldDown && !host.isDeaf);
    return this.history.livenessFrom === 0 ? active : usable;
  }
}
