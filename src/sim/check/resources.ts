// When all clients have gone, nothing of theirs is left: watchers, streams, waiters, timers, buffers are back at what a
// member without clients has. The simulation names what it counts and subtracts that baseline.

import type { Checker } from "./checker.js";
import { Report } from "./report.js";

const NAME = "resources";

export const resources: Checker = {
  name: NAME,
  check(history) {
    const report = new Report(NAME);
    for (const final of history.finals)
      for (const [what, count] of Object.entries(final.resources))
        if (count !== 0)
          report.add(
            `member ${final.member} still has ${count} ${what} after all clients have gone`,
            history.endedAt,
            final,
          );
    return report.violations;
  },
};
