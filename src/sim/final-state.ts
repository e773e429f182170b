// The end of a run: has everything come to rest, and what does each member hold?

import { WireWriter } from "#base";
import { encodeRangeRequest, RangeRequest } from "#proto";
import type { Member } from "#server";
import { SimUnaryCall } from "./calls.js";
import type { SimCluster } from "./cluster.js";
import type { FinalState, Kv } from "./history.js";
import type { Host } from "./host.js";
import type { Life } from "./life.js";
import type { Recorder } from "./recorder.js";
import { decodeResult } from "./results.js";
import { PLAIN_RANGE } from "./workload.js";

export class FinalStates {
  private readonly cluster: SimCluster;
  private readonly recorder: Recorder;

  constructor(cluster: SimCluster, recorder: Recorder) {
    this.cluster = cluster;
    this.recorder = recorder;
  }

  isSettled(): boolean {
    return this.unsettled() === undefined;
  }

  /** Writes down what all members hold; names what has not come to rest. */
  collect(): void {
    const reason = this.unsettled();
    if (reason !== undefined)
      this.recorder.violate("liveness", `the cluster does not come to rest: ${reason}`);
    for (const host of this.belonging()) {
      if (host.life?.services !== undefined) this.recorder.history.finals.push(stateOf(host, host.life));
    }
  }

  /** The machines of the present membership that are meant to run. */
  private belonging(): Host[] {
    const node = this.cluster.leader?.running?.member.driver.node;
    if (node === undefined) return [];
    const { voters, learners } = node.confState();
    return [...voters, ...learners]
      .map((id) => this.cluster.byId(id))
      .filter((host) => host !== undefined)
      .filter((host) => !host.isHeldDown && !host.isRetired);
  }

  /** Why not yet. */
  private unsettled(): string | undefined {
    const hosts = this.belonging();
    if (hosts.length === 0) return "there is no leader";
    const leader = this.cluster.leader?.running?.member;
    for (const host of hosts) {
      const name = `m${host.place}`;
      const member = host.life?.running?.member;
      if (member === undefined || host.life?.services === undefined) return `${name} is not up`;
      if (member.appliedIndex !== leader?.appliedIndex)
        return `${name} has applied ${member.appliedIndex}, the leader ${leader?.appliedIndex}`;
      const status = member.driver.node.basicStatus();
      if (status.lastIndex !== status.commit) return `${name} has entries that are not committed`;
      if (member.store.finishedCompactRevision !== member.store.compactedRevision)
        return `${name} has not finished its compaction`;
      if (member.lessor.size > 0) return `${name} has ${member.lessor.size} leases that do not expire`;
      if (member.alarmNames().length > 0) return `${name} has alarms: ${member.alarmNames().join(" ")}`;
      if (member.pendingProposals > 0) return `${name} has ${member.pendingProposals} pending proposals`;
    }
    return undefined;
  }
}

function stateOf(host: Host, life: Life): FinalState {
  const { services } = life;
  const member = life.running?.member;
  if (member === undefined || services === undefined) throw new Error(`m${host.place} is not up`);
  const reader = member.store.hashKv(0);
  while (!reader.step(1_000_000));
  const { voters, learners } = member.cluster.configuration;
  const { hub } = member;
  return {
    member: host.place,
    memberId: host.memberId,
    appliedIndex: member.appliedIndex,
    term: member.term,
    revision: member.store.currentRevision,
    compactRevision: member.store.compactedRevision,
    hash: reader.result?.hash ?? -1,
    membership: member.cluster.describe(),
    voters: [...voters].sort(compare),
    learners: [...learners].sort(compare),
    leases: leasesOf(member),
    alarms: member.alarms
      .list(0)
      .map(({ memberId, type }) => `${memberId}:${type}`)
      .sort(),
    kvs: kvsOf(life),
    resources: {
      watchStreams: hub.streams,
      watchers: hub.watchers,
      pendingEvents: hub.pendingEvents,
      pendingProposals: member.pendingProposals,
    },
  };
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function leasesOf(member: Member): FinalState["leases"] {
  const leases = [...member.lessor.list()].sort(compare).map((id) => {
    const lease = member.lessor.lookup(id);
    const keys = lease === undefined ? [] : [...lease.sortedKeys()].map((key) => Buffer.from(key).toString());
    return { id, ttl: lease?.ttl ?? 0, keys };
  });
  return leases;
}

/** Everything, read as a client would read it from this member alone. */
function kvsOf(life: Life): readonly Kv[] {
  const request = new RangeRequest();
  request.key = Buffer.from("\0");
  request.rangeEnd = Buffer.from("\0");
  request.serializable = true;
  const out = new WireWriter(64);
  encodeRangeRequest(out, request);
  let kvs: readonly Kv[] | undefined;
  const call = new SimUnaryCall(life, (answer) => {
    if (!answer.ok) throw new Error(answer.text);
    const result = decodeResult(PLAIN_RANGE, answer.message);
    if (result.type === "range") kvs = result.kvs;
  });
  life.services?.kv.range(call, out.finish());
  if (kvs === undefined) throw new Error("a serializable range was not answered at once");
  return kvs;
}
