// Every knob and every limit of raft, with etcd's values as defaults. `resolveConfig` checks how they relate; a wrong
// configuration is a fault of the program, not of a user, so it panics.

import { type Logger, panic, type Random, SILENT } from "#base";
import { type MemberId, NO_MEMBER } from "#proto";
import { isStorageThread } from "./messages.js";
import type { LogStorage } from "./storage.js";

export const ReadOnlyMode = {
  /** Each batch of reads is confirmed by a quorum. */
  Safe: 0,
  /** The leader trusts that nobody else leads within an election timeout: depends on bounded clock drift. */
  LeaseBased: 1,
} as const;
export type ReadOnlyMode = (typeof ReadOnlyMode)[keyof typeof ReadOnlyMode];

export interface RaftConfig {
  /** Own id; not 0n. */
  readonly id: MemberId;
  /** The stable log; also hands over the saved hard state and configuration. */
  readonly storage: LogStorage;
  /** Draws election timeouts. */
  readonly random: Random;
  readonly logger?: Logger;
  /**
   * Restart only: highest index that the state machine has applied, if it is past the snapshot. Entries up to it are not
   * handed out again, so the configuration that storage hands over must be the one as of this index.
   */
  readonly applied?: number;
  /** Election timeout in ticks; drawn anew from [n, 2n) each time. Default 10. */
  readonly electionTicks?: number;
  /** Heartbeat interval in ticks. Default 1. */
  readonly heartbeatTicks?: number;
  /** Thesis §9.6: ask whether an election could be won before disturbing the term. Default true. */
  readonly preVote?: boolean;
  /** Thesis §6.2 and §4.2.3: a leader without a quorum steps down; votes are refused while a leader is heard. Default true. */
  readonly checkQuorum?: boolean;
  readonly readOnlyMode?: ReadOnlyMode;
  /** Encoded entry bytes per append; a single larger entry still goes out. 0: one entry each. Default 1 MiB. */
  readonly messageBytesMax?: number;
  /** Appends on their way to one follower. Default 512. */
  readonly inflightMessagesMax?: number;
  /** Payload bytes on their way to one follower. Default none. */
  readonly inflightBytesMax?: number;
  /** Payload bytes in the leader's log that are not applied; beyond, proposals are dropped. Default none. */
  readonly uncommittedBytesMax?: number;
  /** Encoded bytes of entries handed out for applying and not yet applied. Default `messageBytesMax`. */
  readonly applyingBytesMax?: number;
  /** Read requests waiting on the leader; beyond, they are ignored (requesters repeat them). Default 4096. */
  readonly pendingReadsMax?: number;
  /** Storage work leaves as StorageAppend and StorageApply messages instead of Ready and advance. Default false. */
  readonly asyncStorageWrites?: boolean;
  /** Followers drop proposals instead of forwarding them. Default false. */
  readonly disableProposalForwarding?: boolean;
  /** The leader does not check configuration changes when they are proposed. An invalid one stops every member. */
  readonly disableConfChangeValidation?: boolean;
  /** A leader that is removed or demoted steps down as it applies the change. Default false. */
  readonly stepDownOnRemoval?: boolean;
}

export type ResolvedConfig = Required<RaftConfig>;

const DEFAULTS = {
  logger: SILENT,
  applied: 0,
  electionTicks: 10,
  heartbeatTicks: 1,
  preVote: true,
  checkQuorum: true,
  readOnlyMode: ReadOnlyMode.Safe,
  messageBytesMax: 1024 * 1024,
  inflightMessagesMax: 512,
  inflightBytesMax: Number.POSITIVE_INFINITY,
  uncommittedBytesMax: Number.POSITIVE_INFINITY,
  pendingReadsMax: 4096,
  asyncStorageWrites: false,
  disableProposalForwarding: false,
  disableConfChangeValidation: false,
  stepDownOnRemoval: false,
} as const;

export function resolveConfig(given: RaftConfig): ResolvedConfig {
  const config = {
    ...DEFAULTS,
    ...given,
    applyingBytesMax:
      given.applyingBytesMax ?? Math.max(1, given.messageBytesMax ?? DEFAULTS.messageBytesMax),
  };
  const problem = problemOf(config);
  if (problem !== undefined) panic(`invalid raft configuration: ${problem}`);
  return config;
}

function problemOf(config: ResolvedConfig): string | undefined {
  if (config.id === NO_MEMBER) return "cannot use none as id";
  if (isStorageThread(config.id)) return "cannot use local target as id";
  if (config.heartbeatTicks <= 0) return "heartbeat tick must be greater than 0";
  if (config.electionTicks <= config.heartbeatTicks)
    return "election tick must be greater than heartbeat tick";
  if (config.inflightMessagesMax <= 0) return "max inflight messages must be greater than 0";
  if (config.inflightBytesMax < config.messageBytesMax)
    return "max inflight bytes must be >= max message size";
  if (config.applyingBytesMax <= 0) return "max committed bytes must be greater than 0";
  if (config.readOnlyMode === ReadOnlyMode.LeaseBased && !config.checkQuorum) {
    return "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased";
  }
  return undefined;
}
