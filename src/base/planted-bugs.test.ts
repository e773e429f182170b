import { afterEach, expect, test } from "vitest";
import { Panic, PlantedBugs } from "./index.js";

const bugs = new PlantedBugs({ forgets: "it forgets", repeats: "it repeats itself" });

afterEach(() => {
  Reflect.deleteProperty(globalThis, "ETCD_TS_SIMULATION");
});

test("bugs are planted and removed in a simulation", () => {
  Reflect.set(globalThis, "ETCD_TS_SIMULATION", true);
  expect(bugs.names).toEqual(["forgets", "repeats"]);
  bugs.plant("forgets");
  bugs.plant("repeats");
  bugs.plant("forgets", false);
  expect(bugs.mutations).toEqual({ forgets: false, repeats: true });
  bugs.clear();
  expect(bugs.mutations).toEqual({ forgets: false, repeats: false });
});

test("nothing is planted elsewhere, and nothing unknown", () => {
  expect(() => bugs.plant("forgets")).toThrow(Panic);
  Reflect.set(globalThis, "ETCD_TS_SIMULATION", true);
  expect(() => (bugs as PlantedBugs<string>).plant("lies")).toThrow(Panic);
  expect(bugs.mutations).toEqual({ forgets: false, repeats: false });
});
