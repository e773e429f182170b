// sim: whole clusters in one process, on a virtual clock, network and disk, from one seed. Start with simulation.ts.

export { drawPlan, type Plan } from "./plan.js";
export { Simulation } from "./simulation.js";
