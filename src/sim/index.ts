// sim: whole clusters in one process, on a virtual clock, network and disk, from one seed. Start with simulation.ts; the
// history that a run leaves is in history.ts, what is checked about it in check/.

export { main } from "./main.js";
export { drawPlan, type Plan } from "./plan.js";
export { CANARY, PLANTED_BUGS, plantBug, removeBugs } from "./planted-bugs.js";
export { planOf, type RunResult, runPlan } from "./run.js";
export { Simulation } from "./simulation.js";
