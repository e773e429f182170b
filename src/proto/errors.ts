// Every error that a client can see: one frozen row with its gRPC code and etcd's exact text. Rooms return rows; the
// API layer puts them on the wire; the client library recognises them by text. There is no other place for either.

import { StatusCode } from "./status.js";

/** One client-visible error. Compare rows by identity. */
export interface RpcError {
  readonly name: string;
  readonly code: StatusCode;
  readonly message: string;
}

function row(name: string, code: StatusCode, message: string): RpcError {
  return Object.freeze({ name, code, message });
}

export const ErrEmptyKey = row("EmptyKey", StatusCode.InvalidArgument, "etcdserver: key is not provided");
export const ErrKeyNotFound = row("KeyNotFound", StatusCode.InvalidArgument, "etcdserver: key not found");
export const ErrValueProvided = row(
  "ValueProvided",
  StatusCode.InvalidArgument,
  "etcdserver: value is provided",
);
export const ErrLeaseProvided = row(
  "LeaseProvided",
  StatusCode.InvalidArgument,
  "etcdserver: lease is provided",
);
export const ErrTooManyOps = row(
  "TooManyOps",
  StatusCode.InvalidArgument,
  "etcdserver: too many operations in txn request",
);
export const ErrDuplicateKey = row(
  "DuplicateKey",
  StatusCode.InvalidArgument,
  "etcdserver: duplicate key given in txn request",
);
export const ErrInvalidClientAPIVersion = row(
  "InvalidClientAPIVersion",
  StatusCode.InvalidArgument,
  "etcdserver: invalid client api version",
);
export const ErrInvalidSortOption = row(
  "InvalidSortOption",
  StatusCode.InvalidArgument,
  "etcdserver: invalid sort option",
);
export const ErrCompacted = row(
  "Compacted",
  StatusCode.OutOfRange,
  "etcdserver: mvcc: required revision has been compacted",
);
export const ErrFutureRev = row(
  "FutureRev",
  StatusCode.OutOfRange,
  "etcdserver: mvcc: required revision is a future revision",
);
export const ErrNoSpace = row(
  "NoSpace",
  StatusCode.ResourceExhausted,
  "etcdserver: mvcc: database space exceeded",
);
export const ErrLeaseNotFound = row(
  "LeaseNotFound",
  StatusCode.NotFound,
  "etcdserver: requested lease not found",
);
export const ErrLeaseExist = row(
  "LeaseExist",
  StatusCode.FailedPrecondition,
  "etcdserver: lease already exists",
);
export const ErrLeaseTTLTooLarge = row(
  "LeaseTTLTooLarge",
  StatusCode.OutOfRange,
  "etcdserver: too large lease TTL",
);
export const ErrWatchCanceled = row("WatchCanceled", StatusCode.Canceled, "etcdserver: watch canceled");
export const ErrMemberExist = row(
  "MemberExist",
  StatusCode.FailedPrecondition,
  "etcdserver: member ID already exist",
);
export const ErrPeerURLExist = row(
  "PeerURLExist",
  StatusCode.FailedPrecondition,
  "etcdserver: Peer URLs already exists",
);
// etcd emits this one with code Unknown: its mapping to a status misses it, and clients have come to rely on that.
export const ErrMemberNotEnoughStarted = row(
  "MemberNotEnoughStarted",
  StatusCode.Unknown,
  "etcdserver: re-configuration failed due to not enough started members",
);
export const ErrMemberBadURLs = row(
  "MemberBadURLs",
  StatusCode.InvalidArgument,
  "etcdserver: given member URLs are invalid",
);
export const ErrMemberNotFound = row("MemberNotFound", StatusCode.NotFound, "etcdserver: member not found");
export const ErrMemberNotLearner = row(
  "MemberNotLearner",
  StatusCode.FailedPrecondition,
  "etcdserver: can only promote a learner member",
);
export const ErrLearnerNotReady = row(
  "LearnerNotReady",
  StatusCode.FailedPrecondition,
  "etcdserver: can only promote a learner member which is in sync with leader",
);
export const ErrTooManyLearners = row(
  "TooManyLearners",
  StatusCode.FailedPrecondition,
  "etcdserver: too many learner members in cluster",
);
export const ErrClusterIDMismatch = row(
  "ClusterIDMismatch",
  StatusCode.FailedPrecondition,
  "etcdserver: cluster ID mismatch",
);
export const ErrRequestTooLarge = row(
  "RequestTooLarge",
  StatusCode.InvalidArgument,
  "etcdserver: request is too large",
);
// etcd emits this one with code Unknown: its mapping to a status misses it, and clients have come to rely on that.
export const ErrRequestTooManyRequests = row(
  "RequestTooManyRequests",
  StatusCode.Unknown,
  "etcdserver: too many requests",
);
export const ErrRootUserNotExist = row(
  "RootUserNotExist",
  StatusCode.FailedPrecondition,
  "etcdserver: root user does not exist",
);
export const ErrRootRoleNotExist = row(
  "RootRoleNotExist",
  StatusCode.FailedPrecondition,
  "etcdserver: root user does not have root role",
);
export const ErrUserAlreadyExist = row(
  "UserAlreadyExist",
  StatusCode.FailedPrecondition,
  "etcdserver: user name already exists",
);
export const ErrUserEmpty = row("UserEmpty", StatusCode.InvalidArgument, "etcdserver: user name is empty");
export const ErrUserNotFound = row(
  "UserNotFound",
  StatusCode.FailedPrecondition,
  "etcdserver: user name not found",
);
export const ErrRoleAlreadyExist = row(
  "RoleAlreadyExist",
  StatusCode.FailedPrecondition,
  "etcdserver: role name already exists",
);
export const ErrRoleNotFound = row(
  "RoleNotFound",
  StatusCode.FailedPrecondition,
  "etcdserver: role name not found",
);
export const ErrRoleEmpty = row("RoleEmpty", StatusCode.InvalidArgument, "etcdserver: role name is empty");
export const ErrAuthFailed = row(
  "AuthFailed",
  StatusCode.InvalidArgument,
  "etcdserver: authentication failed, invalid user ID or password",
);
export const ErrPermissionNotGiven = row(
  "PermissionNotGiven",
  StatusCode.InvalidArgument,
  "etcdserver: permission not given",
);
export const ErrPermissionDenied = row(
  "PermissionDenied",
  StatusCode.PermissionDenied,
  "etcdserver: permission denied",
);
export const ErrRoleNotGranted = row(
  "RoleNotGranted",
  StatusCode.FailedPrecondition,
  "etcdserver: role is not granted to the user",
);
export const ErrPermissionNotGranted = row(
  "PermissionNotGranted",
  StatusCode.FailedPrecondition,
  "etcdserver: permission is not granted to the role",
);
export const ErrAuthNotEnabled = row(
  "AuthNotEnabled",
  StatusCode.FailedPrecondition,
  "etcdserver: authentication is not enabled",
);
export const ErrInvalidAuthToken = row(
  "InvalidAuthToken",
  StatusCode.Unauthenticated,
  "etcdserver: invalid auth token",
);
export const ErrInvalidAuthMgmt = row(
  "InvalidAuthMgmt",
  StatusCode.InvalidArgument,
  "etcdserver: invalid auth management",
);
export const ErrAuthOldRevision = row(
  "AuthOldRevision",
  StatusCode.InvalidArgument,
  "etcdserver: revision of auth store is old",
);
export const ErrNoLeader = row("NoLeader", StatusCode.Unavailable, "etcdserver: no leader");
export const ErrNotLeader = row("NotLeader", StatusCode.FailedPrecondition, "etcdserver: not leader");
export const ErrLeaderChanged = row("LeaderChanged", StatusCode.Unavailable, "etcdserver: leader changed");
export const ErrNotCapable = row("NotCapable", StatusCode.FailedPrecondition, "etcdserver: not capable");
export const ErrStopped = row("Stopped", StatusCode.Unavailable, "etcdserver: server stopped");
export const ErrTimeout = row("Timeout", StatusCode.Unavailable, "etcdserver: request timed out");
export const ErrTimeoutDueToLeaderFail = row(
  "TimeoutDueToLeaderFail",
  StatusCode.Unavailable,
  "etcdserver: request timed out, possibly due to previous leader failure",
);
export const ErrTimeoutDueToConnectionLost = row(
  "TimeoutDueToConnectionLost",
  StatusCode.Unavailable,
  "etcdserver: request timed out, possibly due to connection lost",
);
export const ErrTimeoutWaitAppliedIndex = row(
  "TimeoutWaitAppliedIndex",
  StatusCode.Unavailable,
  "etcdserver: request timed out, waiting for the applied index took too long",
);
export const ErrUnhealthy = row("Unhealthy", StatusCode.Unavailable, "etcdserver: unhealthy cluster");
export const ErrCorrupt = row("Corrupt", StatusCode.DataLoss, "etcdserver: corrupt cluster");
export const ErrNotSupportedForLearner = row(
  "NotSupportedForLearner",
  StatusCode.FailedPrecondition,
  "etcdserver: rpc not supported for learner",
);
export const ErrBadLeaderTransferee = row(
  "BadLeaderTransferee",
  StatusCode.FailedPrecondition,
  "etcdserver: bad leader transferee",
);
export const ErrWrongDowngradeVersionFormat = row(
  "WrongDowngradeVersionFormat",
  StatusCode.InvalidArgument,
  "etcdserver: wrong downgrade target version format",
);
export const ErrInvalidDowngradeTargetVersion = row(
  "InvalidDowngradeTargetVersion",
  StatusCode.InvalidArgument,
  "etcdserver: invalid downgrade target version",
);
export const ErrClusterVersionUnavailable = row(
  "ClusterVersionUnavailable",
  StatusCode.FailedPrecondition,
  "etcdserver: cluster version not found during downgrade",
);
export const ErrDowngradeInProcess = row(
  "DowngradeInProcess",
  StatusCode.FailedPrecondition,
  "etcdserver: cluster has a downgrade job in progress",
);
export const ErrNoInflightDowngrade = row(
  "NoInflightDowngrade",
  StatusCode.FailedPrecondition,
  "etcdserver: no inflight downgrade job",
);
export const ErrCanceled = row("Canceled", StatusCode.Canceled, "etcdserver: request canceled");
export const ErrDeadlineExceeded = row(
  "DeadlineExceeded",
  StatusCode.DeadlineExceeded,
  "etcdserver: context deadline exceeded",
);

/** All rows, for the client's recognition by text. */
export const RPC_ERRORS: readonly RpcError[] = Object.freeze([
  ErrEmptyKey,
  ErrKeyNotFound,
  ErrValueProvided,
  ErrLeaseProvided,
  ErrTooManyOps,
  ErrDuplicateKey,
  ErrInvalidClientAPIVersion,
  ErrInvalidSortOption,
  ErrCompacted,
  ErrFutureRev,
  ErrNoSpace,
  ErrLeaseNotFound,
  ErrLeaseExist,
  ErrLeaseTTLTooLarge,
  ErrWatchCanceled,
  ErrMemberExist,
  ErrPeerURLExist,
  ErrMemberNotEnoughStarted,
  ErrMemberBadURLs,
  ErrMemberNotFound,
  ErrMemberNotLearner,
  ErrLearnerNotReady,
  ErrTooManyLearners,
  ErrClusterIDMismatch,
  ErrRequestTooLarge,
  ErrRequestTooManyRequests,
  ErrRootUserNotExist,
  ErrRootRoleNotExist,
  ErrUserAlreadyExist,
  ErrUserEmpty,
  ErrUserNotFound,
  ErrRoleAlreadyExist,
  ErrRoleNotFound,
  ErrRoleEmpty,
  ErrAuthFailed,
  ErrPermissionNotGiven,
  ErrPermissionDenied,
  ErrRoleNotGranted,
  ErrPermissionNotGranted,
  ErrAuthNotEnabled,
  ErrInvalidAuthToken,
  ErrInvalidAuthMgmt,
  ErrAuthOldRevision,
  ErrNoLeader,
  ErrNotLeader,
  ErrLeaderChanged,
  ErrNotCapable,
  ErrStopped,
  ErrTimeout,
  ErrTimeoutDueToLeaderFail,
  ErrTimeoutDueToConnectionLost,
  ErrTimeoutWaitAppliedIndex,
  ErrUnhealthy,
  ErrCorrupt,
  ErrNotSupportedForLearner,
  ErrBadLeaderTransferee,
  ErrWrongDowngradeVersionFormat,
  ErrInvalidDowngradeTargetVersion,
  ErrClusterVersionUnavailable,
  ErrDowngradeInProcess,
  ErrNoInflightDowngrade,
  ErrCanceled,
  ErrDeadlineExceeded,
]);
