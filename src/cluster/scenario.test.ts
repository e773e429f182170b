// Runs the scenario files in testdata against the membership.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { utf8Text } from "#base";
import { ConfChange, ConfChangeType, type RpcError } from "#proto";
import { type CommandTable, runCommand, testScenarios } from "#testing";
import {
  addError,
  bootstrapContext,
  type ChangeOutcome,
  type Connectivity,
  changeContext,
  clusterIdOf,
  decodeV2Store,
  downgradeTarget,
  encodeV2Store,
  hexId,
  initialMembers,
  isDowngradeDone,
  type Member,
  Membership,
  matchMembers,
  mayRun,
  memberIdOf,
  nextClusterVersion,
  type Parsed,
  parseInitialCluster,
  parseUrls,
  parseVersion,
  promoteError,
  readyError,
  removeError,
  versionText,
} from "./index.js";
import { MemoryCluster } from "./testkit.js";

const DATA = join(import.meta.dirname, "testdata");
const sha1 = (bytes: Uint8Array) => createHash("sha1").update(bytes).digest();

function errorText(error: RpcError | undefined): string {
  return error === undefined ? "ok" : `${error.name}: ${error.message}`;
}

function parsedText<T>(parsed: Parsed<T>, text: (value: T) => string): string {
  return parsed.ok ? text(parsed.value) : `error: ${parsed.error}`;
}

function versionOf(text: string) {
  return text === "?" ? undefined : parseVersion(text);
}

class Session {
  private backend = new MemoryCluster();
  private membership = new Membership(this.backend);
  /** Names that a scenario gives to ids. */
  private readonly ids = new Map<string, bigint>();
  private readonly active = new Map<bigint, number>();
  private readonly commands: CommandTable = {
    bootstrap: ([cluster, token]) => this.bootstrap(cluster, token ?? "etcd-cluster"),
    members: ([cluster]) =>
      this.initial(cluster, "etcd-cluster")
        .map((it) => `${it.name} ${hexId(it.id)}`)
        .join("\n"),
    "initial-cluster": ([text]) =>
      parsedText(parseInitialCluster(text ?? ""), (map) =>
        [...map].map(([name, urls]) => `${name}: ${urls.join(" ")}`).join("\n"),
      ),
    urls: (urls) => parsedText(parseUrls(urls), (sorted) => sorted.join(" ")),
    match: ([configured, running]) => this.match(configured, running),
    add: ([name, urls]) => this.add(name, urls.split(","), false),
    learner: ([name, urls]) => this.add(name, urls.split(","), true),
    promote: ([name]) => this.promote(name),
    remove: ([name]) => this.outcome(this.change(ConfChangeType.RemoveNode, this.id(name))),
    update: ([name, urls]) => this.update(name, urls.split(",")),
    raw: ([type, id, ...context]) => this.raw(Number(type), BigInt(`0x${id}`), context.join(" ")),
    publish: ([name, as, urls]) => `${this.membership.publish(this.id(name), as, urls?.split(",") ?? [])}`,
    version: ([text]) => this.setVersion(text),
    downgrade: ([target]) => this.setDowngrade(target),
    restore: () => this.restore(),
    describe: () => this.membership.describe(),
    records: () => this.backend.dump(),
    snapshot: () => this.snapshot(),
    active: ([name, since]) => this.setActive(name, since),
    "may-add": ([role, self, now]) =>
      errorText(addError(this.membership.list(), role === "learner", this.view(self, now))),
    "may-remove": ([name, self, now]) =>
      errorText(removeError(this.membership.list(), this.id(name), this.view(self, now))),
    "may-promote": () => errorText(promoteError(this.membership.list())),
    ready: ([learner, leader]) =>
      errorText(readyError(learner === "?" ? undefined : Number(learner), Number(leader))),
    next: (servers) => this.nextVersion(servers),
    done: (servers) => `${isDowngradeDone(this.membership.downgrade, servers.map(versionOf))}`,
    target: ([text]) => this.target(text),
    "may-run": ([server]) => {
      const { version, downgrade } = this.membership;
      return `${mayRun(parseVersion(server)!, version, downgrade)}`;
    },
  };

  run(line: string): string {
    return runCommand(this.commands, line);
  }

  private id(name: string): bigint {
    return this.ids.get(name) ?? 0xdeadn;
  }

  private initial(cluster: string, token: string): Member[] {
    const listed = parseInitialCluster(cluster);
    if (!listed.ok) throw new Error(listed.error);
    const members = initialMembers(listed.value, token, sha1);
    if (!members.ok) throw new Error(members.error);
    return members.value;
  }

  private bootstrap(cluster: string, token: string): string {
    const members = this.initial(cluster, token);
    for (const member of members) {
      this.ids.set(member.name, member.id);
      // The name comes with the member's own publication, not with the first log entries.
      this.change(ConfChangeType.AddNode, member.id, bootstrapContext({ ...member, name: "" }));
    }
    const id = clusterIdOf(
      members.map((member) => member.id),
      sha1,
    );
    return `cluster ${hexId(id)}`;
  }

  private match(configured: string, running: string): string {
    const local = this.initial(configured, "etcd-cluster");
    const remote = this.initial(running, "another");
    return parsedText(matchMembers(local, remote), (members) =>
      members.map((member) => `${member.name} ${hexId(member.id)}`).join("\n"),
    );
  }

  private change(type: 0 | 1 | 2 | 3, id: bigint, context?: Uint8Array): ChangeOutcome {
    return this.membership.apply(new ConfChange(1n, type, id, context));
  }

  private outcome(outcome: ChangeOutcome): string {
    return outcome.ok ? outcome.change.kind : errorText(outcome.error);
  }

  private add(name: string, peerUrls: string[], isLearner: boolean): string {
    const id = this.ids.get(name) ?? memberIdOf(peerUrls, "", sha1, 1700000000);
    this.ids.set(name, id);
    const type = isLearner ? ConfChangeType.AddLearnerNode : ConfChangeType.AddNode;
    const member = { id, name: "", peerUrls, clientUrls: [], isLearner };
    return this.outcome(this.change(type, id, changeContext(member, false)));
  }

  private promote(name: string): string {
    const id = this.id(name);
    const member = { id, name: "", peerUrls: [], clientUrls: [], isLearner: false };
    return this.outcome(this.change(ConfChangeType.AddNode, id, changeContext(member, true)));
  }

  private update(name: string, peerUrls: string[]): string {
    const id = this.id(name);
    const member = { id, name: "", peerUrls, clientUrls: [], isLearner: false };
    return this.outcome(this.change(ConfChangeType.UpdateNode, id, changeContext(member, false)));
  }

  private raw(type: number, id: bigint, context: string): string {
    if (type !== 0 && type !== 1 && type !== 2 && type !== 3) throw new Error("no such type");
    try {
      return this.outcome(this.change(type, id, Buffer.from(context)));
    } catch (error) {
      return `panic: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  private setVersion(text: string): string {
    this.membership.setVersion(parseVersion(text)!);
    return "";
  }

  private setDowngrade(target: string): string {
    const enabled = target !== "off";
    this.membership.setDowngrade({ enabled, target: enabled ? target : "" });
    return "";
  }

  private restore(): string {
    this.membership = new Membership(this.backend);
    this.membership.restore();
    return this.membership.describe();
  }

  /** Writes the v2 store and lets another member take it over. */
  private snapshot(): string {
    const data = encodeV2Store(this.membership.state());
    const state = decodeV2Store(data);
    if (state === undefined) return "unreadable";
    const other = new Membership(new MemoryCluster());
    other.replaceWith(state);
    const shortened = utf8Text(data).replace(/(null,)+null/, "…");
    return `${shortened}\n${other.describe()}`;
  }

  private setActive(name: string, since: string): string {
    if (since === "down") this.active.delete(this.id(name));
    else this.active.set(this.id(name), Number(since));
    return "";
  }

  private view(self: string, now: string): Connectivity {
    return { selfId: this.id(self), nowMs: Number(now), activeSince: (id) => this.active.get(id) };
  }

  private nextVersion(servers: string[]): string {
    const { version, downgrade } = this.membership;
    const next = nextClusterVersion(version, servers.map(versionOf), downgrade);
    return next === undefined ? "unchanged" : versionText(next);
  }

  private target(text: string): string {
    const outcome = downgradeTarget(text, this.membership.version, this.membership.downgrade);
    return outcome.ok ? versionText(outcome.target) : errorText(outcome.error);
  }
}

testScenarios(DATA, () => new Session());

test("reads the membership out of a snapshot that etcd 3.5.30 wrote", () => {
  const state = decodeV2Store(readFileSync(join(DATA, "v2-store-3.5.30.json")));
  expect(state).toEqual({
    members: [
      {
        id: 0x4f7188b814a18045n,
        name: "default",
        peerUrls: ["http://127.0.0.1:25001"],
        clientUrls: ["http://127.0.0.1:25000", "http://localhost:25000"],
        isLearner: false,
      },
    ],
    removed: [0x1b1e8c4fa8f8b8c4n],
    version: { major: 3, minor: 5, patch: 0 },
  });
});

test("refuses data that is no v2 store", () => {
  for (const text of [
    "",
    "{}",
    "[]",
    "null",
    '{"Root":1}',
    '{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"zz":{}}}}}}}}',
  ]) {
    const state = decodeV2Store(Buffer.from(text));
    expect(state).toBe(undefined);
  }
});
