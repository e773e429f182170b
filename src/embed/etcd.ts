// A running member with its listeners: what the `etcd` command runs and what a program embeds. Nothing here decides
// anything about the data; it binds the member to this machine's disk, clock and ports.

import { createServer, type Server as HttpServer } from "node:http";
import { type Clock, Panic, SeededRandom } from "#base";
import { type ListenAddress, NODE_CLOCK, RpcListener, RpcServer } from "#rpc";
import {
  ETCD_VERSION,
  GRPC_OVERHEAD_BYTES,
  HealthCounters,
  HttpApi,
  type Member,
  Metrics,
  type OutgoingSnapshot,
  type RunningMember,
  registerMetrics,
  Services,
  startMember,
} from "#server";
import { LmdbBackend, MemoryBackend, NodeDisk, type StorageBackend, Wal } from "#storage";
import { dataDirOf, type EtcdConfig, featureEnabled, walDirOf } from "./config.js";
import { checkConfig, checkInitialCluster } from "./config-check.js";
import { createLogger, type ZapShapedLogger } from "./logger.js";
import { parseMemberUrl } from "./urls.js";

/** How long open calls may take to end when the server stops. */
const DRAIN_MS = 2000;
/** How long an HTTP/1.1 client may take to send its headers. */
const HEADERS_TIMEOUT_MS = 300_000;

export interface EmbedOptions {
  /** Keeps the applied state in memory only; it is rebuilt from the log at start. For tests. */
  readonly memory?: boolean;
  readonly logger?: ZapShapedLogger;
  /** The member stopped by itself because it could not trust its state or its disk any more. */
  readonly onFatal?: (error: unknown) => void;
}

/** A member that serves clients. */
export class Etcd {
  readonly config: EtcdConfig;
  readonly logger: ZapShapedLogger;
  private readonly running: RunningMember;
  private readonly server: RpcServer;
  private readonly services: Services;
  private readonly http: HttpServer[];
  private readonly listeners: RpcListener[];
  private stopping: Promise<void> | undefined;

  private constructor(
    config: EtcdConfig,
    logger: ZapShapedLogger,
    running: RunningMember,
    server: RpcServer,
    services: Services,
    http: HttpServer[],
    listeners: RpcListener[],
  ) {
    this.config = config;
    this.logger = logger;
    this.running = running;
    this.server = server;
    this.services = services;
    this.http = http;
    this.listeners = listeners;
  }

  /**
   * Starts a member and resolves once it serves clients.
   * Rejects when its files are damaged or in use, or when an address cannot be had; nothing is left open then.
   */
  static async start(config: EtcdConfig, options: EmbedOptions = {}): Promise<Etcd> {
    checkConfig(config);
    const logger = options.logger ?? createLogger(config);
    const running = await startRunning(config, options, logger);
    const { member } = running;
    const listeners: RpcListener[] = [];
    const http: HttpServer[] = [];
    try {
      await member.ready();
      const counters = new HealthCounters();
      const metrics = new Metrics();
      const services = new Services(member, {
        stopOnDefrag: featureEnabled(config, "StopGRPCServiceOnDefrag"),
      });
      const server = createRpcServer(config, services, logger);
      services.registerOn(server);
      registerMetrics(metrics, member, server, counters, services.admission);
      const serve = httpFactory(config, member, metrics, counters, http);
      const separateHttp = config.listenClientHttpUrls.length > 0;
      const clientHttp = separateHttp ? undefined : serve(false);
      for (const url of config.listenClientUrls)
        listeners.push(await listen(url, { rpc: server, http: clientHttp, logger }));
      for (const url of config.listenClientHttpUrls)
        listeners.push(await listen(url, { http: serve(false), logger }));
      for (const url of config.listenMetricsUrls)
        listeners.push(await listen(url, { http: serve(true), logger }));
      for (const url of config.listenClientUrls)
        logger.info("serving client traffic insecurely; this is strongly discouraged!", {
          traffic: "grpc+http",
          address: url.replace(/^\w+:\/\//, ""),
        });
      return new Etcd(config, logger, running, server, services, http, listeners);
    } catch (error) {
      for (const listener of listeners) await listener.close();
      await running.stop();
      throw error;
    }
  }

  get member(): Member {
    return this.running.member;
  }

  /** The port of the n-th client listener: for listen URLs with port 0. */
  clientPort(n = 0): number {
    return this.listeners[n].port;
  }

  /** Graceful stop: no new connections or calls, open calls end, everything applied is committed. */
  stop(): Promise<void> {
    this.stopping ??= this.runStop();
    return this.stopping;
  }

  private async runStop(): Promise<void> {
    this.services.health.setServing(false);
    for (const listener of this.listeners) await listener.close();
    for (const server of this.http) server.closeAllConnections();
    await this.server.stop(DRAIN_MS);
    await this.running.stop();
  }
}

async function startRunning(
  config: EtcdConfig,
  options: EmbedOptions,
  logger: ZapShapedLogger,
): Promise<RunningMember> {
  const disk = new NodeDisk();
  // A member that has been here before goes by what it finds, whatever the flags say of a new cluster.
  if (!(await Wal.exists(disk, walDirOf(config)))) checkInitialCluster(config);
  const clock: Clock = NODE_CLOCK;
  const openBackend = (directory: string): Promise<StorageBackend> =>
    options.memory === true
      ? Promise.resolve(new MemoryBackend())
      : LmdbBackend.open({
          path: `${directory}/db.lmdb`,
          unsafeNoFsync: config.unsafeNoFsync,
          importFrom: `${directory}/db`,
        });
  return startMember({
    config,
    dataDir: dataDirOf(config),
    walDir: config.walDir,
    disk,
    clock,
    random: new SeededRandom((Math.random() * 0x100000000) | 0),
    logger,
    openBackend,
    transport: NO_PEERS,
    snapshotSender: NO_PEERS,
    mainThreadSync: true,
    onFatal: (error) => {
      const fields = error instanceof Panic ? error.fields : {};
      logger.fatal(error instanceof Error ? error.message : String(error), fields);
      options.onFatal?.(error);
    },
  });
}

/** A cluster of one has nobody to talk to. */
const NO_PEERS = {
  send(): void {
    // There is no other member.
  },
  sendSnapshot(snapshot: OutgoingSnapshot): void {
    void snapshot.close();
  },
};

function createRpcServer(config: EtcdConfig, services: Services, logger: ZapShapedLogger): RpcServer {
  return new RpcServer({
    maxReceiveBytes: config.maxRequestBytes + GRPC_OVERHEAD_BYTES,
    maxSendBytes: 0x7fffffff,
    maxConcurrentStreams: config.maxConcurrentStreams,
    keepaliveMinTimeMs: config.grpcKeepaliveMinTimeMs,
    keepaliveIntervalMs: config.grpcKeepaliveIntervalMs,
    keepaliveTimeoutMs: config.grpcKeepaliveTimeoutMs,
    intercept: (call) => services.admission.check(call),
    logger,
  });
}

function httpFactory(
  config: EtcdConfig,
  member: Member,
  metrics: Metrics,
  counters: HealthCounters,
  servers: HttpServer[],
): (metricsOnly: boolean) => HttpServer {
  const versions = () => ({
    etcdserver: ETCD_VERSION,
    etcdcluster: member.cluster.version || "not_decided",
    storage: member.cluster.storageVersion || "unknown",
  });
  const subject = Object.assign(Object.create(member), { versions });
  return (metricsOnly) => {
    const { cors, hostWhitelist } = config;
    const api = new HttpApi(subject, metrics, counters, { cors, hostWhitelist, metricsOnly });
    const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, api.listener);
    servers.push(server);
    return server;
  };
}

async function listen(
  url: string,
  options: ConstructorParameters<typeof RpcListener>[0],
): Promise<RpcListener> {
  const listener = new RpcListener(options);
  const { host, port, path } = parseMemberUrl(url);
  const address: ListenAddress = path === "" ? { host, port } : { path };
  try {
    await listener.listen(address);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`listen tcp ${url.replace(/^\w+:\/\//, "")}: ${cause}`, { cause: error });
  }
  return listener;
}
