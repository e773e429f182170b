// A running member with its listeners: what the `etcd` command runs and what a program embeds. Nothing here decides
// anything about the data; it binds the member to this machine's disk, clock and ports.

import { createServer, type Server as HttpServer } from "node:http";
import { arch, version as nodeVersion, platform } from "node:process";
import { DiskError, Panic, SeededRandom } from "#base";
import { NODE_CLOCK, type RpcListener, RpcServer } from "#rpc";
import {
  ETCD_VERSION,
  GRPC_OVERHEAD_BYTES,
  HealthCounters,
  HttpApi,
  type Member,
  Metrics,
  type OutgoingSnapshot,
  RECOMMENDED_QUOTA_BYTES_MAX,
  RECOMMENDED_REQUEST_BYTES_MAX,
  type RunningMember,
  registerMetrics,
  Services,
  startMember,
} from "#server";
import { LmdbBackend, MemoryBackend, NodeDisk, type StorageBackend, Wal } from "#storage";
import {
  dataDirOf,
  type EtcdConfig,
  effectiveGates,
  featureEnabled,
  featureList,
  walDirOf,
} from "./config.js";
import { checkConfig, checkInitialCluster } from "./config-check.js";
import { listen } from "./listen.js";
import { createLogger, type ZapShapedLogger } from "./logger.js";
import { registerProcessMetrics } from "./process-metrics.js";
import { ConfigError } from "./urls.js";

/** How long open calls may take to end when the server stops. */
const DRAIN_MS = 2000;
/** How long an HTTP/1.1 client may take to send its headers. */
const HEADERS_TIMEOUT_MS = 300_000;

export interface EmbedOptions {
  /** Keeps the applied state in memory, with a journal beside the log in place of the database file. For tests. */
  readonly memory?: boolean;
  readonly logger?: ZapShapedLogger;
  /** The member stopped by itself because it could not trust its state or its disk any more. Every call is refused from
   *  then on; `stop` lets go of ports and files. */
  readonly onFatal?: (error: unknown) => void;
}

/** A member that serves clients. */
export class Etcd {
  readonly config: EtcdConfig;
  readonly logger: ZapShapedLogger;
  private readonly running: RunningMember;
  private readonly services: Services;
  private readonly server: RpcServer;
  private readonly metrics = new Metrics();
  private readonly healthCounters = new HealthCounters();
  private readonly http: HttpServer[] = [];
  private readonly listeners: RpcListener[] = [];
  private stopping: Promise<void> | undefined;

  private constructor(config: EtcdConfig, logger: ZapShapedLogger, running: RunningMember) {
    this.config = config;
    this.logger = logger;
    this.running = running;
    const { member } = running;
    this.services = new Services(member, { stopOnDefrag: featureEnabled(config, "StopGRPCServiceOnDefrag") });
    this.server = createRpcServer(config, member, this.services, logger);
    this.services.registerOn(this.server);
    registerMetrics(this.metrics, {
      member,
      server: this.server,
      services: this.services,
      health: this.healthCounters,
      features: featureList(config),
      extensive: config.metrics === "extensive",
    });
    registerProcessMetrics(this.metrics);
  }

  /**
   * Starts a member and resolves once it serves clients.
   * Rejects when its files are damaged or in use, or when an address cannot be had; nothing is left open then.
   */
  static async start(config: EtcdConfig, options: EmbedOptions = {}): Promise<Etcd> {
    checkConfig(config);
    const logger = options.logger ?? createLogger(config);
    logStart(config, logger);
    const running = await startRunning(config, options, logger);
    try {
      refuseCompany(running.member);
      await running.member.ready();
      const etcd = new Etcd(config, logger, running);
      await etcd.open();
      return etcd;
    } catch (error) {
      await running.stop().catch((again: unknown) => {
        // Why the start failed matters more.
        logger.warn("failed to stop after a failed start", { error: again });
      });
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
    const { config, logger } = this;
    logger.info("closing etcd server", { name: config.name, "data-dir": dataDirOf(config) });
    this.services.health.setServing(false);
    await this.closeListeners();
    this.services.endStreams();
    await this.server.stop(DRAIN_MS);
    for (const server of this.http) server.closeAllConnections();
    await this.running.stop();
    logger.info("closed etcd server", { name: config.name, "data-dir": dataDirOf(config) });
  }

  private async open(): Promise<void> {
    const { config, logger, server } = this;
    const { listenClientUrls, listenClientHttpUrls, listenMetricsUrls } = config;
    try {
      const http = listenClientHttpUrls.length > 0 ? undefined : this.createHttp(false);
      for (const url of listenClientUrls)
        this.listeners.push(await listen(url, { rpc: server, http, logger }));
      for (const url of listenClientHttpUrls)
        this.listeners.push(await listen(url, { http: this.createHttp(false), logger }));
      for (const url of listenMetricsUrls)
        this.listeners.push(await listen(url, { http: this.createHttp(true), logger }));
    } catch (error) {
      await this.closeListeners();
      throw error;
    }
    logger.info("ready to serve client requests");
    const traffic = listenClientHttpUrls.length > 0 ? "grpc" : "grpc+http";
    for (const url of listenClientUrls) logServing(logger, url, traffic);
    for (const url of listenClientHttpUrls) logServing(logger, url, "http");
    for (const url of listenMetricsUrls) logger.info("serving metrics", { address: url });
  }

  private async closeListeners(): Promise<void> {
    for (const listener of this.listeners) await listener.close();
    for (const server of this.http) server.closeIdleConnections();
  }

  private createHttp(metricsOnly: boolean): HttpServer {
    const { cors, hostWhitelist } = this.config;
    const { cluster } = this.member;
    const versions = () => ({
      etcdserver: ETCD_VERSION,
      etcdcluster: cluster.version || "not_decided",
      storage: cluster.storageVersion || "unknown",
    });
    const options = { cors, hostWhitelist, metricsOnly };
    const api = new HttpApi(this.member, versions, this.metrics, this.healthCounters, options);
    const server = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, api.listener);
    this.http.push(server);
    return server;
  }
}

function logStart(config: EtcdConfig, logger: ZapShapedLogger): void {
  logger.info("starting an etcd server", {
    "etcd-version": ETCD_VERSION,
    "node-version": nodeVersion,
    os: platform,
    arch,
    name: config.name,
    "data-dir": dataDirOf(config),
    "wal-dir": walDirOf(config),
    "listen-client-urls": config.listenClientUrls,
    "advertise-client-urls": config.advertiseClientUrls,
    "listen-metrics-urls": config.listenMetricsUrls,
    "snapshot-count": config.snapshotCount,
    "quota-backend-bytes": config.quotaBackendBytes,
    "max-request-bytes": config.maxRequestBytes,
    "auto-compaction-mode": config.autoCompactionMode,
    "auto-compaction-retention": config.autoCompactionRetention,
    "heartbeat-interval": `${config.heartbeatIntervalMs}ms`,
    "election-timeout": `${config.electionTimeoutMs}ms`,
  });
  if (config.maxRequestBytes > RECOMMENDED_REQUEST_BYTES_MAX) {
    logger.warn("exceeded recommended request limit", {
      "max-request-bytes": config.maxRequestBytes,
      "recommended-request-bytes": RECOMMENDED_REQUEST_BYTES_MAX,
    });
  }
  if (config.quotaBackendBytes > RECOMMENDED_QUOTA_BYTES_MAX) {
    logger.warn("quota exceeds the maximum value", {
      "quota-size-bytes": config.quotaBackendBytes,
      "quota-maximum-size-bytes": RECOMMENDED_QUOTA_BYTES_MAX,
    });
  }
  if (config.unsafeNoFsync) {
    logger.warn("fsync is off: a crash of the machine loses acknowledged writes", {
      flag: "unsafe-no-fsync",
    });
  }
}

function logServing(logger: ZapShapedLogger, url: string, traffic: string): void {
  const address = url.replace(/^\w+:\/\//, "");
  logger.info("serving client traffic insecurely; this is strongly discouraged!", { traffic, address });
}

async function startRunning(
  config: EtcdConfig,
  options: EmbedOptions,
  logger: ZapShapedLogger,
): Promise<RunningMember> {
  const disk = new NodeDisk();
  // A member that has been here before goes by what it finds, whatever the flags say of a new cluster.
  if (!(await Wal.exists(disk, walDirOf(config)))) checkInitialCluster(config);
  const openBackend = (directory: string): Promise<StorageBackend> =>
    options.memory === true
      ? MemoryBackend.open(disk, `${directory}/db.journal`)
      : LmdbBackend.open({
          path: `${directory}/db.lmdb`,
          unsafeNoFsync: config.unsafeNoFsync,
          importFrom: `${directory}/db`,
        });
  return startMember({
    config: { ...config, featureGates: effectiveGates(config) },
    dataDir: dataDirOf(config),
    walDir: config.walDir,
    disk,
    clock: NODE_CLOCK,
    random: new SeededRandom((Math.random() * 0x100000000) | 0),
    logger,
    openBackend,
    transport: NO_PEERS,
    snapshotSender: NO_PEERS,
    mainThreadSync: true,
    onFatal: (error) => {
      logger.fatal(error instanceof Error ? error.message : String(error), fieldsOf(error));
      options.onFatal?.(error);
    },
  });
}

/** Where it happened and what to do, as far as the error knows. */
function fieldsOf(error: unknown): Readonly<Record<string, unknown>> {
  if (error instanceof Panic) return error.fields;
  if (!(error instanceof DiskError)) return {};
  const remedy =
    error.code === "ENOSPC" || error.code === "EDQUOT"
      ? "make room on this disk and start the member again; what was acknowledged is in the log"
      : "look for the disk's trouble in the system log before starting again";
  return { path: error.path, remedy };
}

/** Nobody carries messages to other members here, so one of several would wait for them for ever. */
function refuseCompany({ cluster }: Member): void {
  const members = cluster.list();
  if (members.length <= 1) return;
  throw new ConfigError(
    `this data directory belongs to a cluster of ${members.length} members; this version runs clusters of one only. ` +
      "Remedy: restore a snapshot of the cluster into a new data directory",
  );
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

function createRpcServer(
  config: EtcdConfig,
  member: Member,
  services: Services,
  logger: ZapShapedLogger,
): RpcServer {
  return new RpcServer({
    maxReceiveBytes: config.maxRequestBytes + GRPC_OVERHEAD_BYTES,
    maxSendBytes: 0x7fffffff,
    maxConcurrentStreams: config.maxConcurrentStreams,
    keepaliveMinTimeMs: config.grpcKeepaliveMinTimeMs,
    keepaliveIntervalMs: config.grpcKeepaliveIntervalMs,
    keepaliveTimeoutMs: config.grpcKeepaliveTimeoutMs,
    intercept: (call) => services.admission.check(call),
    onPanic: (panic) => member.fail(panic),
    logger,
  });
}
