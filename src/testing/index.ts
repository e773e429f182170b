// testing: what the tests of several rooms share. Only tests import it, and it is not part of the published build.

export { ManualClock } from "./manual-clock.js";
export * from "./scenario.js";
