// What a configuration must satisfy before a member is started with it. The same rules hold for embedding programs and for
// the command line; the order is etcd's, so that of several mistakes the same one is told first.

import { type EtcdConfig, FEATURE_GATES, featureEnabled, parseInitialCluster } from "./config.js";
import { ConfigError, checkBindUrls, emptyHostProblem, parseMemberUrl } from "./urls.js";

const ELECTION_MS_MAX = 50_000;

/** @throws ConfigError for the first rule that is broken */
export function checkConfig(config: EtcdConfig): void {
  checkLogging(config);
  for (const urls of [config.listenPeerUrls, config.listenClientUrls, config.listenClientHttpUrls])
    checkBindUrls(urls);
  checkBindUrls(config.listenMetricsUrls);
  checkAdvertised(config);
  checkTimes(config);
  if (config.listenClientUrls.length > 0 && config.advertiseClientUrls.length === 0) {
    throw new ConfigError("--advertise-client-urls is required when --listen-client-urls is set explicitly");
  }
  const mode: string = config.autoCompactionMode;
  if (mode === "") throw new ConfigError("undefined auto-compaction-mode");
  if (mode !== "periodic" && mode !== "revision") {
    throw new ConfigError(`unknown auto-compaction-mode ${JSON.stringify(mode)}`);
  }
  checkFeatures(config);
  if (config.compactHashCheckTimeMs <= 0) {
    throw new ConfigError(`--compact-hash-check-time must be >0 (set to ${config.compactHashCheckTimeMs}ms)`);
  }
  checkSchemes(config);
  checkSupported(config);
}

/** Starting without what was asked for would be worse than not starting. */
function checkSupported(config: EtcdConfig): void {
  const asked: readonly (readonly [flag: string, isAsked: boolean])[] = [
    ["force-new-cluster", config.forceNewCluster],
    ["enable-pprof", config.enablePprof],
    ["corrupt-check-time", config.corruptCheckTimeMs > 0],
    ["bootstrap-defrag-threshold-megabytes", config.bootstrapDefragThresholdMegabytes > 0],
    ["socket-reuse-port", config.socketReusePort],
  ];
  for (const [flag, isAsked] of asked)
    if (isAsked) throw new ConfigError(`--${flag} is not supported by this version`);
}

function checkLogging({ logOutputs, logFormat }: EtcdConfig): void {
  if (logOutputs.length > 1 && logOutputs.includes("default")) {
    throw new ConfigError('multi logoutput for "default" is not supported yet');
  }
  if (logFormat !== "json" && logFormat !== "console") {
    throw new ConfigError(`unknown log format: ${String(logFormat)}, supported values json, console`);
  }
}

function checkAdvertised(config: EtcdConfig): void {
  const peer = emptyHostProblem(config.initialAdvertisePeerUrls);
  if (peer !== undefined) {
    const given = JSON.stringify(config.initialAdvertisePeerUrls.join(","));
    throw new ConfigError(`--initial-advertise-peer-urls ${given} must be "host:port" (${peer})`);
  }
  const client = emptyHostProblem(config.advertiseClientUrls);
  if (client !== undefined) {
    const given = JSON.stringify(config.advertiseClientUrls.join(","));
    const forms = '"host:port", "unix:/path/to/socket" or "unixs:/path/to/socket"';
    throw new ConfigError(`--advertise-client-urls ${given} must be in the format ${forms} (${client})`);
  }
  const state: string = config.initialClusterState;
  if (state !== "new" && state !== "existing") {
    throw new ConfigError(`unexpected clusterState ${JSON.stringify(state)}`);
  }
}

function checkTimes({ heartbeatIntervalMs, electionTimeoutMs }: EtcdConfig): void {
  if (!(heartbeatIntervalMs > 0)) {
    throw new ConfigError(`--heartbeat-interval must be >0 (set to ${heartbeatIntervalMs}ms)`);
  }
  if (!(electionTimeoutMs > 0)) {
    throw new ConfigError(`--election-timeout must be >0 (set to ${electionTimeoutMs}ms)`);
  }
  if (5 * heartbeatIntervalMs > electionTimeoutMs) {
    throw new ConfigError(
      `--election-timeout[${electionTimeoutMs}ms] should be at least as 5 times as --heartbeat-interval[${heartbeatIntervalMs}ms]`,
    );
  }
  if (electionTimeoutMs > ELECTION_MS_MAX) {
    throw new ConfigError(
      `--election-timeout[${electionTimeoutMs}ms] is too long, and should be set less than ${ELECTION_MS_MAX}ms`,
    );
  }
}

function checkFeatures(config: EtcdConfig): void {
  for (const gate in config.featureGates) {
    if (!(gate in FEATURE_GATES)) throw new ConfigError(`unrecognized feature gate: ${gate}`);
  }
  if (featureEnabled(config, "LeaseCheckpointPersist") && !featureEnabled(config, "LeaseCheckpoint")) {
    throw new ConfigError(
      "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint",
    );
  }
}

/** There is no transport security, so what asks for it is refused rather than served in the clear. */
function checkSchemes(config: EtcdConfig): void {
  for (const url of config.listenPeerUrls.map(parseMemberUrl)) {
    if (url.scheme !== "https" && url.scheme !== "unixs") continue;
    const address = url.path === "" ? `${url.host}:${url.port}` : url.path;
    throw new ConfigError(`cannot listen on TLS for ${address}: KeyFile and CertFile are not presented`);
  }
  const clientUrls = [
    ...config.listenClientUrls,
    ...config.listenClientHttpUrls,
    ...config.listenMetricsUrls,
  ];
  for (const url of clientUrls.map(parseMemberUrl)) {
    if (url.scheme !== "https" && url.scheme !== "unixs") continue;
    throw new ConfigError(
      `TLS key/cert (--cert-file, --key-file) must be provided for client url ${url.text} with HTTPS scheme`,
    );
  }
}

/**
 * What a member that starts without data must satisfy besides: it must find itself in the initial cluster, under the URLs
 * that it tells the others. Host names are compared as they are written.
 * @throws ConfigError
 */
export function checkInitialCluster(config: EtcdConfig): void {
  const { name } = config;
  const members = initialMembers(config);
  const own = members.get(name);
  if (own === undefined) {
    throw new ConfigError(
      `couldn't find local name ${JSON.stringify(name)} in the initial cluster configuration`,
    );
  }
  if (config.initialClusterState === "existing") {
    throw new ConfigError(
      "--initial-cluster-state=existing is not supported by this version: it cannot join a running cluster",
    );
  }
  if (members.size > 1) {
    throw new ConfigError(
      `--initial-cluster names ${members.size} members: this version runs clusters of one only`,
    );
  }
  const all = [...members.values()].flat();
  if (new Set(all).size < all.length)
    throw new ConfigError(`initial cluster ${config.initialCluster} has duplicate url`);
  const advertised = [...config.initialAdvertisePeerUrls].sort();
  const listed = [...own].sort();
  const unadvertised = listed.filter((url) => !advertised.includes(url));
  if (unadvertised.length > 0) {
    const missing = unadvertised.map((url) => `${name}=${url}`).join(",");
    const compared = `${JSON.stringify(advertised[0] ?? "")} != ${JSON.stringify(listed[0])}`;
    throw new ConfigError(
      `--initial-cluster has ${missing} but missing from --initial-advertise-peer-urls=${advertised.join(",")} (resolved urls: ${compared})`,
    );
  }
  const unlisted = advertised.filter((url) => !listed.includes(url));
  if (unlisted.length === 0) return;
  const map = advertised.map((url) => `${name}=${url}`).join(",");
  throw new ConfigError(
    `--initial-advertise-peer-urls has ${unlisted.join(",")} but missing from --initial-cluster=${map}`,
  );
}

function initialMembers(config: EtcdConfig): Map<string, string[]> {
  try {
    return parseInitialCluster(config.initialCluster);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`error setting up initial cluster: ${error.message}`);
  }
}
