// raft: the consensus algorithm, without I/O. RawNode is the way in, Ready the way out; DESIGN.md tells the rest.

export type { BootstrapPeer } from "./bootstrap.js";
export {
  type AnyConfChange,
  type ChangeResult,
  changeConfiguration,
  confChangeEntry,
  confChangeOf,
  leavesJoint,
  toV2,
} from "./confchange.js";
export { type RaftConfig, ReadOnlyMode } from "./config.js";
export { Configuration } from "./configuration.js";
export { MemoryLogStorage } from "./memory-storage.js";
export {
  APPEND_THREAD,
  APPLY_THREAD,
  dependsOnDisk,
  describeEntries,
  describeEntry,
  describeMessage,
  isLocalMessage,
  isResponse,
  isStorageThread,
} from "./messages.js";
export { raftBugs } from "./mutations.js";
export { PROGRESS_STATE_NAMES, ProgressState } from "./progress.js";
export { JointQuorum } from "./quorum/joint.js";
export { Majority, VOTE_RESULT_NAMES, VoteResult } from "./quorum/majority.js";
export { RawNode } from "./raw-node.js";
export { ReadState } from "./read-index.js";
export { Ready, SoftState } from "./ready.js";
export { ROLE_NAMES, Role, STEP_RESULT_TEXTS, StepResult } from "./role.js";
export { type BasicStatus, describeStatus, type MemberStatus, type Status } from "./status.js";
export { type LogStorage, TERM_COMPACTED, TERM_UNAVAILABLE } from "./storage.js";
