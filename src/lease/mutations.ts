// The bugs that can be planted in this room; each is a fault around leases that etcd once had.

import { PlantedBugs } from "#base";

export const leaseBugs = new PlantedBugs({
  checkpointLost: "checkpoints come through the log and are forgotten",
  keepAliveSuccessAfterRevoke: "a revoked lease can still be renewed",
});

export const { mutations } = leaseBugs;
