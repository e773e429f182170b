// Tells the cluster about this member once it takes part: its name and client URLs, and, as the leader, the version that
// the cluster has. Both are log entries, tried again until they are applied.

import { create, toBinary } from "@bufbuild/protobuf";
import type { Timer } from "#base";
import { membershippb, type RpcError } from "#proto";
import { CLUSTER_VERSION } from "./config.js";
import type { Member } from "./member.js";
import { Operation } from "./request.js";
import { Waiter } from "./waiters.js";

const RETRY_MS = 500;

export class Publisher {
  private readonly member: Member;
  private timer: Timer | undefined;
  private stopped = false;
  private readonly onPublished: () => void;

  /** @param onPublished called once, when this member's attributes have been applied */
  constructor(member: Member, onPublished: () => void) {
    this.member = member;
    this.onPublished = onPublished;
  }

  start(): void {
    const { cluster, config } = this.member;
    const known = cluster.member(cluster.localId);
    const isCurrent =
      known?.name === config.name && String(known.clientUrls) === String(config.advertiseClientUrls);
    if (isCurrent) this.onPublished();
    else this.publish();
  }

  stop(): void {
    this.stopped = true;
    if (this.timer !== undefined) this.member.clock.clearTimer(this.timer);
    this.timer = undefined;
  }

  /** As the leader of a cluster that has not decided its version, or runs below ours: proposes it. */
  proposeVersion(): void {
    const { member } = this;
    if (!member.isLeader || member.cluster.version !== "") return;
    member.logger.info("setting up initial cluster version using v3 API", {
      "cluster-version": CLUSTER_VERSION,
    });
    const request = create(membershippb.ClusterVersionSetRequestSchema, { ver: CLUSTER_VERSION });
    const body = toBinary(membershippb.ClusterVersionSetRequestSchema, request);
    member.propose(
      Operation.ClusterVersionSet,
      body,
      new Attempt(undefined, () => this.retryVersion()),
      true,
    );
  }

  private retryVersion(): void {
    if (!this.stopped) this.timer = this.member.clock.setTimer(RETRY_MS, () => this.proposeVersion());
  }

  private publish(): void {
    const { cluster, config } = this.member;
    const request = create(membershippb.ClusterMemberAttrSetRequestSchema, {
      memberID: cluster.localId,
      memberAttributes: { name: config.name, clientUrls: [...config.advertiseClientUrls] },
    });
    const body = toBinary(membershippb.ClusterMemberAttrSetRequestSchema, request);
    const published = (): void => {
      this.member.logger.info("published local member to cluster through raft", {
        "local-member-id": cluster.localId,
        "cluster-id": cluster.id,
      });
      this.onPublished();
    };
    this.member.propose(
      Operation.ClusterMemberAttrSet,
      body,
      new Attempt(published, () => this.retryPublish()),
    );
  }

  private retryPublish(): void {
    if (!this.stopped) this.timer = this.member.clock.setTimer(RETRY_MS, () => this.publish());
  }
}

class Attempt extends Waiter {
  private readonly done: (() => void) | undefined;
  private readonly retry: () => void;

  constructor(done: (() => void) | undefined, retry: () => void) {
    super();
    this.done = done;
    this.retry = retry;
  }

  onApplied(): void {
    this.done?.();
  }

  onFailed(_error: RpcError): void {
    this.retry();
  }
}
