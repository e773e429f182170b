// The membership as the server uses it: who this member is, who else is there, and what the cluster has agreed on about
// itself. The rules are the cluster room's; this file connects them with the log and the backend.

import { createHash } from "node:crypto";
import { type ConfChange, ConfState, type MemberId } from "#proto";
import type { BootstrapPeer } from "#raft";
import type { StorageBackend } from "#storage";
import type { ClusterState } from "./applier.js";
import type { ServerConfig } from "./config.js";

export interface MemberInfo {
  readonly id: MemberId;
  name: string;
  peerUrls: readonly string[];
  clientUrls: readonly string[];
  isLearner: boolean;
}

export class Cluster implements ClusterState {
  readonly id: bigint;
  readonly localId: MemberId;
  readonly members = new Map<MemberId, MemberInfo>();
  version = "";
  get storageVersion(): string {
    return this.version === "" ? "" : "3.7.0";
  }
  list(): MemberInfo[] {
    return [...this.members.values()];
  }
  private confState: ConfState;

  constructor(id: bigint, localId: MemberId, confState: ConfState) {
    this.id = id;
    this.localId = localId;
    this.confState = confState;
  }

  static bootstrap(config: ServerConfig, _backend: StorageBackend): Cluster {
    const h = createHash("sha1")
      .update([...config.initialAdvertisePeerUrls].sort().join("") + config.initialClusterToken)
      .digest();
    const id = h.readBigUInt64BE(0);
    const cid = createHash("sha1").update(h.subarray(0, 8)).digest().readBigUInt64BE(0);
    return new Cluster(cid, id, new ConfState([id]));
  }
  static restart(id: bigint, localId: bigint, confState: ConfState, _backend: StorageBackend): Cluster {
    return new Cluster(id, localId, confState);
  }
  bootstrapPeers(): BootstrapPeer[] {
    return [{ id: this.localId, context: new Uint8Array(0) }];
  }
  get isAlone(): boolean {
    return this.confState.voters.length === 1 && this.confState.votersOutgoing.length === 0;
  }
  isLearner(id: MemberId): boolean {
    return this.confState.learners.includes(id);
  }
  setClusterVersion(version: string): void {
    this.version = version;
  }
  setMemberAttributes(id: MemberId, name: string, clientUrls: readonly string[]): void {
    const member = this.members.get(id);
    if (member === undefined) return;
    member.name = name;
    member.clientUrls = clientUrls;
  }
  applyConfChange(change: ConfChange, _known: boolean): ConfChange {
    this.members.set(change.nodeId, {
      id: change.nodeId,
      name: "",
      peerUrls: [],
      clientUrls: [],
      isLearner: false,
    });
    return change;
  }
  onConfState(confState: ConfState, _persist: boolean): void {
    this.confState = confState;
  }
  restore(): void {}
  snapshotState(): { confState: ConfState; data: Uint8Array } {
    return { confState: this.confState, data: new Uint8Array(0) };
  }
}
