// Every field of every request unset, out of its enum, negative and huge, and bytes that are no request: the member
// answers, with what the reference answers where it has the method, and goes on. See extremes.ts for the requests.

import { create, fromBinary, isMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SeededRandom } from "#base";
import {
  Cluster,
  KV,
  Lease,
  Maintenance,
  WatchResponseSchema,
} from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import { Health } from "../../src/proto/gen/grpc/health/v1/health_pb.js";
import {
  findMethod,
  methodPath,
  newMember,
  type Outcome,
  requireReference,
  type Target,
  type TargetName,
  TestClient,
} from "../support/index.js";
import { Names, printMessage } from "../support/messages.js";
import { printAnswer } from "./comparison.js";
import { combinedExtremes, damagedBytes, type Extreme, singleExtremes } from "./extremes.js";

const SEED = Number(process.env.DIFF_SEED ?? 1);
const COMBINED = 150;
const TIMEOUT_MS = 120_000;
const SHOWN = Number(process.env.DIFF_SHOWN ?? 10);
/** Above this a request leaves so much behind that the next ones would take long. */
const LARGE = 10_000;
/** Streams under test at once, and how long they may be silent, first and later, before that is all they have to say. */
const STREAMS = 50;
const FIRST_MS = 2000;
const SILENCE_MS = 400;
/** Streams that end by themselves are waited for. */
const END_MS = 20_000;
const ENDING = /^(KV\.RangeStream|Maintenance\.Snapshot)$/;

/** Unary methods, in an order in which the later ones do not disturb the earlier ones. */
const UNARY = [
  "Lease.LeaseGrant",
  "Lease.LeaseRevoke",
  "Lease.LeaseTimeToLive",
  "Lease.LeaseLeases",
  "Cluster.MemberList",
  "Health.Check",
  "Health.List",
  "Maintenance.Status",
  "Maintenance.HashKV",
  "Maintenance.Hash",
  "Maintenance.Defragment",
  "KV.Range",
  "KV.Put",
  "KV.DeleteRange",
  "KV.Txn",
  "KV.Compact",
  "Maintenance.Alarm",
];
const STREAMING = [
  "Watch.Watch",
  "Lease.LeaseKeepAlive",
  "KV.RangeStream",
  "Health.Watch",
  "Maintenance.Snapshot",
  "ReflectionV1.ServerReflectionInfo",
  "ReflectionV1Alpha.ServerReflectionInfo",
];

/** Methods that the reference does not have, or answers in its own way: that an answer comes is all that is asked. */
const OURS_ALONE = /^(KV\.RangeStream|Health\.List|Health\.Watch|Reflection)/;
/** Of these only success and failure are compared: the answer tells of versions, sizes, or files. */
const CONTENT_DIFFERS = /^Maintenance\.(Status|Hash|Defragment|Snapshot)$/;

/** No answer, or one that says that the handler broke. */
const BROKEN = /^$|^error (2|13|14|4) (?!grpc: (error unm|failed to unm)arshal|etcdserver: unknown method)/;
/** What 3.5 is known to answer differently, or does not survive: the reference is not asked. */
const NOT_FOR_REFERENCE: readonly { reason: string; method: RegExp; what: RegExp }[] = [
  {
    reason: "3.5 does not check the enums of a sort; an unknown target ends it",
    method: /^KV\.(Range|Txn)$/,
    what: /sort_(order|target)=(-1|99|2147483647|-2147483648)/,
  },
  {
    reason: "3.5 refuses a field of another wire type, 3.7 passes over it",
    method: /^(KV\.Txn|Watch\.Watch)$/,
    what: /^(success|failure|create_request) as two bytes$/,
  },
  {
    reason: "an unknown action or type ends 3.5",
    method: /^Maintenance\.Alarm$/,
    what: /(action|alarm)=(-1|99|2147483647|-2147483648)|^action as the largest varint/,
  },
];

/** Both refuse the request, each for another of its faults. */
const OTHER_FAULT_FIRST: readonly { reason: string; method: RegExp; ours: RegExp; reference: RegExp }[] = [
  {
    reason:
      "of several faults 3.7 names the first in order, 3.5 a put's before a range's (docs/differences.md)",
    method: /^KV\.Txn$/,
    ours: /^error 11 etcdserver: mvcc: required revision/,
    reference: /^error 5 etcdserver: requested lease not found$/,
  },
];

class Side {
  readonly name: TargetName;
  readonly #member: Target;
  readonly client: TestClient;
  readonly names = new Names();

  private constructor(member: Target, client: TestClient) {
    this.name = member.name;
    this.#member = member;
    this.client = client;
  }

  static async start(name: TargetName): Promise<Side> {
    const member = newMember(name);
    await member.start();
    const client = new TestClient(member.endpoint);
    await client.ready();
    const side = new Side(member, client);
    const { header } = await client.must(Maintenance.method.status, {});
    side.names.memberId = header!.memberId;
    side.names.clusterId = header!.clusterId;
    side.names.raftTerm = header!.raftTerm;
    const { members } = await client.must(Cluster.method.memberList, {});
    for (const { peerURLs, clientURLs } of members) {
      side.names.texts.set(peerURLs[0], "peer-url");
      side.names.texts.set(clientURLs[0], "client-url");
    }
    return side;
  }

  async unary(method: string, bytes: Uint8Array): Promise<string> {
    const outcome = await this.client.unaryBytes(methodPath(findMethod(method)), bytes);
    await this.#tidy(method, outcome);
    if ("response" in outcome && CONTENT_DIFFERS.test(method)) return "ok";
    return normal(printAnswer({ method, bytes, write: true, unordered: true }, outcome, this.names));
  }

  /** What a request has left behind, for the next one to find things as they were. */
  async #tidy(method: string, outcome: Outcome<Uint8Array>): Promise<void> {
    if (!("response" in outcome)) return;
    const { client } = this;
    if (method === "Lease.LeaseGrant") {
      const { ID } = fromBinary(Lease.method.leaseGrant.output, outcome.response);
      await client.unary(Lease.method.leaseRevoke, { ID });
    } else if (method === "Maintenance.Alarm") {
      const { alarms } = await client.must(Maintenance.method.alarm, { action: 0 });
      for (const { memberID, alarm } of alarms)
        await client.must(Maintenance.method.alarm, { action: 2, memberID, alarm });
    }
  }

  /** Writes the one key that there should be. @returns the revision, one more than before */
  async put(): Promise<bigint> {
    const { header } = await this.client.must(KV.method.put, {
      key: Buffer.from("a"),
      value: Buffer.from("1"),
    });
    return header!.revision;
  }

  async deleteAll(): Promise<void> {
    await this.client.must(KV.method.deleteRange, { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) });
  }

  /** What a stream says to one message, until it is silent or ends. */
  async stream(name: string, bytes: Uint8Array): Promise<string> {
    const method = findMethod(name);
    const stream = this.client.streamBytes(methodPath(method));
    stream.send(bytes);
    if (method.methodKind === "server_streaming") stream.halfClose();
    const messages: Message[] = [];
    let end = "";
    for (;;) {
      const item = await stream.next(
        ENDING.test(name) ? END_MS : messages.length === 0 ? FIRST_MS : SILENCE_MS,
      );
      if (item === undefined) break;
      if ("status" in item) {
        end = normal(`error ${item.status.code} ${item.status.message}`);
        break;
      }
      if (!CONTENT_DIFFERS.test(name)) messages.push(fromBinary(method.output, item.message));
    }
    stream.cancel();
    const said = joinHistory(messages).map((message) => printMessage(method.output, message, this.names));
    return (end === "" ? said : [...said, end]).join("; ");
  }

  async destroy(): Promise<void> {
    this.client.close();
    await this.#member.destroy();
  }
}

/** Ours cuts history into responses by bytes too (docs/differences.md): neighbours that differ in nothing but their events
 *  become one. */
function joinHistory(messages: readonly Message[]): Message[] {
  const joined: Message[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    const continues =
      isMessage(message, WatchResponseSchema) &&
      isMessage(last, WatchResponseSchema) &&
      message.watchId === last.watchId &&
      message.header?.revision === last.header?.revision &&
      !message.fragment &&
      !last.fragment &&
      message.events.length > 0 &&
      last.events.length > 0;
    if (continues) last.events.push(...message.events);
    else joined.push(message);
  }
  return joined;
}

/** Without the protobuf library's own text, and without the numbers of ids that a server chose. */
function normal(line: string): string {
  return line
    .replace(
      /^(error 13 grpc: (error unmarshalling request|failed to unmarshal the received message)): .*/s,
      "$1",
    )
    .replace(/\blease#\d+/g, "lease");
}

function requestsOf(method: string): Extreme[] {
  const { input } = findMethod(method);
  const combined = combinedExtremes(input, COMBINED, new SeededRandom(SEED));
  return [...singleExtremes(input), ...combined, ...damagedBytes(input)];
}

describe("bad input", () => {
  let ours: Side;
  let reference: Side | undefined;

  beforeAll(async () => {
    ours = await Side.start("process");
    if (requireReference()) reference = await Side.start("reference");
    await fill();
  }, 60_000);
  afterAll(async () => {
    await ours?.destroy();
    await reference?.destroy();
  });

  /** One key on each side, at the same revision: a request that the reference was not asked may have written. */
  async function fill(): Promise<void> {
    let mine = await ours.put();
    if (reference !== undefined) {
      let theirs = await reference.put();
      while (mine < theirs) mine = await ours.put();
      while (theirs < mine) theirs = await reference.put();
    }
    for (const side of [ours, reference]) {
      await side?.deleteAll();
      await side?.put();
    }
  }

  /** What is wrong with an answer; nothing, most of the time. */
  function complaints(
    method: string,
    { what }: Extreme,
    mine: string,
    wanted: string | undefined,
  ): readonly string[] {
    if (wanted === undefined) return BROKEN.test(mine) ? [`${method} ${what}\n  ours: ${mine}`] : [];
    if (mine === wanted) return [];
    const isKnown = OTHER_FAULT_FIRST.some(
      (row) => row.method.test(method) && row.ours.test(mine) && row.reference.test(wanted),
    );
    return isKnown ? [] : [`${method} ${what}\n  ours:   ${mine}\n  wanted: ${wanted}`];
  }

  /** Who tells what the answer should be: the reference, or this member's own answer to an empty message. */
  function expectation(
    method: string,
    extreme: Extreme,
    ask: (side: Side, bytes: Uint8Array) => Promise<string>,
  ): Promise<string> | undefined {
    if (extreme.isEmpty === true) return ask(ours, new Uint8Array(0));
    if (reference === undefined || OURS_ALONE.test(method)) return undefined;
    const isLeftOut = NOT_FOR_REFERENCE.some((row) => row.method.test(method) && row.what.test(extreme.what));
    return isLeftOut ? undefined : ask(reference, extreme.bytes);
  }

  function report(differences: readonly string[]): void {
    const more = differences.length - SHOWN;
    const shown = differences.slice(0, SHOWN).join("\n");
    expect(more > 0 ? `${shown}\n... and ${more} more` : shown).toBe("");
  }

  test.each(UNARY)(
    "%s",
    async (method) => {
      const all: string[] = [];
      for (const extreme of requestsOf(method)) {
        const mine = await ours.unary(method, extreme.bytes);
        const wanted = await expectation(method, extreme, (side, bytes) => side.unary(method, bytes));
        all.push(...complaints(method, extreme, mine, wanted));
        if (method.startsWith("KV.") && (wanted === undefined || extreme.bytes.length > LARGE)) await fill();
      }
      report(all);
    },
    TIMEOUT_MS,
  );

  test.each(STREAMING)(
    "%s",
    async (method) => {
      const all: string[] = [];
      const requests = requestsOf(method);
      const ask = async (extreme: Extreme): Promise<readonly string[]> => {
        const [mine, wanted] = await Promise.all([
          ours.stream(method, extreme.bytes),
          expectation(method, extreme, (side, bytes) => side.stream(method, bytes)),
        ]);
        return complaints(method, extreme, mine, wanted);
      };
      for (let first = 0; first < requests.length; first += STREAMS) {
        const answers = await Promise.all(requests.slice(first, first + STREAMS).map(ask));
        all.push(...answers.flat());
      }
      report(all);
    },
    TIMEOUT_MS,
  );

  test("the member goes on", async () => {
    const request = create(Health.method.check.input, {});
    expect(await ours.unary("Health.Check", toBinary(Health.method.check.input, request))).toBe(
      "{status: SERVING}",
    );
  });
});
