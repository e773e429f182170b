// Runs the scenario files in testdata against a store. The commands are in testing/session.ts, the requests in
// testing/requests.ts.

import { testScenarios } from "#testing";
import { Session } from "./testing/session.js";

testScenarios(`${import.meta.dirname}/testdata`, () => new Session());
