// Versions: what a server speaks (3.7.1), and what the cluster has agreed on (3.7.0, the patch is always 0). The leader
// raises the cluster's version to the least minor that all members speak; it goes down only in a downgrade that was
// ordered, one minor at a time.

import {
  ErrClusterVersionUnavailable,
  ErrDowngradeInProcess,
  ErrInvalidDowngradeTargetVersion,
  ErrWrongDowngradeVersionFormat,
  type RpcError,
} from "#proto";

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** The version that a cluster starts from while it does not know its members. */
export const MIN_CLUSTER_VERSION: Version = { major: 3, minor: 0, patch: 0 };

/** Reads X.Y.Z; a pre-release or build suffix is allowed and ignored. */
export function parseVersion(text: string): Version | undefined {
  const match = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/.exec(text);
  if (match === null) return undefined;
  return { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]) };
}

export function versionText({ major, minor, patch }: Version): string {
  return `${major}.${minor}.${patch}`;
}

/** The cluster version that a server version stands for. */
export function minorOf({ major, minor }: Version): Version {
  return { major, minor, patch: 0 };
}

/** Negative, zero or positive as `a` is before, at or after `b`. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch;
}

export interface Downgrade {
  readonly enabled: boolean;
  /** X.Y.0; empty when not enabled. */
  readonly target: string;
}

export const NO_DOWNGRADE: Downgrade = { enabled: false, target: "" };

/** Whether `to` is one minor below `from`. */
function isOneBelow(from: Version, to: Version): boolean {
  return to.major === from.major && to.minor === from.minor - 1;
}

/** What the leader should set the cluster's version to; undefined leaves it.
 *  @param servers the server version of every member, undefined for one that did not answer */
export function nextClusterVersion(
  current: Version | undefined,
  servers: readonly (Version | undefined)[],
  downgrade: Downgrade,
): Version | undefined {
  const least = leastVersion(servers);
  if (current === undefined) return least ?? MIN_CLUSTER_VERSION;
  if (least === undefined) return undefined;
  if (downgrade.enabled) {
    const target = parseVersion(downgrade.target);
    if (target === undefined || !isOneBelow(current, target)) return undefined;
    // At once, before any member is older: an older server does not start in a cluster above its own version.
    return compareVersions(minorOf(least), target) === 0 || isOneBelow(least, target) ? target : undefined;
  }
  return least.major === current.major && compareVersions(current, least) < 0 ? least : undefined;
}

function leastVersion(servers: readonly (Version | undefined)[]): Version | undefined {
  let least: Version | undefined;
  for (const server of servers) {
    if (server === undefined) return undefined;
    const version = minorOf(server);
    if (least === undefined || compareVersions(version, least) < 0) least = version;
  }
  return least;
}

/** Whether a running downgrade has arrived: every member speaks the target. */
export function isDowngradeDone(downgrade: Downgrade, servers: readonly (Version | undefined)[]): boolean {
  const target = parseVersion(downgrade.target);
  if (!downgrade.enabled || target === undefined) return false;
  return servers.every((server) => server !== undefined && compareVersions(minorOf(server), target) === 0);
}

export type TargetOutcome =
  | { readonly ok: true; readonly target: Version }
  | { readonly ok: false; readonly error: RpcError };

/** Checks the target of a downgrade request: X.Y or X.Y.Z, one minor below the cluster's version. */
export function downgradeTarget(
  text: string,
  current: Version | undefined,
  downgrade: Downgrade,
): TargetOutcome {
  const parsed = parseVersion(text) ?? parseVersion(`${text}.0`);
  if (parsed === undefined) return { ok: false, error: ErrWrongDowngradeVersionFormat };
  if (current === undefined) return { ok: false, error: ErrClusterVersionUnavailable };
  const target = minorOf(parsed);
  if (!isOneBelow(current, target)) return { ok: false, error: ErrInvalidDowngradeTargetVersion };
  if (downgrade.enabled) return { ok: false, error: ErrDowngradeInProcess };
  return { ok: true, target };
}

/** Whether a server may be a member of a cluster of this version: not if it is older, except while the cluster is
 *  downgrading to it. */
export function mayRun(server: Version, cluster: Version | undefined, downgrade: Downgrade): boolean {
  if (cluster === undefined) return true;
  const own = minorOf(server);
  if (compareVersions(own, minorOf(cluster)) >= 0) return true;
  const target = downgrade.enabled ? parseVersion(downgrade.target) : undefined;
  return target !== undefined && compareVersions(own, minorOf(target)) === 0;
}
