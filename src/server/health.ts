// What the health endpoints ask. /health is the old form: alarms, then a leader, then a read. /livez asks whether this
// process should be restarted, /readyz whether it should get traffic; both are lists of named checks.

import type { RpcError } from "#proto";
import { ReadWaiter } from "./reads.js";

/** What the checks need of a member. */
export interface HealthSubject {
  readonly hasLeader: boolean;
  readonly isLearner: boolean;
  /** Active alarm types by name, for example NOSPACE. */
  alarmNames(): string[];
  /** Reads a key from local state; a broken backend throws. */
  probeRead(): void;
  /** Waits until the local state is as new as the cluster's. */
  linearizableRead(waiter: ReadWaiter): void;
}

/** A check's result: undefined when all is well, otherwise the reason. */
export type CheckResult = string | undefined;
export type Check = (subject: HealthSubject) => Promise<CheckResult>;

class PromisedRead extends ReadWaiter {
  private readonly settle: (result: CheckResult) => void;
  private readonly subject: HealthSubject;

  constructor(subject: HealthSubject, settle: (result: CheckResult) => void) {
    super();
    this.subject = subject;
    this.settle = settle;
  }

  onReady(): void {
    this.subject.probeRead();
    this.settle(undefined);
  }

  onFailed(error: RpcError): void {
    this.settle(error.message);
  }
}

const serializableRead: Check = async (subject) => {
  subject.probeRead();
  return undefined;
};

const linearizableRead: Check = (subject) =>
  new Promise((resolve) => subject.linearizableRead(new PromisedRead(subject, resolve)));

const dataCorruption: Check = async (subject) =>
  subject.alarmNames().includes("CORRUPT") ? "alarm activated: CORRUPT" : undefined;

const nonLearner: Check = async (subject) => (subject.isLearner ? "not supported for learner" : undefined);

export const LIVEZ_CHECKS: ReadonlyMap<string, Check> = new Map([["serializable_read", serializableRead]]);

export const READYZ_CHECKS: ReadonlyMap<string, Check> = new Map([
  ["data_corruption", dataCorruption],
  ["serializable_read", serializableRead],
  ["linearizable_read", linearizableRead],
  ["non_learner", nonLearner],
]);

/** The reason why /health is false, or undefined. Order: alarms, leader, read. */
export async function healthReason(
  subject: HealthSubject,
  serializable: boolean,
  excludedAlarms: readonly string[],
): Promise<CheckResult> {
  for (const alarm of subject.alarmNames()) if (!excludedAlarms.includes(alarm)) return `ALARM ${alarm}`;
  if (!serializable && !subject.hasLeader) return "RAFT NO LEADER";
  const failed = await (serializable ? serializableRead(subject) : linearizableRead(subject));
  return failed === undefined ? undefined : `RANGE ERROR:${failed}`;
}
