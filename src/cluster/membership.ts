// The membership: who belongs to the cluster, who was removed and may never come back under the same id, which version
// the cluster has agreed on. All of it comes through the log and is stored in the backend in the same transaction as
// the entry that changed it; there is one copy, so that it cannot disagree with itself. Buckets, as etcd has them:
//
//   members          hex id -> JSON of the member
//   members_removed  hex id -> "removed"
//   cluster          clusterVersion -> "X.Y.0"; downgrade -> {"target-version":"X.Y.0","enabled":true}

import { panic, utf8, utf8Text } from "#base";
import type { ConfChange, MemberId } from "#proto";
import { type ChangeOutcome, judge, MAX_LEARNERS, type MemberChange } from "./conf-change.js";
import { byId, goJson, hexId, type Member, memberJson, parseMember, parseObject } from "./member.js";
import { type Downgrade, NO_DOWNGRADE, parseVersion, type Version, versionText } from "./version.js";

export type ClusterBucket = "members" | "members_removed" | "cluster";

/** The part of the backend that the membership lives in. */
export interface ClusterBackend {
  get(bucket: ClusterBucket, key: Uint8Array): Uint8Array | undefined;
  put(bucket: ClusterBucket, key: Uint8Array, value: Uint8Array): void;
  delete(bucket: ClusterBucket, key: Uint8Array): void;
  scan(bucket: ClusterBucket, visit: (key: Uint8Array, value: Uint8Array) => boolean): void;
}

const REMOVED = utf8("removed");
const KEY_VERSION = utf8("clusterVersion");
const KEY_DOWNGRADE = utf8("downgrade");

/** Everything about the membership that a snapshot carries. */
export interface MembershipState {
  readonly members: readonly Member[];
  readonly removed: readonly MemberId[];
  readonly version: Version | undefined;
}

export class Membership {
  /** The agreed version, undefined until it is decided. */
  version: Version | undefined = undefined;
  downgrade: Downgrade = NO_DOWNGRADE;

  private readonly backend: ClusterBackend;
  private readonly maxLearners: number;
  private readonly members = new Map<MemberId, Member>();
  private readonly removed = new Set<MemberId>();

  constructor(backend: ClusterBackend, maxLearners = MAX_LEARNERS) {
    this.backend = backend;
    this.maxLearners = maxLearners;
  }

  /** Reads everything from the backend, forgetting what was known. */
  restore(): void {
    this.members.clear();
    this.removed.clear();
    this.backend.scan("members", (key, value) => {
      const text = utf8Text(value);
      const member = parseMember(text) ?? panic("stored member is not JSON", { text });
      if (hexId(member.id) !== utf8Text(key)) panic("stored member is under another's id", { text });
      this.members.set(member.id, member);
      return true;
    });
    this.backend.scan("members_removed", (key) => {
      this.removed.add(BigInt(`0x${utf8Text(key)}`));
      return true;
    });
    const version = this.backend.get("cluster", KEY_VERSION);
    this.version = version === undefined ? undefined : parseVersion(utf8Text(version));
    const downgrade = this.backend.get("cluster", KEY_DOWNGRADE);
    this.downgrade = downgrade === undefined ? NO_DOWNGRADE : parseDowngrade(utf8Text(downgrade));
  }

  /** Replaces members, removed ids and version, for a member that takes over another's state without its backend. */
  replaceWith(state: MembershipState): void {
    for (const id of this.members.keys()) this.backend.delete("members", idKey(id));
    for (const id of this.removed) this.backend.delete("members_removed", idKey(id));
    this.members.clear();
    this.removed.clear();
    for (const member of state.members) this.store(member);
    for (const id of state.removed) this.bury(id);
    if (state.version !== undefined) this.setVersion(state.version);
  }

  // What is there.

  member(id: MemberId): Member | undefined {
    return this.members.get(id);
  }

  isRemoved(id: MemberId): boolean {
    return this.removed.has(id);
  }

  /** All members by id, the order in which etcd lists them. */
  list(): Member[] {
    return Array.from(this.members.values()).sort(byId);
  }

  voters(): Member[] {
    return this.list().filter((member) => !member.isLearner);
  }

  state(): MembershipState {
    const removed = Array.from(this.removed).sort((a, b) => (a < b ? -1 : 1));
    return { members: this.list(), removed, version: this.version };
  }

  // What the log brings.

  /** Whether a change would be valid if it were applied now. */
  judge(change: ConfChange): ChangeOutcome {
    return judge(change, this.members, this.removed, this.maxLearners);
  }

  /** Applies a committed change. An invalid one changes nothing, and raft must be told that it is a change of node 0. */
  apply(change: ConfChange): ChangeOutcome {
    const outcome = this.judge(change);
    if (outcome.ok) this.perform(outcome.change);
    return outcome;
  }

  /** What a member publishes of itself. @returns false for one that is not (or no longer) a member */
  publish(id: MemberId, name: string, clientUrls: readonly string[]): boolean {
    const member = this.members.get(id);
    if (member === undefined) return false;
    this.store({ ...member, name, clientUrls: clientUrls.slice() });
    return true;
  }

  setVersion(version: Version): void {
    this.version = version;
    this.backend.put("cluster", KEY_VERSION, utf8(versionText(version)));
  }

  setDowngrade(downgrade: Downgrade): void {
    this.downgrade = downgrade.enabled ? downgrade : NO_DOWNGRADE;
    const { target, enabled } = this.downgrade;
    this.backend.put("cluster", KEY_DOWNGRADE, utf8(goJson({ "target-version": target, enabled })));
  }

  /** Short deterministic text: a line per member by id, then the removed ids. */
  describe(): string {
    const version = this.version === undefined ? "undecided" : versionText(this.version);
    let text = `version=${version}${this.downgrade.enabled ? ` downgrade=${this.downgrade.target}` : ""}`;
    for (const member of this.list()) {
      const role = member.isLearner ? " learner" : "";
      const name = member.name === "" ? "(unstarted)" : member.name;
      const clients = member.clientUrls.length === 0 ? "" : ` clients=${member.clientUrls.join(",")}`;
      text += `\n${hexId(member.id)} ${name}${role} peers=${member.peerUrls.join(",")}${clients}`;
    }
    const removed = this.state().removed.map(hexId);
    return removed.length === 0 ? text : `${text}\nremoved ${removed.join(" ")}`;
  }

  private perform(change: MemberChange): void {
    switch (change.kind) {
      case "add":
        return this.store(change.member);
      case "promote":
        return this.store({ ...this.require(change.id), isLearner: false });
      // Nothing but the URLs: a learner that gets new URLs stays a learner.
      case "update":
        return this.store({ ...this.require(change.id), peerUrls: change.peerUrls });
      case "remove":
        this.members.delete(change.id);
        this.backend.delete("members", idKey(change.id));
        this.bury(change.id);
    }
  }

  private require(id: MemberId): Member {
    return this.members.get(id) ?? panic("valid change of a member that is not there", { id });
  }

  private store(member: Member): void {
    this.members.set(member.id, member);
    this.backend.put("members", idKey(member.id), utf8(memberJson(member)));
  }

  private bury(id: MemberId): void {
    this.removed.add(id);
    this.backend.put("members_removed", idKey(id), REMOVED);
  }
}

function idKey(id: MemberId): Uint8Array {
  return utf8(hexId(id));
}

function parseDowngrade(text: string): Downgrade {
  const fields = parseObject(text) ?? panic("stored downgrade is not JSON", { text });
  const target = fields["target-version"];
  if (fields["enabled"] !== true || typeof target !== "string") return NO_DOWNGRADE;
  return { enabled: true, target };
}
