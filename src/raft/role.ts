// The four roles of Figure 4 of the paper (pre-candidate: thesis §9.6), and what a call into raft may answer.

export const Role = { Follower: 0, Candidate: 1, Leader: 2, PreCandidate: 3 } as const;
export type Role = (typeof Role)[keyof typeof Role];

export const ROLE_NAMES: readonly string[] = ["follower", "candidate", "leader", "pre-candidate"];

/** The outcome of a call, always a value: none of these is a fault of this member. */
export const StepResult = {
  /** Processed; for most messages this includes "ignored". */
  Ok: 0,
  /** Nobody can take the proposal now: no leader, leadership is being transferred, or too much is uncommitted. */
  ProposalDropped: 1,
  /** A message that members only send to themselves came from outside. */
  LocalMessage: 2,
  /** An answer from someone who is no member. */
  PeerNotFound: 3,
  /** The fields do not fit the type; nothing was changed. */
  Malformed: 4,
} as const;
export type StepResult = (typeof StepResult)[keyof typeof StepResult];

/** Texts of the results, etcd's where it has one. */
export const STEP_RESULT_TEXTS: readonly string[] = [
  "ok",
  "raft proposal dropped",
  "raft: cannot step raft local message",
  "raft: cannot step as peer not found",
  "raft: malformed message",
];
