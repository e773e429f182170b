// The contract: every scenario of cases/*.txt against every target. See scenario.ts for the files and session.ts for the
// commands. TARGETS chooses the targets, CASES the files; REWRITE=1 records what the reference answers.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newMember, selectedTargets, type Target, type TargetName, TestClient } from "../support/index.js";
import {
  type Case,
  expectedOutput,
  loadScenarios,
  recordOutput,
  type Scenario,
  saveScenario,
} from "./scenario.js";
import { Session } from "./session.js";

const rewrite = process.env.REWRITE === "1";

for (const target of selectedTargets()) {
  describe(`contract, ${target}`, () => {
    for (const scenario of loadScenarios()) describe(scenario.name, () => runScenario(scenario, target));
  });
}

function runScenario(scenario: Scenario, target: TargetName): void {
  let member: Target;
  let client: TestClient;
  beforeAll(async () => {
    member = newMember(target, target === "reference" ? scenario.flags35 : scenario.flags);
    await member.start();
    client = new TestClient(member.endpoint);
    await client.ready();
  });
  afterAll(async () => {
    client?.close();
    await member?.destroy();
    if (rewrite && target === "reference") saveScenario(scenario);
  });
  for (const of of scenario.cases) {
    test.skipIf(of.skippedOn.includes(target))(of.name, async () => {
      const options = { endpoint: member.endpoint, absolute: scenario.absolute };
      const session = await Session.begin(client, options);
      check(of, target, await session.run(of.commands));
    });
  }
}

function check(of: Case, target: TargetName, output: readonly string[]): void {
  if (rewrite && target === "reference") {
    recordOutput(of, output);
    return;
  }
  const expected = expectedOutput(of, target);
  expect(expected, "the case has no expectation yet").toBeDefined();
  expect(output.join("\n")).toBe(expected!.join("\n"));
}
