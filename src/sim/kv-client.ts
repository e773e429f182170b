// One client of the workload: it asks, waits for the answer or gives up, pauses, and asks again. It stays with a member
// until that fails it.

import type { SeededRandom } from "#base";
import { type Caller, REFUSED } from "./caller.js";
import { EventKind } from "./event-queue.js";
import type { OperationRecord } from "./history.js";
import type { Host } from "./host.js";
import type { Knowledge } from "./knowledge.js";
import { around, type Plan } from "./plan.js";
import { Workload } from "./workload.js";
import type { World } from "./world.js";

/** Longer than any request is kept by a member. */
const LONG_PATIENCE_MS = 15_000;

export interface ClientParts {
  readonly world: World;
  readonly plan: Plan;
  readonly caller: Caller;
  readonly knowledge: Knowledge;
  /** The members that a client may ask now. */
  readonly endpoints: () => readonly Host[];
  /** Renewals of leases are the leader's business. */
  readonly leader: () => Host | undefined;
  /** Whether another operation may begin; counts it. */
  readonly mayAsk: () => boolean;
}

export class KvClient {
  private readonly id: number;
  private readonly parts: ClientParts;
  private readonly random: SeededRandom;
  private readonly workload: Workload;
  private endpoint: Host | undefined;
  private isAsleep = false;

  constructor(id: number, parts: ClientParts) {
    this.id = id;
    this.parts = parts;
    this.random = parts.world.fork(`client ${id}`);
    this.workload = new Workload(id, parts.plan, parts.world.fork(`workload ${id}`), parts.knowledge);
  }

  start(): void {
    this.parts.world.after(this.random.float() * 1000, EventKind.Client, () => this.ask());
  }

  /** Goes on, if it had stopped because nothing more was to be asked. */
  wake(): void {
    if (this.isAsleep) this.ask();
  }

  private ask(): void {
    const { parts, random } = this;
    this.isAsleep = !parts.mayAsk();
    if (this.isAsleep) return;
    const endpoints = parts.endpoints();
    const isUsable = this.endpoint !== undefined && endpoints.includes(this.endpoint);
    if (!isUsable || random.below(20) === 0) this.endpoint = endpoints[random.below(endpoints.length)];
    const op = this.workload.next();
    if (op.type === "leaseRevoke") parts.knowledge.forgetLease(op.id);
    const timeoutMs = random.below(4) === 0 ? 500 + random.below(3000) : LONG_PATIENCE_MS;
    const isLeaders = op.type === "leaseKeepAlive" || op.type === "leaseTimeToLive";
    const leader = isLeaders && random.below(5) !== 0 ? parts.leader() : undefined;
    const endpoint = leader ?? this.endpoint;
    if (endpoint === undefined) this.later();
    else parts.caller.call(this.id, endpoint, op, timeoutMs, (record) => this.answered(record));
  }

  private answered(record: OperationRecord): void {
    const { parts } = this;
    const { outcome } = record;
    if (outcome.kind === "ok") parts.knowledge.learn(outcome.result);
    else if (outcome.kind === "unknown" || !outcome.isDefinite) this.endpoint = undefined;
    else if (outcome.message === REFUSED) return this.tryAnother();
    this.later();
  }

  /** Nobody was there; like any client library, it goes through the list before it complains. */
  private tryAnother(): void {
    this.endpoint = undefined;
    this.parts.world.after(20 + this.random.float() * 200, EventKind.Client, () => this.ask());
  }

  private later(): void {
    this.parts.world.after(this.pause(), EventKind.Client, () => this.ask());
  }

  private pause(): number {
    const { plan } = this.parts;
    const mean = (plan.safetyMs * plan.clients) / plan.operations;
    if (this.random.float() < plan.burstiness) return this.random.float() * 3;
    return around(this.random, mean / (1 - plan.burstiness));
  }
}
