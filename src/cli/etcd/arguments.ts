// From a command line, the environment and perhaps a file to a configuration, or to the reason why there is none. A file
// counts alone; otherwise a flag comes before the environment, and the environment before the default.

import type { LogLevel } from "#base";
import { ConfigError, checkConfig, defaultConfig, type EtcdConfig } from "#embed";
import {
  applyEnvironment,
  CONFLICT_TEXT,
  type FlagValues,
  goFlagReason,
  HelpRequested,
  parseGoFlags,
  UNRECOGNIZED_TEXT,
  UsageError,
  FlagValues as Values,
} from "../flags/index.js";
import { applyAutoCompaction } from "./auto-compaction.js";
import { ConfigFile } from "./config-file.js";
import type { EtcdFlag } from "./flag-row.js";
import { ETCD_FLAGS } from "./flags.js";
import { flagsText, USAGE, versionText } from "./help.js";

export interface Notice {
  readonly level: Exclude<LogLevel, "debug">;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export type ParsedArguments =
  | { readonly kind: "config"; readonly config: EtcdConfig; readonly notices: readonly Notice[] }
  /** Print and end. */
  | { readonly kind: "print"; readonly stdout: string; readonly stderr: string; readonly code: number }
  /** Log the notices, then `failed to verify flags` with the reason, and end with code 1. */
  | { readonly kind: "invalid"; readonly reason: string; readonly notices: readonly Notice[] }
  /** Log the notices, the last of which says why, and end with code 1. */
  | { readonly kind: "fatal"; readonly notices: readonly Notice[] };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param args without the program's name
 * @param packageVersion this package's own version, for --version
 */
export function parseArguments(
  args: readonly string[],
  env: Environment,
  packageVersion: string,
): ParsedArguments {
  let values: FlagValues;
  try {
    const parsed = parseGoFlags(ETCD_FLAGS, args);
    values = parsed.values;
    if (parsed.rest.length > 0) {
      return {
        kind: "invalid",
        reason: `${JSON.stringify(parsed.rest[0])} is not a valid flag`,
        notices: [],
      };
    }
  } catch (error) {
    if (error instanceof HelpRequested) {
      return { kind: "print", stdout: `${flagsText()}\n`, stderr: `${USAGE}\n`, code: 0 };
    }
    if (!(error instanceof UsageError)) throw error;
    return { kind: "print", stdout: "", stderr: `${error.message}\n${USAGE}\n`, code: 2 };
  }
  if (values.bool("version"))
    return { kind: "print", stdout: versionText(packageVersion), stderr: "", code: 0 };
  return configure(values, env);
}

function configure(given: FlagValues, env: Environment): ParsedArguments {
  const notices: Notice[] = [];
  const file = given.text("config-file") || (env["ETCD_CONFIG_FILE"] ?? "");
  const values = file === "" ? given : new Values(ETCD_FLAGS);
  try {
    if (file !== "") applyFile(new ConfigFile(file), values, notices);
    else if (!applyVariables(values, env, notices)) return { kind: "fatal", notices };
    const config = configOf(values, file !== "");
    notices.push(...warnings(values, config));
    checkConfig(config);
    if (file !== "") notices.push(fileNotice(file));
    return { kind: "config", config, notices };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { kind: "invalid", reason: error.message, notices };
  }
}

function applyFile(file: ConfigFile, values: FlagValues, notices: Notice[]): void {
  for (const { key, line } of file.applyTo(values)) {
    const fields = { path: file.path, line, key };
    notices.push({ level: "warn", message: "unknown key in the configuration file, without effect", fields });
  }
}

/** False when a flag was given twice. */
function applyVariables(values: FlagValues, env: Environment, notices: Notice[]): boolean {
  const { ETCD_VERSION: version, ...rest } = env;
  if (version !== undefined && version !== "") {
    const fields = { key: "ETCD_VERSION", value: version };
    notices.push({ level: "warn", message: "cannot set special environment variable", fields });
  }
  const report = applyEnvironment(values, "ETCD", rest, [], goFlagReason);
  for (const { name, value } of report.used) {
    const fields = { "variable-name": name, "variable-value": value };
    notices.push({ level: "info", message: "recognized and used environment variable", fields });
  }
  for (const variable of report.unrecognized) {
    notices.push({ level: "warn", message: UNRECOGNIZED_TEXT, fields: { "environment-variable": variable } });
  }
  if (report.conflict !== undefined) {
    notices.push({
      level: "fatal",
      message: CONFLICT_TEXT,
      fields: { "environment-variable": report.conflict },
    });
    return false;
  }
  if (report.invalid !== undefined) throw new ConfigError(report.invalid);
  return true;
}

function configOf(values: FlagValues, fromFile: boolean): EtcdConfig {
  checkLogger(values);
  if (values.text("discovery-fallback") === "proxy") {
    throw new ConfigError('v2 proxy is deprecated, and --discovery-fallback can\'t be configured as "proxy"');
  }
  const config = defaultConfig();
  for (const flag of ETCD_FLAGS) {
    if (!values.has(flag.name)) continue;
    if (flag.apply !== undefined) flag.apply(config, values.value(flag.name));
    else refuseUnsupported(flag, values);
  }
  applyAutoCompaction(config, values.text("auto-compaction-mode"), values.text("auto-compaction-retention"));
  // Whoever says where to listen must also say what to tell clients; a file is taken at its word.
  if (!fromFile && values.has("listen-client-urls") && !values.has("advertise-client-urls")) {
    config.advertiseClientUrls = [];
  }
  // A name alone is enough to start a cluster of one.
  if (!values.has("initial-cluster") && config.name !== "default") {
    config.initialCluster = config.initialAdvertisePeerUrls.map((url) => `${config.name}=${url}`).join(",");
  }
  return config;
}

function checkLogger(values: FlagValues): void {
  const logger = values.text("logger");
  if (logger === "capnslog") throw new ConfigError("--logger=capnslog is removed in v3.5");
  if (logger !== "zap") throw new ConfigError(`unknown logger option ${JSON.stringify(logger)}`);
  const format = values.text("log-format");
  if (format !== "json" && format !== "console") {
    throw new ConfigError(`unknown log format: ${format}, supported values json, console`);
  }
  if (values.list("log-outputs").includes("systemd/journal")) {
    throw new ConfigError("--log-outputs=systemd/journal is not supported by this version");
  }
}

function refuseUnsupported(flag: EtcdFlag, values: FlagValues): void {
  if (flag.inert === true) return;
  const value = values.value(flag.name);
  if (JSON.stringify(value) === JSON.stringify(flag.default)) return;
  throw new ConfigError(`--${flag.name} is not supported by this version`);
}

function warnings(values: FlagValues, config: EtcdConfig): Notice[] {
  const warn = (message: string, fields: Notice["fields"] = {}): Notice => ({
    level: "warn",
    message,
    fields,
  });
  const list: Notice[] = [];
  for (const flag of ETCD_FLAGS) {
    if (flag.group === "Ignored" && values.has(flag.name)) {
      list.push(warn(`flag "${flag.name}" is no longer supported - ignoring.`));
    }
  }
  if (config.listenClientHttpUrls.length === 0) {
    list.push(warn("Running http and grpc server on single port. This is not recommended for production."));
  }
  if (config.name === "default") {
    list.push(
      warn(
        "it isn't recommended to use default name, please set a value for --name. " +
          "Note that etcd might run into issue when multiple members have the same default name",
        { name: config.name },
      ),
    );
  }
  if (config.dataDir === "") {
    list.push(warn("'data-dir' was empty; using default", { "data-dir": `${config.name}.etcd` }));
  }
  return list;
}

function fileNotice(path: string): Notice {
  const message =
    "loaded server configuration, other configuration command line flags and environment variables will be ignored if provided";
  return { level: "info", message, fields: { path } };
}
