// The bugs that can be planted among the watchers; each is a fault that etcd once had.

import { PlantedBugs } from "#base";

export const watchBugs = new PlantedBugs({
  progressBeforeQueuedEvents:
    "a progress notice goes to the head of the stream's queue, before events that it promises to have been sent",
  eventsLostOnFullStream:
    "an event that does not fit into a stream's queue is dropped, and the watcher goes on as if it had it",
  futureRevisionWatchGetsOlderEvents: "a watcher of a future revision gets events from before it",
  watchBackInTimeAfterSnapshot:
    "after a snapshot was installed, watchers start again from where they first started",
});

export const { mutations } = watchBugs;
