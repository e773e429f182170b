// Trouble that waits for its moment: it listens to what the members send and strikes when raft is at its most delicate. Chance
// alone gets there too, but rarely.

import type { SeededRandom } from "#base";
import { type MemberId, MessageType, type RaftMessage } from "#proto";
import type { SimCluster } from "./cluster.js";
import { EventKind } from "./event-queue.js";
import type { Host } from "./host.js";
import type { Life } from "./life.js";
import type { Network, SendListener } from "./network.js";
import { type Plan, pick } from "./plan.js";
import type { World } from "./world.js";

/** An elected leader that does not come within so many election timeouts will not come. */
const FLAPPING_TIMEOUTS = 16;
const VOTING_TIMEOUTS = 5;
/** Appends of one leader that are held back. */
const HELD_MAX = 8;

export class AimedFaults {
  private readonly world: World;
  private readonly plan: Plan;
  private readonly cluster: SimCluster;
  private readonly network: Network;
  private readonly listening = new Set<SendListener>();
  private isStopped = false;

  constructor(world: World, plan: Plan, cluster: SimCluster, network: Network) {
    this.world = world;
    this.plan = plan;
    this.cluster = cluster;
    this.network = network;
  }

  stop(): void {
    this.isStopped = true;
    for (const listener of this.listening) this.network.listeners.delete(listener);
  }

  /**
   * The next few leaders are cut off at their first append, which nobody or just one follower gets: each leaves entries
   * behind that only it has, and comes back into a later term with them.
   */
  flapLeader(random: SeededRandom): string {
    const { electionTimeoutMs } = this.plan;
    let left = 2 + random.below(4);
    const text = `the next ${left} leaders`;
    const struck = new Set<number>();
    const onSend = (life: Life, message: RaftMessage): void => {
      if (!isOwnAppend(message) || struck.has(message.term)) return;
      struck.add(message.term);
      this.cutOff(life.host, random, (1.2 + 2.5 * random.float()) * electionTimeoutMs);
      if (--left === 0) this.unlisten(onSend);
    };
    this.listen(onSend, FLAPPING_TIMEOUTS * electionTimeoutMs);
    return text;
  }

  /**
   * A leader is cut off as it appends, and what it sent then reaches each follower just when that has acknowledged an entry
   * of a later leader at the same place.
   */
  delayAppends(random: SeededRandom): void {
    const { electionTimeoutMs } = this.plan;
    const held: RaftMessage[] = [];
    let heldTerm = 0;
    const onSend = (life: Life, message: RaftMessage): void => {
      if (isOwnAppend(message) && (heldTerm === 0 || (message.term === heldTerm && held.length < HELD_MAX))) {
        if (heldTerm === 0) this.cutOff(life.host, random, (1.5 + 2 * random.float()) * electionTimeoutMs);
        heldTerm = message.term;
        held.push(message);
      }
      if (message.type !== MessageType.AppResp || message.reject || message.term <= heldTerm) return;
      const at = held.findIndex(({ to, index }) => to === life.host.memberId && message.index > index);
      if (heldTerm > 0 && at >= 0) this.network.sendLate(held.splice(at, 1)[0], random.float());
    };
    this.listen(onSend, FLAPPING_TIMEOUTS * electionTimeoutMs);
  }

  /** The leader dies, requests for votes dawdle, and who has given its vote dies too and is back at once. */
  crashVoters(random: SeededRandom): string {
    const { electionTimeoutMs } = this.plan;
    const { weather } = this.network;
    const lastsMs = VOTING_TIMEOUTS * electionTimeoutMs;
    weather.voteDelayMs = electionTimeoutMs * random.float();
    this.later(lastsMs, () => {
      weather.voteDelayMs = 0;
    });
    this.listen((life, message) => {
      const isVote = message.type === MessageType.VoteResp && !message.reject;
      if ((!isVote && message.type !== MessageType.Vote) || random.below(2) === 0) return;
      const kind = random.below(2) === 0 ? "crash" : "power loss";
      this.later(random.float() * 2, () => {
        if (!life.isOver) life.host.crash(kind, "with its vote just given", 1 + random.float() * 20);
      });
    }, lastsMs);
    const leader = this.cluster.leader?.host;
    leader?.crash("crash", "", electionTimeoutMs * random.float());
    return leader === undefined ? "" : `m${leader.place} leads`;
  }

  /** A member that needs an image gets the first one when it has had a second one already. */
  lateImage(lastsMs: number): void {
    const { network } = this;
    network.lateImages++;
    this.later(lastsMs, () => {
      network.lateImages = 0;
    });
  }

  /** In the second phase: the leader restarts, and another voter, restarted too, is heard by all and hears nobody. A majority
   *  stays whole. @returns whether the cluster was ready for it */
  turnDeaf(random: SeededRandom): boolean {
    const { cluster, network } = this;
    const leader = cluster.leader;
    const configuration = leader?.running?.member.driver.node.configuration;
    if (leader === undefined || configuration === undefined || configuration.isJoint) return false;
    const voters = hostsOf(cluster, configuration.voters.ids());
    const others = voters.filter((host) => host !== leader.host);
    // A leader that was demoted leads on without being a voter.
    if (voters.length < 3 || voters.some((host) => !host.isServing)) return false;
    const deaf = pick(random, others);
    for (const host of cluster.active) if (host !== deaf) network.block(host, deaf, true);
    deaf.isDeaf = true;
    deaf.crash("crash", "and hears nobody", 1);
    leader.host.crash("crash", "while another hears nobody", 1);
    return true;
  }

  /** Both directions, but for one follower now and then. */
  private cutOff(host: Host, random: SeededRandom, lastsMs: number): void {
    const { cluster, network, world } = this;
    const others = cluster.active.filter((other) => other !== host);
    const spared = random.below(3) === 0 ? pick(random, others) : undefined;
    const cut = others.filter((other) => other !== spared);
    world.say(() => `m${host.place} is cut off as it leads, for ${Math.round(lastsMs)} ms`);
    for (const other of cut) {
      network.block(host, other, true);
      network.block(other, host, true);
    }
    this.later(lastsMs, () => {
      for (const other of cut) {
        network.unblock(host, other);
        network.unblock(other, host);
      }
    });
  }

  private listen(listener: SendListener, lastsMs: number): void {
    this.listening.add(listener);
    this.network.listeners.add(listener);
    this.later(lastsMs, () => this.unlisten(listener));
  }

  private unlisten(listener: SendListener): void {
    this.listening.delete(listener);
    this.network.listeners.delete(listener);
  }

  private later(ms: number, run: () => void): void {
    this.world.after(ms, EventKind.Fault, () => {
      if (!this.isStopped) run();
    });
  }
}

/** Does a leader append entries of its own term with it? */
function isOwnAppend({ type, entries, term }: RaftMessage): boolean {
  return type === MessageType.App && entries.at(-1)?.term === term;
}

function hostsOf(cluster: SimCluster, ids: readonly MemberId[]): Host[] {
  return ids.map((id) => cluster.byId(id)).filter((host) => host !== undefined);
}
