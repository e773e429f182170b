// Runs a member as a process: it starts, serves until a signal or a fatal error, and leaves with etcd's exit codes. After a
// graceful stop the signal is raised again, so that whoever sent it sees a process that ended by it.

import { Etcd, type EtcdConfig, type ZapShapedLogger } from "#embed";

/** A stop that takes longer than this is cut short. */
const STOP_MS_MAX = 30_000;

export async function runMember(config: EtcdConfig, logger: ZapShapedLogger): Promise<void> {
  endOnDefects(logger);
  let stopping = false;
  // In place before the member says that it is ready; a signal that comes earlier waits for the start to end.
  const starting = startOrExit(config, logger);
  const stopBy = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    logger.info("received signal; shutting down", { signal: GO_SIGNAL_NAMES[signal] ?? signal });
    setTimeout(() => process.kill(process.pid, "SIGKILL"), STOP_MS_MAX).unref();
    const stopped = starting.then((etcd) => etcd.stop());
    stopped.then(
      () => raise(signal),
      (error: unknown) => {
        logger.error("failed to stop cleanly", { error });
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stopBy);
  process.on("SIGINT", stopBy);
  await starting;

  function raise(signal: NodeJS.Signals): void {
    process.removeListener("SIGTERM", stopBy);
    process.removeListener("SIGINT", stopBy);
    process.kill(process.pid, signal);
  }
}

const GO_SIGNAL_NAMES: Readonly<Record<string, string>> = { SIGTERM: "terminated", SIGINT: "interrupt" };

/** An error that nobody expected leaves the member in a state that nobody knows: it ends, and says why. */
function endOnDefects(logger: ZapShapedLogger): void {
  const end = (error: unknown): void => {
    const stack = error instanceof Error ? error.stack : undefined;
    logger.fatal("unexpected error", { error, stack });
    process.exit(1);
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
}

async function startOrExit(config: EtcdConfig, logger: ZapShapedLogger): Promise<Etcd> {
  try {
    return await Etcd.start(config, {
      logger,
      // The member has stopped acknowledging; its state on disk is whatever was synced. Nothing is left to tidy up.
      onFatal: () => process.exit(1),
    });
  } catch (error) {
    logger.fatal("failed to start etcd", { error });
    process.exit(1);
  }
}
