// The bugs that can be planted in this room; each is a mistake that etcd once made.

import { PlantedBugs } from "#base";

export const serverBugs = new PlantedBugs({
  acknowledgeBeforeSync: "the driver acknowledges and applies while the log is still being written",
  appliedIndexOutsideTransaction:
    "the applied index is committed after the effects up to it, in a transaction of its own",
  deposedLeaderRevoke: "a revocation that a leader decided on is forwarded to whoever leads by then",
  staleReadIndex:
    "a confirmation that is asked for again keeps its id, so the answer to the first question serves later reads",
  staleReadIndexAfterLeaderChange:
    "a leader that was confirmed once goes on serving reads without asking, until it hears that there is another one",
});

export const { mutations } = serverBugs;
