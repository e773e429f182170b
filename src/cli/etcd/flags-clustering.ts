// Flags of the cluster: who its members are, and what they agree on.

import { type EtcdFlag, SECOND, unsupported, urlList } from "./flag-row.js";

export const CLUSTERING: readonly EtcdFlag[] = [
  urlList(
    "initial-advertise-peer-urls",
    "Clustering",
    ["http://localhost:2380"],
    "This member's peer URLs as the others are told.",
    (c, urls) => {
      c.initialAdvertisePeerUrls = urls;
    },
  ),
  {
    name: "initial-cluster",
    group: "Clustering",
    type: "string",
    default: "default=http://localhost:2380",
    help: "Members of a new cluster, as name=url,name=url.",
    apply: (c, v) => {
      c.initialCluster = String(v);
    },
  },
  {
    name: "initial-cluster-state",
    group: "Clustering",
    type: "enum",
    values: ["new", "existing"],
    default: "new",
    help: "'new' to start a cluster, 'existing' to join one; without effect once there is data.",
    apply: (c, v) => {
      c.initialClusterState = v === "existing" ? "existing" : "new";
    },
  },
  {
    name: "initial-cluster-token",
    group: "Clustering",
    type: "string",
    default: "etcd-cluster",
    help: "Keeps clusters with equal URLs apart.",
    apply: (c, v) => {
      c.initialClusterToken = String(v);
    },
  },
  urlList(
    "advertise-client-urls",
    "Clustering",
    ["http://localhost:2379"],
    "This member's client URLs as clients are told.",
    (c, urls) => {
      c.advertiseClientUrls = urls;
    },
  ),
  ...unsupported("Clustering", "string", "", [
    ["discovery-token", "Discovery: token of the cluster."],
    ["discovery-cert", "Discovery: client certificate."],
    ["discovery-key", "Discovery: key of the client certificate."],
    ["discovery-cacert", "Discovery: certificate authorities of the servers."],
    ["discovery-user", "Discovery: name[:password]."],
    ["discovery-password", "Discovery: password."],
    ["discovery-srv", "DNS domain whose SRV records name the members."],
    ["discovery-srv-name", "Suffix of the SRV service name."],
  ]),
  ...unsupported("Clustering", "list", [], [["discovery-endpoints", "Discovery: servers."]]),
  ...unsupported("Clustering", "duration", 2 * SECOND, [
    ["discovery-dial-timeout", "Discovery: dial timeout."],
    ["discovery-keepalive-time", "Discovery: pause between pings."],
  ]),
  ...unsupported("Clustering", "duration", 5 * SECOND, [
    ["discovery-request-timeout", "Discovery: request timeout."],
  ]),
  ...unsupported("Clustering", "duration", 6 * SECOND, [
    ["discovery-keepalive-timeout", "Discovery: ping timeout."],
  ]),
  ...unsupported("Clustering", "bool", true, [["discovery-insecure-transport", "Discovery: without TLS."]]),
  ...unsupported("Clustering", "bool", false, [
    ["discovery-insecure-skip-tls-verify", "Discovery: do not verify the servers' certificates."],
  ]),
  {
    name: "discovery-fallback",
    group: "Clustering",
    type: "enum",
    values: ["exit", "proxy"],
    default: "exit",
    help: "What to do when discovery fails; only 'exit' is left.",
    inert: true,
    inFile: "absent",
  },
  {
    name: "strict-reconfig-check",
    group: "Clustering",
    type: "bool",
    default: true,
    help: "Refuse membership changes that would risk the quorum.",
    apply: (c, v) => {
      c.strictReconfigCheck = v === true;
    },
  },
  {
    name: "pre-vote",
    group: "Clustering",
    type: "bool",
    default: true,
    help: "Ask before starting an election.",
    apply: (c, v) => {
      c.preVote = v === true;
    },
  },
  // Read together, because the one gives the other its meaning: see auto-compaction.ts.
  {
    name: "auto-compaction-retention",
    group: "Clustering",
    type: "string",
    default: "0",
    help: "History kept by automatic compaction: hours, a duration, or revisions; 0: all.",
    inert: true,
  },
  {
    name: "auto-compaction-mode",
    group: "Clustering",
    type: "string",
    default: "periodic",
    help: "'periodic' or 'revision'.",
    inert: true,
  },
  {
    name: "v2-deprecation",
    group: "Clustering",
    type: "enum",
    values: ["write-only", "write-only-skip-check", "write-only-drop-data", "gone"],
    default: "",
    help: "Accepted for compatibility, without effect.",
    inert: true,
  },
  {
    name: "max-learners",
    group: "Clustering",
    type: "int",
    default: 1,
    help: "Learners allowed in the cluster at once.",
    apply: (c, v) => {
      c.maxLearners = Number(v);
    },
  },
];
