// The cluster as its operator sees it: the machines there are, those that belong, and how to make another one.

import { createHash } from "node:crypto";
import {
  type Member as ClusterMember,
  clusterIdOf,
  initialMembers,
  memberIdOf,
  parseInitialCluster,
} from "#cluster";
import type { MemberId } from "#proto";
import type { ServerConfig } from "#server";
import { Host } from "./host.js";
import type { Life } from "./life.js";
import type { Network } from "./network.js";
import type { Plan } from "./plan.js";
import type { Recorder } from "./recorder.js";
import type { World } from "./world.js";

const TOKEN = "simulation";

export class SimCluster {
  /** By place; retired ones too. */
  readonly hosts: Host[] = [];
  readonly id: bigint;
  private readonly world: World;
  private readonly plan: Plan;
  private readonly network: Network;
  private readonly recorder: Recorder;
  private readonly initialCluster: string;

  constructor(world: World, plan: Plan, network: Network, recorder: Recorder) {
    this.world = world;
    this.plan = plan;
    this.network = network;
    this.recorder = recorder;
    const places = Array.from({ length: plan.members }, (_, place) => place);
    this.initialCluster = places.map((place) => `${nameOf(place)}=${urlOf(place)}`).join(",");
    const listed = parseInitialCluster(this.initialCluster);
    if (!listed.ok) throw new Error(listed.error);
    const members = initialMembers(listed.value, TOKEN, sha1);
    if (!members.ok) throw new Error(members.error);
    this.id = clusterIdOf(
      members.value.map(({ id }) => id),
      sha1,
    );
    for (const place of places) {
      const member = members.value.find(({ name }) => name === nameOf(place));
      if (member !== undefined) this.add(place, member.id, false);
    }
  }

  /** A new machine for a member that the cluster is about to add. Not started yet. */
  grow(): { host: Host; member: ClusterMember } {
    const place = this.hosts.length;
    const peerUrls = [urlOf(place)];
    const id = memberIdOf(peerUrls, TOKEN, sha1, this.world.now / 1000);
    const member = { id, name: "", peerUrls, clientUrls: [], isLearner: true };
    return { host: this.add(place, id, true), member };
  }

  /** Machines that are in use. */
  get active(): Host[] {
    return this.hosts.filter((host) => !host.isRetired);
  }

  /** Machines whose member serves clients. */
  get serving(): Host[] {
    return this.hosts.filter((host) => host.isServing);
  }

  byId(id: MemberId): Host | undefined {
    return this.hosts.find((host) => host.memberId === id);
  }

  /** The leader of the highest term, if there is one. */
  get leader(): Life | undefined {
    let leader: Life | undefined;
    let term = 0;
    for (const { life } of this.hosts) {
      const node = life?.running?.member.driver.node;
      if (life !== undefined && node?.isLeader === true && node.term > term) {
        leader = life;
        term = node.term;
      }
    }
    return leader;
  }

  private add(place: number, memberId: MemberId, joins: boolean): Host {
    const { world, plan, network, recorder } = this;
    const join = joins ? { clusterId: this.id, memberId } : undefined;
    const host = new Host({
      world,
      plan,
      network,
      recorder,
      place,
      memberId,
      config: this.configOf(place),
      join,
    });
    this.hosts.push(host);
    network.join(host);
    return host;
  }

  private configOf(place: number): ServerConfig {
    const { plan } = this;
    return {
      ...FIXED,
      name: nameOf(place),
      advertiseClientUrls: [`http://client-${place}:2379`],
      initialAdvertisePeerUrls: [urlOf(place)],
      initialCluster: this.initialCluster,
      snapshotCount: plan.snapshotCount,
      snapshotCatchupEntries: plan.snapshotCatchupEntries,
      heartbeatIntervalMs: plan.heartbeatIntervalMs,
      electionTimeoutMs: plan.electionTimeoutMs,
      preVote: plan.preVote,
      quotaBackendBytes: plan.quotaBytes === 0 ? -1 : plan.quotaBytes,
      backendBatchIntervalMs: plan.backendBatchIntervalMs,
      backendBatchLimit: plan.backendBatchLimit,
      compactionBatchLimit: plan.compactionBatchLimit,
      compactionSleepIntervalMs: plan.compactionSleepIntervalMs,
      watchProgressNotifyIntervalMs: plan.watchProgressIntervalMs,
      featureGates: { LeaseCheckpoint: plan.leaseCheckpoints },
    };
  }
}

const FIXED = {
  initialClusterToken: TOKEN,
  maxSnapshots: 2,
  maxWals: 2,
  initialElectionTickAdvance: true,
  maxTxnOps: 128,
  maxRequestBytes: 1_572_864,
  autoCompactionMode: "periodic" as const,
  autoCompactionRetention: 0,
  warningApplyDurationMs: 100,
  warningUnaryRequestDurationMs: 300,
  unsafeNoFsync: false,
};

function sha1(bytes: Uint8Array): Uint8Array {
  return createHash("sha1").update(bytes).digest();
}

function nameOf(place: number): string {
  return `m${place}`;
}

function urlOf(place: number): string {
  return `http://member-${place}:2380`;
}
