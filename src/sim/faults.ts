// Trouble, by the plan: at random times one of the plan's kinds of fault begins; most of them end by themselves after a
// while, and several may hold at once. `stop` ends them all and has every machine started again.

import type { SeededRandom } from "#base";
import { EntryType } from "#proto";
import type { RunningMember } from "#server";
import { AimedFaults } from "./aimed-faults.js";
import type { SimCluster } from "./cluster.js";
import { EventKind } from "./event-queue.js";
import type { Host } from "./host.js";
import type { Network, Weather } from "./network.js";
import type { Operator } from "./operator.js";
import { around, type FaultKind, type Plan, pick } from "./plan.js";
import type { Recorder } from "./recorder.js";
import type { World } from "./world.js";

type Driver = RunningMember["member"]["driver"];

const HOUR_MS = 3_600_000;
const STARVE_MS_MAX = 12_000;

export class Faults {
  /** Numbers of the faults that came to something. */
  readonly injected: number[] = [];
  private readonly world: World;
  private readonly plan: Plan;
  private readonly cluster: SimCluster;
  private readonly network: Network;
  private readonly recorder: Recorder;
  private readonly operator: Operator;
  private readonly aimed: AimedFaults;
  /** Of the fault that is being injected: each has its own, so that leaving one out changes no other. */
  private random: SeededRandom;
  private readonly schedule: SeededRandom;
  private number = 0;
  private isStopped = false;

  constructor(
    world: World,
    plan: Plan,
    cluster: SimCluster,
    network: Network,
    recorder: Recorder,
    operator: Operator,
  ) {
    this.world = world;
    this.plan = plan;
    this.cluster = cluster;
    this.network = network;
    this.recorder = recorder;
    this.operator = operator;
    this.aimed = new AimedFaults(world, plan, cluster, network);
    this.schedule = world.fork("faults");
    this.random = this.schedule;
  }

  start(): void {
    // The cluster gets a moment to come up in peace, usually.
    const first = this.schedule.below(4) === 0 ? 0 : 3000;
    this.later(first + around(this.schedule, this.plan.faultEveryMs), () => this.strike());
  }

  stop(): void {
    this.isStopped = true;
    this.aimed.stop();
    this.network.heal();
    const { hosts } = this.cluster;
    for (const host of hosts) {
      host.disk.trouble = undefined;
      host.disk.slowSyncMs = 0;
    }
    if (this.plan.minorityStaysDown) this.holdOneDown();
    for (const host of hosts) host.restartAfter(this.random.float() * 500);
  }

  /** In the second phase. @returns whether the leader is gone and one member hears nobody */
  turnDeaf(): boolean {
    return this.aimed.turnDeaf(this.world.fork(`deaf ${Math.round(this.world.now)}`));
  }

  endDeafness(): void {
    this.network.heal();
    for (const host of this.cluster.hosts) host.isDeaf = false;
  }

  private strike(): void {
    if (this.isStopped || this.plan.faults.length === 0) return;
    this.later(around(this.schedule, this.plan.faultEveryMs), () => this.strike());
    const kind = pick(this.schedule, this.plan.faults);
    this.number++;
    if (this.plan.skipFaults.includes(this.number)) return;
    this.random = this.world.fork(`fault ${this.number}`);
    const detail = this.inject(kind);
    if (detail === undefined) return;
    this.injected.push(this.number);
    this.recorder.fault(kind, detail);
  }

  /** @returns what was done, or undefined if there was nothing to do it to */
  private inject(kind: FaultKind): string | undefined {
    const host = pick(this.random, this.cluster.active);
    switch (kind) {
      case "crash":
      case "power loss":
        return this.crash(host, kind);
      case "crash at a step":
        return this.crashAtStep(host);
      case "blackout":
        for (const each of this.cluster.active) each.crash("power loss");
        return "all";
      case "stop":
        host.stop().catch((error: unknown) => this.recorder.violate("exception", String(error)));
        return `m${host.place}`;
      case "pause":
        return this.pause(host);
      case "wall clock":
        host.wallOffsetMs += (this.random.float() * 2 - 1) * 4 * HOUR_MS;
        return `m${host.place}`;
      case "slow disk":
      case "failing disk":
      case "full disk":
        return this.troubleDisk(host, kind);
      case "transfer":
        this.operator.transferLeader();
        return "";
      case "membership":
        this.operator.reconfigure();
        return "";
      case "joint change":
      case "hasty change":
        return this.operator.reconfigureJointly(this.random, kind === "hasty change");
      case "flapping leader":
        return this.aimed.flapLeader(this.random);
      case "stale append":
        this.aimed.delayAppends(this.random);
        return "";
      case "voter crash":
        return this.aimed.crashVoters(this.random);
      default:
        return this.troubleNetwork(kind, host);
    }
  }

  // -- processes -------------------------------------------------------------------------------------------------------

  private crash(host: Host, kind: "crash" | "power loss"): string {
    host.crash(kind);
    // Trouble likes company: the next life may die while it recovers.
    if (this.random.below(3) === 0) this.crashAtStep(host);
    return `m${host.place}`;
  }

  private crashAtStep(host: Host): string {
    const countdown = 1 + this.random.below(pick(this.random, [5, 40, 200]));
    const kind = this.random.below(2) === 0 ? "crash" : "power loss";
    host.disk.trouble = { countdown, kind, lasts: false };
    return `m${host.place} at the ${countdown}th operation from now`;
  }

  private pause(host: Host): string {
    const ms = Math.min(100 + around(this.random, pick(this.random, [300, 2000, 10_000])), this.msLeft);
    host.pause(ms);
    return `m${host.place} for ${Math.round(ms)} ms`;
  }

  /** Not while the voters change: a quorum of the old ones or of the new ones may need just the one that is picked. */
  private holdOneDown(): void {
    const driver = this.cluster.leader?.running?.member.driver;
    if (driver === undefined || isChanging(driver)) return;
    const { voters } = driver.node.confState();
    if (voters.length < 3) return;
    const host = this.cluster.byId(pick(this.random, voters));
    if (host === undefined) return;
    host.isHeldDown = true;
    host.crash("crash", "stays down");
  }

  // -- disks -----------------------------------------------------------------------------------------------------------

  private troubleDisk(host: Host, kind: "slow disk" | "failing disk" | "full disk"): string {
    const { disk } = host;
    const lastsMs = 1000 + around(this.random, 5000);
    if (kind === "slow disk") {
      disk.slowSyncMs = Math.min(pick(this.random, [10, 50, 300, 2000, 30_000]), this.msLeft);
      this.later(lastsMs, () => {
        disk.slowSyncMs = 0;
      });
      return `m${host.place} syncs take ${Math.round(disk.slowSyncMs)} ms more`;
    }
    const isFull = kind === "full disk";
    const countdown = isFull ? 1 : 1 + this.random.below(60);
    const lasts = isFull || this.random.below(2) === 0;
    const trouble = { countdown, kind: isFull ? ("ENOSPC" as const) : ("EIO" as const), lasts };
    disk.trouble = trouble;
    this.later(lastsMs, () => {
      if (disk.trouble === trouble) disk.trouble = undefined;
    });
    return `m${host.place}`;
  }

  // -- network ---------------------------------------------------------------------------------------------------------

  private troubleNetwork(kind: FaultKind, host: Host): string | undefined {
    const { random, network } = this;
    const lastsMs = 200 + around(random, 4000);
    switch (kind) {
      case "lossy":
        return this.weather(lastsMs, "loss", random.float() * 0.5);
      case "slow net":
        return this.weather(lastsMs, "extraDelayMs", pick(random, [20, 100, 500, 2000]));
      case "client net":
        return this.weather(lastsMs, "clientLoss", random.float() * 0.3);
      case "slow member":
        return this.slowMember(host, lastsMs);
      case "starve":
        return this.starve(host);
      case "late packets":
        return this.weather(lastsMs, "heldBack", 0.3 * random.float());
      case "late image":
        this.aimed.lateImage(2 * STARVE_MS_MAX);
        return this.starve(host);
      case "cut images":
        network.imageCut = 0.7;
        this.later(lastsMs, () => {
          network.imageCut = 0;
        });
        return "";
      default:
        return this.cut(kind, host, lastsMs);
    }
  }

  private weather(lastsMs: number, what: keyof Weather, value: number): string {
    const { weather } = this.network;
    weather[what] = value;
    this.later(lastsMs, () => {
      weather[what] = 0;
    });
    return `${what} ${value.toFixed(2)}`;
  }

  /** One member hears late, and mostly is heard late; the others are quick: what it is told is out of date when it arrives. */
  private slowMember(host: Host, lastsMs: number): string {
    const { slowHosts } = this.network;
    const inMs = pick(this.random, [50, 200, 400, 600, 900]) * (0.75 + 0.5 * this.random.float());
    const outMs = this.random.below(2) === 0 ? 0 : inMs;
    slowHosts.set(host, { inMs, outMs });
    this.later(1000 + lastsMs, () => slowHosts.delete(host));
    return `m${host.place} by ${Math.round(inMs)} ms in, ${Math.round(outMs)} ms out`;
  }

  /** Cuts a member off until the leader has dropped what it lacks, so that it needs an image while its clients stay. */
  private starve(host: Host): string | undefined {
    const { network, plan, cluster } = this;
    const hosts = cluster.active.filter((other) => other !== host);
    if (hosts.length < 2 || cluster.leader?.host === host || host.life === undefined) return undefined;
    const links = hosts.flatMap((other): [Host, Host][] => [
      [host, other],
      [other, host],
    ]);
    for (const [from, to] of links) network.block(from, to, true);
    const until = this.world.now + STARVE_MS_MAX;
    const isStarved = (): boolean => {
      const leader = cluster.leader?.running?.member.appliedIndex ?? 0;
      const own = host.life?.running?.member.appliedIndex ?? 0;
      return leader - own > plan.snapshotCount + plan.snapshotCatchupEntries;
    };
    const look = (): void => {
      if (!isStarved() && this.world.now < until) return this.later(250, look);
      for (const [from, to] of links) network.unblock(from, to);
    };
    this.later(250, look);
    return `m${host.place}`;
  }

  private cut(kind: FaultKind, host: Host, lastsMs: number): string | undefined {
    const links = this.linksToCut(kind, host);
    if (links.length === 0) return undefined;
    const silently = kind === "half open" || this.random.below(2) === 0;
    for (const [from, to] of links) this.network.block(from, to, silently);
    this.later(lastsMs, () => {
      for (const [from, to] of links) this.network.unblock(from, to);
    });
    return links.map(([from, to]) => `m${from.place}>m${to.place}`).join(" ");
  }

  private linksToCut(kind: FaultKind, host: Host): [Host, Host][] {
    const hosts = this.cluster.active;
    const others = hosts.filter((other) => other !== host);
    if (others.length === 0) return [];
    const both = (a: Host, b: Host): [Host, Host][] => [
      [a, b],
      [b, a],
    ];
    switch (kind) {
      case "isolate leader": {
        const leader = this.cluster.leader?.host ?? host;
        return hosts.filter((other) => other !== leader).flatMap((other) => both(leader, other));
      }
      case "split": {
        const side = new Set(hosts.filter(() => this.random.below(2) === 0));
        return hosts
          .filter((a) => side.has(a))
          .flatMap((a) => hosts.filter((b) => !side.has(b)).flatMap((b) => both(a, b)));
      }
      case "one way":
      case "half open":
        return [[host, pick(this.random, others)]];
      case "ring":
        // Everybody hears a majority, and nobody the same one.
        return hosts.flatMap((a, i) => both(a, hosts[(i + 2) % hosts.length])).filter(([a, b]) => a !== b);
      default:
        return others.flatMap((other) => both(host, other));
    }
  }

  private get msLeft(): number {
    return Math.max(0, this.plan.safetyMs - this.world.now);
  }

  private later(ms: number, run: () => void): void {
    this.world.after(ms, EventKind.Fault, () => {
      if (!this.isStopped) run();
    });
  }
}

/** Whether the configuration is joint, or may become another one by what a leader's log holds and has not applied. */
function isChanging({ node, storage }: Driver): boolean {
  const { configuration, applied, lastIndex } = node.status();
  if (configuration.isJoint || storage.lastIndex() < lastIndex) return true;
  if (applied === lastIndex) return false;
  const unapplied = storage.entries(applied + 1, lastIndex + 1, Number.POSITIVE_INFINITY) ?? [];
  return unapplied.some(({ type }) => type !== EntryType.Normal);
}
