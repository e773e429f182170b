#!/usr/bin/env node
// Measures our member beside another endpoint, by default the Go etcd, and says for each figure whether it reaches its
// target. Both run at the same time on the same machine and disk, with every write synced, and are measured in turn;
// what counts is the ratio within one run. docs/benchmarks.md tells how each figure is measured.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { calmDisk } from "./disk.mjs";
import { Endpoint, Pair, Ports } from "./endpoints.mjs";
import { measureLoad } from "./load.mjs";
import { commit, Report } from "./report.mjs";
import { measureScale } from "./scale.mjs";
import { measureWatch } from "./watch.mjs";

const USAGE = `usage: npm run bench -- [options]

  --only LIST           sections to run, of load,scale,watch (default: all)
  --quick               small sizes: to see that it works, not to learn figures
  --rounds N            rounds of each load (default 5)
  --scale-keys N        keys of the scale section (default 1000000)
  --revisions N         revisions added before the compaction (default half of the keys)
  --name NAME           name of the result (default: bench and the time)
  --json FILE           where the result goes (default bench-results/NAME.json)
  --markdown FILE       also write the table into FILE, under the heading "Figures" at its end
  --other HOST:PORT     compare with this running endpoint instead of starting the reference
  --other-pid N         its process, for memory and processor time
  --ours FILE           the program to measure (default bin/etcd of this checkout)
  --dir FOLDER          where the members' data goes (default .cache in the current folder)
  --ports N             take ports from N on (default: any free ones)
  --cpu-prof FOLDER     have our member write a processor profile at each of its ends (slows it a little)
  --keep                leave data and logs behind

The reference is looked for in REFERENCE_ETCD_BIN, or where scripts/reference-etcd puts it.`;

const FULL = {
  loadShare: 1,
  valueBytes: 256,
  quietMs: 10_000,
  settleMs: 10_000,
  maintenanceRounds: 3,
  watchRounds: 5,
  watchersShare: 1,
  sharedPuts: 4000,
  distinctPuts: 200_000,
  stalledPuts: 200_000,
};
const QUICK = {
  loadShare: 0.1,
  valueBytes: 256,
  quietMs: 1500,
  settleMs: 500,
  maintenanceRounds: 1,
  watchRounds: 1,
  watchersShare: 0.1,
  sharedPuts: 500,
  distinctPuts: 10_000,
  stalledPuts: 10_000,
};
const SECTIONS = { load: measureLoad, scale: measureScale, watch: measureWatch };

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

function options() {
  const string = { type: "string" };
  const { values } = parseArgs({
    options: {
      only: string,
      quick: { type: "boolean", default: false },
      rounds: string,
      "scale-keys": string,
      revisions: string,
      name: string,
      json: string,
      markdown: string,
      other: string,
      "other-pid": string,
      ours: string,
      dir: string,
      ports: string,
      "cpu-prof": string,
      keep: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const sections = (values.only ?? Object.keys(SECTIONS).join(",")).split(",");
  for (const section of sections)
    if (!(section in SECTIONS)) throw new Error(`no section "${section}"\n\n${USAGE}`);
  const keys = count(values["scale-keys"], values.quick ? 20_000 : 1_000_000);
  const name = values.name ?? `bench-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;
  return {
    ...values,
    sections,
    sizes: {
      ...(values.quick ? QUICK : FULL),
      rounds: count(values.rounds, values.quick ? 2 : 5),
      keys,
      revisions: count(values.revisions, keys / 2),
    },
    json: values.json ?? join("bench-results", `${name}.json`),
  };
}

function count(text, otherwise) {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`"${text}" is not a number of things`);
  return value;
}

function endpoints(given) {
  const program = resolve(given.ours ?? join(root, "bin/etcd"));
  const profile = given["cpu-prof"];
  const node = profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${resolve(profile)}`];
  const ours = new Endpoint("ours", [process.execPath, ...node, program]);
  if (given.other !== undefined) {
    const pid = given["other-pid"];
    return new Pair(ours, Endpoint.given("other", given.other, pid === undefined ? undefined : count(pid)));
  }
  const folder = process.env.REFERENCE_ETCD_BIN ?? join(homedir(), ".cache/reference-etcd/usr/bin");
  return new Pair(ours, new Endpoint("other", [join(folder, "etcd")]));
}

async function main() {
  const given = options();
  if (given.help) return console.log(USAGE);
  const base = resolve(given.dir ?? ".cache");
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(join(base, "bench-"));
  const pair = endpoints(given);
  const ports = new Ports(given.ports === undefined ? 0 : count(given.ports));
  const goAway = () => {
    for (const endpoint of pair.both) endpoint.kill();
    if (!given.keep) rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  process.once("exit", goAway);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

  const command = [
    "npm run bench",
    ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : []),
  ].join(" ");
  const report = new Report({ command, sizes: given.sizes, versions: { ours: "", other: "" } });
  // Asked once: the figures that are written into a document on the way are not what is measured.
  const measured = commit(root);
  for (const section of given.sections) {
    // Each section starts on fresh members, so that none measures what another has left behind.
    for (const endpoint of pair.both) await endpoint.create(join(folder, section), ports);
    report.about.versions = {
      ours: `etcd-ts ${measured}, etcd ${await pair.ours.version()}`,
      other: `etcd ${await pair.other.version()}`,
    };
    console.log(`\n(${await calmDisk(folder)})`);
    await SECTIONS[section](pair, report, given.sizes);
    for (const endpoint of pair.both) {
      await endpoint.stop();
      if (!given.keep) endpoint.removeData();
    }
    report.writeJson(given.json);
    if (given.markdown !== undefined) report.writeMarkdown(given.markdown);
  }
  const { failed } = report;
  console.log(`\n${given.json}: ${report.figures.length} figures, ${failed.length} short of their target`);
  for (const { section, name } of failed) console.log(`  FAIL  ${section.split(":")[0]}: ${name}`);
}

await main().catch((error) => {
  console.error(`bench: ${error.stack}`);
  process.exitCode = 1;
});
process.exit();
