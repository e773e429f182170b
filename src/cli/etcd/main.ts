// The `etcd` command: reads its arguments, says what it makes of them, and runs a member.

import { readFileSync } from "node:fs";
import { createLogger, defaultConfig, type EtcdConfig, type ZapShapedLogger } from "#embed";
import { type Notice, parseArguments } from "./arguments.js";
import { runMember } from "./run.js";

const packageFile = new URL("../../../package.json", import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, "utf8")) as { version: string };
const args = process.argv.slice(2);
const parsed = parseArguments(args, process.env, version);

switch (parsed.kind) {
  case "print":
    process.stdout.write(parsed.stdout);
    process.stderr.write(parsed.stderr);
    process.exit(parsed.code);
    break;
  case "fatal":
    log(createLogger(defaultConfig()), parsed.notices);
    process.exit(1);
    break;
  case "invalid": {
    const logger = createLogger(defaultConfig());
    log(logger, parsed.notices);
    logger.info("Running: ", { args: ["etcd", ...args] });
    logger.warn("failed to verify flags", { error: parsed.reason });
    process.exit(1);
    break;
  }
  case "config": {
    const logger = openLogger(parsed.config);
    log(logger, parsed.notices);
    logger.info("Running: ", { args: ["etcd", ...args] });
    await runMember(parsed.config, logger);
  }
}

function openLogger(config: EtcdConfig): ZapShapedLogger {
  try {
    return createLogger(config);
  } catch (error) {
    createLogger(defaultConfig()).fatal("failed to open the log outputs", {
      outputs: config.logOutputs,
      error,
    });
    process.exit(1);
  }
}

function log(logger: ZapShapedLogger, notices: readonly Notice[]): void {
  for (const { level, message, fields } of notices) logger[level](message, fields);
}
