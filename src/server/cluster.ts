// The membership as the server uses it: which cluster this is, who this member is, and what the cluster has agreed on about
// itself. The rules are the cluster room's; this file ties them to the log, the backend and the configuration in force.

import { createHash } from "node:crypto";
import { panic, utf8, utf8Text } from "#base";
import {
  bootstrapContext,
  type ChangeOutcome,
  type Member as ClusterMember,
  clusterIdOf,
  compareVersions,
  encodeV2Store,
  initialMembers,
  Membership,
  minorOf,
  parseInitialCluster,
  parseVersion,
  versionText,
} from "#cluster";
import { ConfChange, ConfState, type MemberId, NO_MEMBER } from "#proto";
import type { BootstrapPeer } from "#raft";
import type { StorageBackend } from "#storage";
import type { ClusterState } from "./applier.js";
import type { ServerConfig } from "./config.js";

const CONF_STATE = utf8("confState");
const STORAGE_VERSION = utf8("storageVersion");
/** From this cluster version on the backend says which schema it has, and keeps the checkpoints of leases. */
const FIRST_STORAGE_VERSION = { major: 3, minor: 6, patch: 0 };

/** The configuration cannot start a cluster; the message says what to change. */
export class BootstrapError extends Error {
  override readonly name = "BootstrapError";
}

function sha1(bytes: Uint8Array): Uint8Array {
  return createHash("sha1").update(bytes).digest();
}

export class Cluster implements ClusterState {
  readonly id: bigint;
  readonly localId: MemberId;
  private readonly membership: Membership;
  private readonly backend: StorageBackend;
  private confState = new ConfState();
  /** The members that a new cluster begins with; none on a restart. */
  private readonly initial: readonly ClusterMember[];

  private constructor(
    id: bigint,
    localId: MemberId,
    backend: StorageBackend,
    initial: readonly ClusterMember[],
  ) {
    this.id = id;
    this.localId = localId;
    this.backend = backend;
    this.initial = initial;
    this.membership = new Membership(backend);
  }

  /**
   * A new cluster as the configuration names it.
   * @throws BootstrapError
   */
  static bootstrap(config: ServerConfig, backend: StorageBackend): Cluster {
    const listed = parseInitialCluster(config.initialCluster);
    if (!listed.ok) throw new BootstrapError(listed.error);
    const members = initialMembers(listed.value, config.initialClusterToken, sha1);
    if (!members.ok) throw new BootstrapError(members.error);
    const local = members.value.find((member) => member.name === config.name);
    if (local === undefined) {
      throw new BootstrapError(
        `couldn't find local name "${config.name}" in the initial cluster configuration`,
      );
    }
    const id = clusterIdOf(
      members.value.map((member) => member.id),
      sha1,
    );
    return new Cluster(id, local.id, backend, members.value);
  }

  /** A member that a running cluster has added: it learns everything from the log, or from a snapshot. */
  static join(id: bigint, localId: MemberId, backend: StorageBackend): Cluster {
    return new Cluster(id, localId, backend, []);
  }

  /** A member that has been here before: log and backend know everything. */
  static restart(id: bigint, localId: MemberId, backend: StorageBackend): Cluster {
    const cluster = new Cluster(id, localId, backend, []);
    cluster.restore();
    return cluster;
  }

  /** The additions that a new cluster's log starts with. */
  bootstrapPeers(): BootstrapPeer[] {
    return this.initial.map((member) => ({ id: member.id, context: bootstrapContext(member) }));
  }

  /** Reads the membership from the backend again, and the configuration that goes with it. */
  restore(): void {
    this.membership.restore();
    const stored = this.backend.get("meta", CONF_STATE);
    if (stored !== undefined) this.confState = parseConfState(utf8Text(stored));
  }

  /** This member is the only voter, so nobody has to be asked. */
  get isAlone(): boolean {
    const { voters, votersOutgoing } = this.confState;
    return voters.length === 1 && votersOutgoing.length === 0 && voters[0] === this.localId;
  }

  /** This member has been removed, for good. */
  get isLocalRemoved(): boolean {
    return this.membership.isRemoved(this.localId);
  }

  isLearner(id: MemberId): boolean {
    return this.confState.learners.includes(id);
  }

  list(): ClusterMember[] {
    return this.membership.list();
  }

  member(id: MemberId): ClusterMember | undefined {
    return this.membership.member(id);
  }

  /** The agreed version as X.Y.0; empty until it is decided. */
  get version(): string {
    const { version } = this.membership;
    return version === undefined ? "" : versionText(version);
  }

  /** The schema of the backend as X.Y.0; empty while the cluster is older than the notion. */
  get storageVersion(): string {
    const stored = this.backend.get("meta", STORAGE_VERSION);
    return stored === undefined ? "" : utf8Text(stored);
  }

  /** All members are new enough to keep the checkpoints of leases. */
  get storesCheckpoints(): boolean {
    const { version } = this.membership;
    return version !== undefined && compareVersions(version, FIRST_STORAGE_VERSION) >= 0;
  }

  get configuration(): ConfState {
    return this.confState;
  }

  // -- what the log brings ---------------------------------------------------------------------------------------------

  setClusterVersion(text: string): void {
    const version = parseVersion(text);
    if (version === undefined) return;
    this.membership.setVersion(version);
    if (compareVersions(version, FIRST_STORAGE_VERSION) >= 0) {
      this.backend.put("meta", STORAGE_VERSION, utf8(versionText(minorOf(version))));
    }
  }

  setMemberAttributes(id: MemberId, name: string, clientUrls: readonly string[]): void {
    this.membership.publish(id, name, clientUrls);
  }

  /** Applies a committed change of the membership. An invalid one has no effect, for raft either. */
  applyConfChange(change: ConfChange): { readonly effective: ConfChange; readonly outcome: ChangeOutcome } {
    const outcome = this.membership.apply(change);
    if (outcome.ok) return { effective: change, outcome };
    return { effective: new ConfChange(change.id, change.type, NO_MEMBER), outcome };
  }

  /** The configuration that raft now works with. */
  onConfState(confState: ConfState): void {
    this.confState = confState;
    this.backend.put("meta", CONF_STATE, utf8(confStateJson(confState)));
  }

  /** What a raft snapshot says of the membership, in the form that Go members read. */
  snapshotState(): { readonly confState: ConfState; readonly data: Uint8Array } {
    return { confState: this.confState, data: encodeV2Store(this.membership.state()) };
  }

  describe(): string {
    return this.membership.describe();
  }
}

/** As Go's encoding/json prints raftpb.ConfState: ids are bare numbers, beyond what a JSON number of ours can hold. */
function confStateJson(state: ConfState): string {
  const list = (name: string, ids: readonly MemberId[]): string =>
    ids.length === 0 ? "" : `"${name}":[${ids.join(",")}],`;
  return (
    `{${list("voters", state.voters)}${list("learners", state.learners)}` +
    `${list("voters_outgoing", state.votersOutgoing)}${list("learners_next", state.learnersNext)}` +
    `"auto_leave":${state.autoLeave}}`
  );
}

/** Reads what `confStateJson`, or a Go member, wrote. */
function parseConfState(text: string): ConfState {
  if (!/^\{.*\}$/s.test(text.trim())) panic("stored configuration is not JSON", { text });
  const list = (name: string): MemberId[] => {
    const match = new RegExp(`"${name}"\\s*:\\s*\\[([^\\]]*)\\]`).exec(text);
    return match === null || match[1].trim() === "" ? [] : match[1].split(",").map((id) => BigInt(id.trim()));
  };
  return new ConfState(
    list("voters"),
    list("learners"),
    list("voters_outgoing"),
    list("learners_next"),
    /"auto_leave"\s*:\s*true/.test(text),
  );
}
