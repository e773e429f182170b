// Flags of the member itself: names, directories, listeners, limits, keepalive, feature gates.

import { FEATURE_GATES } from "#embed";
import { type FlagValue, parseBool, ValueError } from "../flags/index.js";
import { type EtcdFlag, ms, orDefault, SECOND, urlList } from "./flag-row.js";

/** Gates as `A=true,B=false`; kept as text, so that the value prints as it was given. */
function parseGates(text: string): FlagValue {
  readGates(text);
  return text;
}

/** Reads feature gates; every one must exist. */
export function readGates(text: string): Record<string, boolean> {
  const gates: Record<string, boolean> = {};
  for (const part of text.split(",").map((one) => one.trim())) {
    if (part === "") continue;
    const at = part.indexOf("=");
    const gate = at < 0 ? part : part.slice(0, at).trim();
    if (at < 0) throw new ValueError(`missing bool value for ${gate}`);
    if (!(gate in FEATURE_GATES)) throw new ValueError(`unrecognized feature gate: ${gate}`);
    const value = part.slice(at + 1).trim();
    try {
      gates[gate] = parseBool(value);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      throw new ValueError(`invalid value of ${gate}=${value}, err: ${error.message}`);
    }
  }
  return gates;
}

export const MEMBER: readonly EtcdFlag[] = [
  {
    name: "name",
    group: "Member",
    type: "string",
    default: "default",
    help: "Name of this member, for people.",
    apply: (c, v) => {
      c.name = String(v);
    },
  },
  {
    name: "data-dir",
    group: "Member",
    type: "string",
    default: "",
    help: "Directory of all data; empty: <name>.etcd.",
    apply: (c, v) => {
      c.dataDir = String(v);
    },
  },
  {
    name: "wal-dir",
    group: "Member",
    type: "string",
    default: "",
    help: "Directory of the write-ahead log, if not inside the data directory.",
    apply: (c, v) => {
      c.walDir = String(v);
    },
  },
  {
    name: "snapshot-count",
    group: "Member",
    type: "uint",
    default: 10_000,
    help: "Applied entries between two snapshots; 0: the default.",
    apply: (c, v) => {
      c.snapshotCount = orDefault(v, 10_000);
    },
  },
  {
    name: "snapshot-catchup-entries",
    group: "Member",
    type: "uint",
    default: 5000,
    help: "Log entries kept behind a snapshot for followers that lag.",
    apply: (c, v) => {
      c.snapshotCatchupEntries = Number(v);
    },
  },
  {
    name: "heartbeat-interval",
    group: "Member",
    type: "uint",
    default: 100,
    help: "Heartbeat interval in milliseconds.",
    apply: (c, v) => {
      c.heartbeatIntervalMs = Number(v);
    },
  },
  {
    name: "election-timeout",
    group: "Member",
    type: "uint",
    default: 1000,
    help: "Election timeout in milliseconds; at least five heartbeats.",
    apply: (c, v) => {
      c.electionTimeoutMs = Number(v);
    },
  },
  {
    name: "initial-election-tick-advance",
    group: "Member",
    type: "bool",
    default: true,
    help: "Skip most of the first election timeout.",
    apply: (c, v) => {
      c.initialElectionTickAdvance = v === true;
    },
  },
  urlList(
    "listen-peer-urls",
    "Member",
    ["http://localhost:2380"],
    "URLs on which peers are served.",
    (c, urls) => {
      c.listenPeerUrls = urls;
    },
  ),
  urlList(
    "listen-client-urls",
    "Member",
    ["http://localhost:2379"],
    "URLs on which clients are served: gRPC, and HTTP unless --listen-client-http-urls is set.",
    (c, urls) => {
      c.listenClientUrls = urls;
    },
  ),
  urlList(
    "listen-client-http-urls",
    "Member",
    [],
    "URLs for HTTP alone; --listen-client-urls then serve gRPC alone.",
    (c, urls) => {
      c.listenClientHttpUrls = urls;
    },
  ),
  {
    name: "max-snapshots",
    group: "Member",
    type: "uint",
    default: 5,
    help: "Snapshot files kept; 0: all.",
    apply: (c, v) => {
      c.maxSnapshots = Number(v);
    },
  },
  {
    name: "max-wals",
    group: "Member",
    type: "uint",
    default: 5,
    help: "Log segments kept; 0: all.",
    apply: (c, v) => {
      c.maxWals = Number(v);
    },
  },
  {
    name: "memory-mlock",
    group: "Member",
    type: "bool",
    default: false,
    help: "Keep the backend's pages in memory.",
  },
  {
    name: "quota-backend-bytes",
    group: "Member",
    type: "int",
    default: 0,
    help: "Size of the backend at which writes are refused; 0: 2 GiB, negative: no limit.",
    apply: (c, v) => {
      c.quotaBackendBytes = orDefault(v, c.quotaBackendBytes);
    },
  },
  {
    name: "backend-bbolt-freelist-type",
    group: "Member",
    type: "string",
    default: "map",
    help: "Accepted for compatibility; this backend has no freelist to choose.",
    inert: true,
  },
  {
    name: "backend-batch-interval",
    group: "Member",
    type: "duration",
    default: 0,
    help: "Longest time between two commits of the backend; 0: 100ms, up to 1s while little is pending.",
    apply: (c, v) => {
      c.backendBatchIntervalMs = ms(v);
    },
  },
  {
    name: "backend-batch-limit",
    group: "Member",
    type: "int",
    default: 0,
    help: "Operations that force a commit of the backend; 0: 10000.",
    apply: (c, v) => {
      c.backendBatchLimit = orDefault(v, 10_000);
    },
  },
  {
    name: "max-txn-ops",
    group: "Member",
    type: "uint",
    default: 128,
    help: "Operations allowed in a transaction.",
    apply: (c, v) => {
      c.maxTxnOps = Number(v);
    },
  },
  {
    name: "max-request-bytes",
    group: "Member",
    type: "uint",
    default: 1_572_864,
    help: "Largest request accepted, in bytes.",
    apply: (c, v) => {
      c.maxRequestBytes = Number(v);
    },
  },
  {
    name: "max-concurrent-streams",
    group: "Member",
    type: "uint32",
    default: 0xffffffff,
    help: "Streams that one client connection may have open.",
    apply: (c, v) => {
      c.maxConcurrentStreams = Number(v);
    },
  },
  {
    name: "grpc-keepalive-min-time",
    group: "Member",
    type: "duration",
    default: 5 * SECOND,
    help: "Shortest pause between a client's pings.",
    apply: (c, v) => {
      c.grpcKeepaliveMinTimeMs = ms(v);
    },
  },
  {
    name: "grpc-keepalive-interval",
    group: "Member",
    type: "duration",
    default: 7200 * SECOND,
    help: "Pause between the server's pings of a client; 0: none.",
    apply: (c, v) => {
      c.grpcKeepaliveIntervalMs = ms(v);
    },
  },
  {
    name: "grpc-keepalive-timeout",
    group: "Member",
    type: "duration",
    default: 20 * SECOND,
    help: "How long a ping may stay unanswered; 0: no pings.",
    apply: (c, v) => {
      c.grpcKeepaliveTimeoutMs = ms(v);
    },
  },
  {
    name: "socket-reuse-port",
    group: "Member",
    type: "bool",
    default: false,
    help: "Set SO_REUSEPORT on listeners.",
    inFile: "absent",
  },
  {
    name: "socket-reuse-address",
    group: "Member",
    type: "bool",
    default: false,
    help: "Set SO_REUSEADDR on listeners; here it is always set.",
    inFile: "absent",
    apply: (c, v) => {
      c.socketReuseAddress = v === true;
    },
  },
  {
    name: "raft-read-timeout",
    group: "Member",
    type: "duration",
    default: 5 * SECOND,
    help: "Read timeout of peer connections.",
    inFile: "absent",
  },
  {
    name: "raft-write-timeout",
    group: "Member",
    type: "duration",
    default: 5 * SECOND,
    help: "Write timeout of peer connections.",
    inFile: "absent",
  },
  {
    name: "enable-grpc-gateway",
    group: "Member",
    type: "bool",
    default: true,
    help: "Serve the JSON form of the API.",
    apply: (c, v) => {
      c.enableGrpcGateway = v === true;
    },
  },
  {
    name: "feature-gates",
    group: "Member",
    type: "string",
    default: "",
    help: `Features switched on or off, as Name=true,Name=false: ${Object.keys(FEATURE_GATES).join(", ")}.`,
    parse: parseGates,
    apply: (c, v) => {
      c.featureGates = readGates(String(v));
    },
  },
];
