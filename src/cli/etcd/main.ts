// The `etcd` command.

import { defaultConfig } from "#embed";
import { runMember } from "./run.js";

const config = defaultConfig();
const set: Record<string, (value: string) => void> = {
  name: (v) => {
    config.name = v;
  },
  "data-dir": (v) => {
    config.dataDir = v;
  },
  "listen-client-urls": (v) => {
    config.listenClientUrls = v.split(",");
  },
  "advertise-client-urls": (v) => {
    config.advertiseClientUrls = v.split(",");
  },
  "listen-peer-urls": (v) => {
    config.listenPeerUrls = v.split(",");
  },
  "initial-advertise-peer-urls": (v) => {
    config.initialAdvertisePeerUrls = v.split(",");
  },
  "initial-cluster": (v) => {
    config.initialCluster = v;
  },
  "quota-backend-bytes": (v) => {
    config.quotaBackendBytes = Number(v);
  },
  "max-txn-ops": (v) => {
    config.maxTxnOps = Number(v);
  },
  "snapshot-count": (v) => {
    config.snapshotCount = Number(v);
  },
  "unsafe-no-fsync": (v) => {
    config.unsafeNoFsync = v !== "false";
  },
  "watch-progress-notify-interval": (v) => {
    config.watchProgressNotifyIntervalMs = Number.parseFloat(v) * (v.endsWith("ms") ? 1 : 1000);
  },
};
const args = process.argv.slice(2);
while (args.length > 0) {
  const [name, inline] = args.shift()!.replace(/^--?/, "").split(/=(.*)/s);
  set[name]?.(inline ?? args.shift() ?? "");
}
await runMember(config);
