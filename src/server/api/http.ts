// The HTTP side of a client listener: health, version and metrics. Requests reach it after the listener has seen that
// they are not HTTP/2. Every answer carries the CORS headers; a Host outside the whitelist is refused, which keeps web
// pages from reaching a member through a name that they rebind.

import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { type Check, type HealthSubject, healthReason, LIVEZ_CHECKS, READYZ_CHECKS } from "../health.js";
import type { Metrics } from "../metrics.js";

/** The object that /version prints. */
export interface Versions {
  readonly etcdserver: string;
  readonly etcdcluster: string;
  readonly storage: string;
}

/** Results of the checks so far, for the metrics. */
export class HealthCounters {
  healthSuccess = 0;
  healthFailures = 0;
  /** `type/name` -> last result (1 pass, 0 fail). */
  readonly last = new Map<string, number>();
  /** `type/name/status` -> number of results. */
  readonly totals = new Map<string, number>();

  observe(type: string, name: string, passed: boolean): void {
    this.last.set(`${type}/${name}`, passed ? 1 : 0);
    const key = `${type}/${name}/${passed ? "success" : "error"}`;
    this.totals.set(key, (this.totals.get(key) ?? 0) + 1);
  }
}

export interface HttpOptions {
  readonly cors: readonly string[];
  readonly hostWhitelist: readonly string[];
  /** Only metrics and health: for `listen-metrics-urls`. */
  readonly metricsOnly: boolean;
}

export class HttpApi {
  private readonly subject: HealthSubject;
  private readonly versions: () => Versions;
  private readonly metrics: Metrics;
  private readonly counters: HealthCounters;
  private readonly options: HttpOptions;

  constructor(
    subject: HealthSubject,
    versions: () => Versions,
    metrics: Metrics,
    counters: HealthCounters,
    options: HttpOptions,
  ) {
    this.subject = subject;
    this.versions = versions;
    this.metrics = metrics;
    this.counters = counters;
    this.options = options;
  }

  /** For `node:http`'s createServer. */
  readonly listener: RequestListener = (request, response) => {
    this.serve(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else answer(response, 500, "text/plain; charset=utf-8", `${String(error)}\n`);
    });
  };

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A body that nobody reads must not hold the connection.
    request.resume();
    if (!this.hostAllowed(request)) return this.refuseHost(request, response);
    this.addCorsHeaders(request, response);
    if (request.method === "OPTIONS") {
      response.end();
      return;
    }
    const url = parseUrl(request.url ?? "/");
    if (url === undefined) return answer(response, 400, "text/plain; charset=utf-8", "bad request\n");
    const path = url.pathname;
    if (path === "/health") return this.health(request, response, url);
    if (path === "/metrics") return this.serveMetrics(request, response);
    if (path === "/livez" || path.startsWith("/livez/"))
      return this.checks(request, response, url, "livez", LIVEZ_CHECKS);
    if (path === "/readyz" || path.startsWith("/readyz/"))
      return this.checks(request, response, url, "readyz", READYZ_CHECKS);
    if (path === "/version" && !this.options.metricsOnly) {
      if (!onlyGet(request, response)) return;
      return answer(response, 200, "application/json", JSON.stringify(this.versions()));
    }
    answer(response, 404, "text/plain; charset=utf-8", "404 page not found\n");
  }

  private async serveMetrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!onlyGet(request, response)) return;
    answer(response, 200, this.metrics.contentType, await this.metrics.text());
  }

  private async health(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    if (!onlyGet(request, response)) return;
    const serializable = url.searchParams.get("serializable") === "true";
    const reason = await healthReason(this.subject, serializable, url.searchParams.getAll("exclude"));
    const healthy = reason === undefined;
    if (healthy) this.counters.healthSuccess++;
    else this.counters.healthFailures++;
    const body = JSON.stringify({ health: healthy ? "true" : "false", reason: reason ?? "" });
    // Text by type although it is JSON, and with a line end when it is an error: so etcd answers.
    answer(response, healthy ? 200 : 503, "text/plain; charset=utf-8", healthy ? body : `${body}\n`);
  }

  private async checks(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    type: string,
    all: ReadonlyMap<string, Check>,
  ): Promise<void> {
    if (!onlyGet(request, response)) return;
    const name = url.pathname.slice(type.length + 2);
    const single = all.get(name);
    if (name !== "" && single === undefined)
      return answer(response, 404, "text/plain; charset=utf-8", "404 page not found\n");
    const excluded = url.searchParams.getAll("exclude");
    const chosen =
      single !== undefined ? [[name, single] as const] : [...all].filter(([n]) => !excluded.includes(n));
    const lines: string[] = [];
    let failed = false;
    for (const [checkName, check] of chosen) {
      const problem = await check(this.subject);
      this.counters.observe(type, checkName, problem === undefined);
      if (problem !== undefined) failed = true;
      lines.push(problem === undefined ? `[+]${checkName} ok` : `[-]${checkName} failed: ${problem}`);
    }
    if (failed) {
      response.setHeader("X-Content-Type-Options", "nosniff");
      return answer(response, 503, "text/plain; charset=utf-8", `${lines.join("\n")}\n`);
    }
    const verbose = url.searchParams.has("verbose");
    answer(response, 200, "text/plain; charset=utf-8", verbose ? `${[...lines, "ok"].join("\n")}\n` : "ok\n");
  }

  private hostAllowed(request: IncomingMessage): boolean {
    const allowed = this.options.hostWhitelist;
    if (allowed.length === 0 || allowed.includes("*")) return true;
    return allowed.includes(hostOf(request));
  }

  private refuseHost(request: IncomingMessage, response: ServerResponse): void {
    const host = hostOf(request);
    const text =
      `etcd received your request, but the Host header was unrecognized ("${host}").\n\n` +
      `To fix this, start etcd with --host-whitelist ${host} if you trust this name: requests through unknown names\n` +
      "are refused because a web page could otherwise reach this member by DNS rebinding.\n";
    answer(response, 421, "text/plain; charset=utf-8", text);
  }

  private addCorsHeaders(request: IncomingMessage, response: ServerResponse): void {
    const origin = request.headers.origin;
    const allowed = this.options.cors;
    const every = allowed.includes("*");
    if (!every && (origin === undefined || !allowed.includes(origin))) return;
    response.setHeader("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE");
    response.setHeader("Access-Control-Allow-Origin", every || origin === undefined ? "*" : origin);
    response.setHeader("Access-Control-Allow-Headers", "accept, content-type, authorization");
  }
}

function parseUrl(target: string): URL | undefined {
  return URL.canParse(target, "http://member") ? new URL(target, "http://member") : undefined;
}

/** The Host header without its port. */
function hostOf(request: IncomingMessage): string {
  const host = request.headers.host ?? "";
  const bracket = host.match(/^\[([^\]]*)\]/);
  return bracket !== null ? bracket[1] : host.replace(/:\d*$/, "");
}

function onlyGet(request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method === "GET") return true;
  response.setHeader("Allow", "GET");
  answer(response, 405, "text/plain; charset=utf-8", "Method Not Allowed\n");
  return false;
}

function answer(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", contentType);
  response.end(body);
}
