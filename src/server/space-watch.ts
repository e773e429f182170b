// A disk that fills up. The log keeps the next segment ready, filled with real bytes, so it is the first to learn that the
// disk is full, while the current segment still has its space. That is the moment to refuse growth, with the same alarm as
// for the quota: reads, deletions and compactions go on, and nothing is damaged. The alarm stays until an operator
// has made room and disarms it; only then is a segment tried again, because each attempt takes what little space is left.

import { DiskError, type Logger } from "#base";

/** The log as far as its space is concerned. */
export interface LogSpace {
  /** Why no next segment could be prepared. */
  readonly spaceProblem: unknown;
  retrySpace(): void;
}

const FULL_CODES = new Set(["ENOSPC", "EDQUOT"]);

export class SpaceWatch {
  private readonly log: LogSpace;
  private readonly logger: Logger;
  /** The alarm was raised for this one. */
  private reported: unknown;

  constructor(log: LogSpace, logger: Logger) {
    this.log = log;
    this.logger = logger;
  }

  /**
   * To be called every now and then.
   * @param isKnown the alarm is active already
   * @returns whether it should be raised
   */
  tick(isKnown: boolean): boolean {
    const problem = this.log.spaceProblem;
    if (isKnown || !isFullDisk(problem)) return false;
    if (problem === this.reported) {
      this.log.retrySpace();
      return false;
    }
    this.reported = problem;
    this.logger.error("the disk is full: no room for the next segment of the log", {
      path: problem.path,
      error: problem.message,
      remedy: "make room on this disk, then run: etcdctl alarm disarm",
    });
    return true;
  }
}

function isFullDisk(problem: unknown): problem is DiskError {
  return problem instanceof DiskError && FULL_CODES.has(problem.code);
}
