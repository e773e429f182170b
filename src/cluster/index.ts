// cluster: who belongs to the cluster, under which id and in which version. Start with membership.ts.

export { initialMembers, matchMembers } from "./bootstrap.js";
export {
  bootstrapContext,
  type ChangeOutcome,
  changeContext,
  MAX_LEARNERS,
  type MemberChange,
} from "./conf-change.js";
export { clusterIdOf, memberIdOf, type Sha1 } from "./ids.js";
export { hexId, isStarted, type Member, memberJson, parseMember } from "./member.js";
export { type ClusterBackend, type ClusterBucket, Membership, type MembershipState } from "./membership.js";
export {
  addError,
  type Connectivity,
  HEALTH_INTERVAL_MS,
  promoteError,
  readyError,
  removeError,
} from "./strict.js";
export { type Parsed, parseInitialCluster, parseUrls } from "./urls.js";
export { decodeV2Store, encodeV2Store } from "./v2-store.js";
export {
  compareVersions,
  type Downgrade,
  downgradeTarget,
  isDowngradeDone,
  mayRun,
  minorOf,
  NO_DOWNGRADE,
  nextClusterVersion,
  parseVersion,
  type TargetOutcome,
  type Version,
  versionText,
} from "./version.js";
