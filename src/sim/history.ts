// The history: everything that a run of the simulation leaves behind for the checkers. It knows nothing of how the run was
// made; a checker reads a history and names violations, so checkers can be tested on histories written by hand.
//
// Times are milliseconds of the simulation's own time, which no member sees: members have clocks with offset, drift and
// jumps. Keys and values are texts, since the generator makes only ASCII ones. Members are named by the place that they
// have in the simulation (0, 1, 2, …); a member that was replaced with a wiped disk gets a new place and a new id.

/** The place of a member in the simulation. */
export type Place = number;

/** One record of a key, as a response or an event carried it. */
export interface Kv {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: bigint;
}

// -- requests ------------------------------------------------------------------------------------------------------------

export interface PutOp {
  readonly type: "put";
  readonly key: string;
  readonly value: string;
  readonly lease: bigint;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

/** `rangeEnd`: empty for the one key, "\0" for everything from `key` on. */
export interface DeleteOp {
  readonly type: "delete";
  readonly key: string;
  readonly rangeEnd: string;
  readonly prevKv: boolean;
}

export interface RangeOp {
  readonly type: "range";
  readonly key: string;
  readonly rangeEnd: string;
  readonly limit: number;
  /** 0 for the newest. */
  readonly revision: number;
  /** As in SortOrder and SortTarget of the protocol. */
  readonly sortOrder: number;
  readonly sortTarget: number;
  readonly serializable: boolean;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly minModRevision: number;
  readonly maxModRevision: number;
  readonly minCreateRevision: number;
  readonly maxCreateRevision: number;
}

export interface CompareOp {
  readonly target: "version" | "create" | "mod" | "value" | "lease";
  readonly result: "=" | ">" | "<" | "!=";
  readonly key: string;
  readonly rangeEnd: string;
  /** A number for version, create and mod; a text for value; a bigint for lease. */
  readonly operand: number | string | bigint;
}

export interface TxnOp {
  readonly type: "txn";
  readonly compare: readonly CompareOp[];
  readonly success: readonly KvOp[];
  readonly failure: readonly KvOp[];
}

/** Operations that may stand in a transaction, transactions included. */
export type KvOp = PutOp | DeleteOp | RangeOp | TxnOp;

export interface LeaseGrantOp {
  readonly type: "leaseGrant";
  /** 0 lets the member choose. */
  readonly id: bigint;
  readonly ttl: number;
}

export interface LeaseRevokeOp {
  readonly type: "leaseRevoke";
  readonly id: bigint;
}

/** One request on a keep-alive stream of its own. */
export interface LeaseKeepAliveOp {
  readonly type: "leaseKeepAlive";
  readonly id: bigint;
}

export interface LeaseTimeToLiveOp {
  readonly type: "leaseTimeToLive";
  readonly id: bigint;
  readonly keys: boolean;
}

export interface LeaseLeasesOp {
  readonly type: "leaseLeases";
}

export interface CompactOp {
  readonly type: "compact";
  readonly revision: number;
  readonly physical: boolean;
}

export interface AlarmOp {
  readonly type: "alarm";
  readonly action: "get" | "deactivate";
  /** Whose NOSPACE alarm is taken away; 0 for get. */
  readonly memberId: bigint;
}

export interface DefragmentOp {
  readonly type: "defragment";
}

export interface HashKvOp {
  readonly type: "hashKv";
  readonly revision: number;
}

export interface MemberListOp {
  readonly type: "memberList";
  readonly linearizable: boolean;
}

/** A change of the membership or of the leadership, asked for by the operator. */
export interface ReconfigureOp {
  readonly type: "reconfigure";
  readonly action: "addLearner" | "promote" | "remove" | "transferLeader";
  readonly target: Place;
}

export type Op =
  | KvOp
  | LeaseGrantOp
  | LeaseRevokeOp
  | LeaseKeepAliveOp
  | LeaseTimeToLiveOp
  | LeaseLeasesOp
  | CompactOp
  | AlarmOp
  | DefragmentOp
  | HashKvOp
  | MemberListOp
  | ReconfigureOp;

// -- responses -----------------------------------------------------------------------------------------------------------

/** `revision` is that of the response header; inside a transaction, that of the inner header (0 if there is none). */
export interface PutResult {
  readonly type: "put";
  readonly revision: number;
  readonly prevKv: Kv | undefined;
}

export interface DeleteResult {
  readonly type: "delete";
  readonly revision: number;
  readonly deleted: number;
  readonly prevKvs: readonly Kv[];
}

export interface RangeResult {
  readonly type: "range";
  readonly revision: number;
  readonly kvs: readonly Kv[];
  readonly more: boolean;
  readonly count: number;
}

export interface TxnResult {
  readonly type: "txn";
  readonly revision: number;
  readonly succeeded: boolean;
  readonly responses: readonly KvResult[];
}

export type KvResult = PutResult | DeleteResult | RangeResult | TxnResult;

export interface LeaseGrantResult {
  readonly type: "leaseGrant";
  readonly revision: number;
  readonly id: bigint;
  /** Seconds granted, which may be more than asked for. */
  readonly ttl: number;
}

export interface LeaseRevokeResult {
  readonly type: "leaseRevoke";
  readonly revision: number;
}

export interface LeaseKeepAliveResult {
  readonly type: "leaseKeepAlive";
  readonly revision: number;
  /** 0: there is no such lease. */
  readonly ttl: number;
}

export interface LeaseTimeToLiveResult {
  readonly type: "leaseTimeToLive";
  readonly revision: number;
  /** -1: there is no such lease. */
  readonly ttl: number;
  readonly grantedTtl: number;
  readonly keys: readonly string[];
}

export interface LeaseLeasesResult {
  readonly type: "leaseLeases";
  readonly revision: number;
  readonly ids: readonly bigint[];
}

export interface CompactResult {
  readonly type: "compact";
  readonly revision: number;
}

export interface AlarmResult {
  readonly type: "alarm";
  /** "memberId:type", sorted. */
  readonly alarms: readonly string[];
}

export interface DefragmentResult {
  readonly type: "defragment";
}

export interface HashKvResult {
  readonly type: "hashKv";
  readonly revision: number;
  readonly hash: number;
  readonly hashRevision: number;
  readonly compactRevision: number;
}

export interface MemberListResult {
  readonly type: "memberList";
  /** "id name learner?" of each, sorted. */
  readonly members: readonly string[];
}

export interface ReconfigureResult {
  readonly type: "reconfigure";
}

export type Result =
  | KvResult
  | LeaseGrantResult
  | LeaseRevokeResult
  | LeaseKeepAliveResult
  | LeaseTimeToLiveResult
  | LeaseLeasesResult
  | CompactResult
  | AlarmResult
  | DefragmentResult
  | HashKvResult
  | MemberListResult
  | ReconfigureResult;

export type Outcome =
  | { readonly kind: "ok"; readonly result: Result }
  /** The member answered with an error. `isDefinite`: it certainly had and will have no effect (a refusal). */
  | { readonly kind: "error"; readonly code: number; readonly message: string; readonly isDefinite: boolean }
  /** No answer reached the client: it may have had an effect, may yet have one, or never. */
  | { readonly kind: "unknown"; readonly reason: string };

/** One call of a client. */
export interface OperationRecord {
  /** Counts from 0 in order of the calls. */
  readonly id: number;
  readonly client: number;
  readonly member: Place;
  readonly op: Op;
  readonly calledAt: number;
  /** When the client got `outcome`; for an unknown one, when it gave up waiting. Infinity while the call is open. */
  returnedAt: number;
  outcome: Outcome;
}

// -- watches -------------------------------------------------------------------------------------------------------------

export interface WatchCreate {
  readonly kind: "create";
  readonly time: number;
  readonly watchId: number;
  readonly key: string;
  readonly rangeEnd: string;
  /** 0: from now on. */
  readonly startRevision: number;
  readonly prevKv: boolean;
  readonly progressNotify: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly fragment: boolean;
}

export type WatchAsk =
  | WatchCreate
  | { readonly kind: "cancel"; readonly time: number; readonly watchId: number }
  | { readonly kind: "progress"; readonly time: number };

export interface WatchEventRecord {
  readonly type: "put" | "delete";
  /** Of a delete: key and modRevision only. */
  readonly kv: Kv;
  readonly prevKv: Kv | undefined;
}

export interface WatchResponseRecord {
  /** When it reached the client. */
  readonly time: number;
  readonly watchId: number;
  /** Of the header. */
  readonly revision: number;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: number;
  readonly cancelReason: string;
  /** More fragments of the same response follow. */
  readonly fragment: boolean;
  readonly events: readonly WatchEventRecord[];
}

/** One watch stream. A client whose stream breaks opens a new one, perhaps to another member. */
export interface WatchStreamRecord {
  readonly id: number;
  readonly client: number;
  readonly member: Place;
  readonly openedAt: number;
  /** In the order in which the client sent them, which is the order in which the member got them. */
  readonly asks: WatchAsk[];
  readonly responses: WatchResponseRecord[];
  /** The client stopped reading between these times (the last one may be open: Infinity). */
  readonly stalls: { readonly from: number; to: number }[];
  /** Infinity while it is open, which at the end of a run means: it worked to the end. */
  endedAt: number;
  endReason: "" | "client" | "member" | "network" | "server";
}

// -- members -------------------------------------------------------------------------------------------------------------

/** One entry of the log as it was applied first, by whichever member. */
export interface CommittedEntry {
  readonly index: number;
  readonly term: number;
  /** EntryType of the proto room. */
  readonly type: number;
  /** The encoded request; shared with the members, so not to be changed. */
  readonly data: Uint8Array;
  /** Over term, type and data. */
  readonly entryHash: number;
  /** Over the error, the revision and, if the plan says so, the response. */
  readonly resultHash: number;
  readonly firstAppliedAt: number;
  readonly firstAppliedBy: Place;
}

/** One entry as one member applied it. Entries without data (the first of a term) are not applied and not here. */
export interface AppliedRecord {
  readonly member: Place;
  /** Counts the starts of the member from 1. */
  readonly life: number;
  readonly time: number;
  readonly index: number;
  readonly term: number;
  readonly entryHash: number;
  readonly resultHash: number;
}

export interface MemberEvent {
  readonly time: number;
  readonly member: Place;
  readonly kind:
    | "start"
    | "ready"
    | "crash"
    | "power loss"
    | "stop"
    | "fatal"
    | "start failed"
    | "pause"
    | "resume"
    | "snapshot installed"
    | "leader"
    | "not leader"
    | "removed";
  /** Term for leadership, text of the error for failures, empty otherwise. */
  readonly detail: string;
}

export interface FaultEvent {
  readonly time: number;
  readonly kind: string;
  readonly detail: string;
}

/** What a member of the final membership looked like when everything had come to rest. */
export interface FinalState {
  readonly member: Place;
  readonly memberId: bigint;
  readonly appliedIndex: number;
  readonly term: number;
  readonly revision: number;
  readonly compactRevision: number;
  /** HashKV at `revision`. */
  readonly hash: number;
  /** Members, removed ids and version. */
  readonly membership: string;
  readonly voters: readonly bigint[];
  readonly learners: readonly bigint[];
  readonly leases: readonly { readonly id: bigint; readonly ttl: number; readonly keys: readonly string[] }[];
  /** "memberId:type", sorted. */
  readonly alarms: readonly string[];
  /** All keys at `revision`. */
  readonly kvs: readonly Kv[];
  /** What must be back at its baseline once all clients have gone. */
  readonly resources: Readonly<Record<string, number>>;
}

export interface History {
  readonly seed: number;
  /** Members of the first configuration. */
  readonly members: number;
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** The least TTL that this configuration grants, in seconds. */
  readonly leaseTtlMin: number;
  readonly watchProgressIntervalMs: number;
  /** No member's monotonic clock runs faster or slower than this, as a fraction (0.01 = 1 %), between pauses. */
  readonly clockDriftMax: number;
  readonly operations: OperationRecord[];
  readonly watches: WatchStreamRecord[];
  /** By index; entries without data are missing. */
  readonly log: Map<number, CommittedEntry>;
  /** In order of time. */
  readonly applied: AppliedRecord[];
  readonly memberEvents: MemberEvent[];
  readonly faults: FaultEvent[];
  readonly finals: FinalState[];
  /** When faults stopped; 0 while they go on. */
  livenessFrom: number;
  /** When, in the second phase, the leader was taken away while a majority stayed whole. */
  readonly leaderlessFrom: number[];
  /** When clients stopped and the cluster was left to come to rest. */
  quietFrom: number;
  endedAt: number;
}
