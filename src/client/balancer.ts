// Which connection a call takes. Every endpoint has at most one connection. Calls go round-robin over the established
// ones; while there is none, all endpoints are dialled at once and callers wait (gRPC's "wait for ready") until one stands
// or their deadline passes. A lost endpoint is dialled again with growing pauses for as long as somebody waits or until
// it stands; while another endpoint serves, that happens in the background and nobody notices.

import type { ResolvedConfig } from "./config.js";
import { parseEndpoint } from "./endpoint.js";
import { canceled, deadlineExceeded } from "./errors.js";
import { CallFailure, type Connection } from "./transport.js";

const REDIAL_MS_MIN = 50;
const REDIAL_MS_MAX = 3000;

/** A picked connection and the endpoint it leads to. */
export interface Pick {
  readonly endpoint: string;
  readonly connection: Connection;
}

class Endpoint {
  readonly name: string;
  pick: Pick | undefined;
  dialing = false;
  redialMs = REDIAL_MS_MIN;
  timer: NodeJS.Timeout | undefined;
  lastFailure: CallFailure | undefined;

  constructor(name: string) {
    this.name = name;
  }
}

interface Waiter {
  readonly endpoint: string | undefined;
  ready(): void;
}

export class Balancer {
  private readonly config: ResolvedConfig;
  private endpoints: Endpoint[];
  /** Endpoints that calls asked for by name without their being in the list. */
  private readonly extra = new Map<string, Endpoint>();
  private readonly waiters = new Set<Waiter>();
  private next = 0;
  private closed = false;

  constructor(config: ResolvedConfig) {
    this.config = config;
    for (const endpoint of config.endpoints) parseEndpoint(endpoint);
    this.endpoints = [...new Set(config.endpoints)].map((name) => new Endpoint(name));
  }

  get endpointNames(): string[] {
    return this.endpoints.map((endpoint) => endpoint.name);
  }

  /** Replaces the list; connections to endpoints that stay are kept, the others closed. */
  setEndpoints(names: readonly string[]): void {
    for (const name of names) parseEndpoint(name);
    const kept = new Map(this.endpoints.map((endpoint) => [endpoint.name, endpoint]));
    this.endpoints = [...new Set(names)].map((name) => kept.get(name) ?? new Endpoint(name));
    for (const endpoint of kept.values()) if (!this.endpoints.includes(endpoint)) drop(endpoint);
  }

  /** Why nothing could be reached so far, if an attempt has failed. */
  get lastFailure(): CallFailure | undefined {
    return this.endpoints.find((endpoint) => endpoint.lastFailure !== undefined)?.lastFailure;
  }

  /**
   * A standing connection, to `name` if given. Waits for one.
   * @throws EtcdError after `timeoutMs`, when `signal` is aborted or the balancer is closed
   */
  async pick(
    name: string | undefined,
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Pick> {
    const ready = this.readyPick(name);
    if (ready !== undefined) return ready;
    const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
    for (;;) {
      if (this.closed || signal?.aborted) throw canceled();
      const left = deadline === undefined ? undefined : deadline - performance.now();
      if (left !== undefined && left <= 0) throw deadlineExceeded();
      for (const endpoint of this.candidates(name)) this.dial(endpoint);
      await this.wait(name, left, signal);
      const found = this.readyPick(name);
      if (found !== undefined) return found;
    }
  }

  close(): void {
    this.closed = true;
    for (const endpoint of [...this.endpoints, ...this.extra.values()]) drop(endpoint);
    for (const waiter of this.waiters) waiter.ready();
  }

  /** The next standing connection in turn, or undefined. */
  readyPick(name: string | undefined): Pick | undefined {
    if (name !== undefined) return this.named(name).pick;
    for (let i = 0; i < this.endpoints.length; i++) {
      const endpoint = this.endpoints[(this.next + i) % this.endpoints.length];
      if (endpoint.pick !== undefined) {
        this.next = (this.next + i + 1) % this.endpoints.length;
        return endpoint.pick;
      }
    }
    return undefined;
  }

  private candidates(name: string | undefined): Endpoint[] {
    return name === undefined ? this.endpoints : [this.named(name)];
  }

  private named(name: string): Endpoint {
    const listed = this.endpoints.find((endpoint) => endpoint.name === name) ?? this.extra.get(name);
    if (listed !== undefined) return listed;
    const added = new Endpoint(name);
    this.extra.set(name, added);
    return added;
  }

  private wait(
    name: string | undefined,
    ms: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return new Promise((resolve) => {
      const waiter: Waiter = {
        endpoint: name,
        ready: () => {
          this.waiters.delete(waiter);
          clearTimeout(timer);
          signal?.removeEventListener("abort", waiter.ready);
          resolve();
        },
      };
      const timer = ms === undefined ? undefined : setTimeout(waiter.ready, Math.ceil(ms));
      signal?.addEventListener("abort", waiter.ready);
      this.waiters.add(waiter);
    });
  }

  private dial(endpoint: Endpoint): void {
    endpoint.timer?.ref();
    if (endpoint.dialing || endpoint.pick !== undefined || endpoint.timer !== undefined || this.closed)
      return;
    endpoint.dialing = true;
    const { dialTimeoutMs, keepaliveMs, keepaliveTimeoutMs, maxSendBytes, maxReceiveBytes } = this.config;
    this.config.connector
      .connect(parseEndpoint(endpoint.name), {
        timeoutMs: dialTimeoutMs,
        keepaliveMs,
        keepaliveTimeoutMs,
        maxSendBytes,
        maxReceiveBytes,
        onLost: () => this.lost(endpoint),
      })
      .then(
        (connection) => this.established(endpoint, connection),
        (failure: unknown) => this.refused(endpoint, failure),
      );
  }

  private established(endpoint: Endpoint, connection: Connection): void {
    endpoint.dialing = false;
    if (this.closed) return connection.close();
    endpoint.pick = { endpoint: endpoint.name, connection };
    endpoint.redialMs = REDIAL_MS_MIN;
    endpoint.lastFailure = undefined;
    for (const waiter of this.waiters) {
      if (waiter.endpoint === undefined || waiter.endpoint === endpoint.name) waiter.ready();
    }
  }

  private refused(endpoint: Endpoint, failure: unknown): void {
    endpoint.dialing = false;
    if (!(failure instanceof CallFailure)) throw failure;
    endpoint.lastFailure = failure;
    this.redialLater(endpoint);
  }

  private lost(endpoint: Endpoint): void {
    endpoint.pick = undefined;
    this.dial(endpoint);
  }

  private redialLater(endpoint: Endpoint): void {
    if (this.closed) return;
    const pause = endpoint.redialMs * (0.8 + 0.4 * Math.random());
    endpoint.redialMs = Math.min(endpoint.redialMs * 1.6, REDIAL_MS_MAX);
    endpoint.timer = setTimeout(() => {
      endpoint.timer = undefined;
      this.dial(endpoint);
    }, pause);
    // A client that nobody uses must not keep the process alive.
    if (this.waiters.size === 0) endpoint.timer.unref();
  }
}

function drop(endpoint: Endpoint): void {
  clearTimeout(endpoint.timer);
  endpoint.timer = undefined;
  endpoint.pick?.connection.close();
  endpoint.pick = undefined;
}
