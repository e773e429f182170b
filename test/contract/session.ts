// Runs the commands of one case against a member and collects what it answers, one line an answer. Every case starts
// with no keys, no leases and no alarms; streams opened by a case are cut at its end, and what they received without
// being asked for is part of the output, so that a superfluous message fails the case.

import { type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
import { status as StatusNames } from "@grpc/grpc-js";
import { Cluster, KV, Lease, Maintenance } from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import {
  BidiStream,
  type Failure,
  findBidi,
  findMethod,
  findServerStream,
  methodPath,
  type Outcome,
  type ReadStream,
  type TestCallOptions,
  type TestClient,
} from "../support/index.js";
import { buildMessage, Names, printMessage } from "../support/messages.js";
import { parsePrefix, parseValue, quote, textEntries, type Value } from "../support/notation.js";
import { describeSnapshot } from "./snapshot-probe.js";
import { http2Request, httpRequest, tcpExchange } from "./wire-probes.js";

const EVERYTHING = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
const SILENCE_MS = 120;

export interface SessionOptions {
  endpoint: string;
  /** Absolute revisions, and no clearing of the store. */
  absolute: boolean;
}

interface OpenStream {
  readonly stream: ReadStream<unknown>;
  readonly method: DescMethod;
  readonly hasDeadline: boolean;
}

export class Session {
  readonly #client: TestClient;
  readonly #endpoint: string;
  readonly #names = new Names();
  readonly #streams = new Map<string, OpenStream>();
  readonly #output: string[] = [];

  private constructor(client: TestClient, endpoint: string) {
    this.#client = client;
    this.#endpoint = endpoint;
  }

  static async begin(client: TestClient, options: SessionOptions): Promise<Session> {
    const session = new Session(client, options.endpoint);
    await session.#prepare(options);
    return session;
  }

  async #prepare(options: SessionOptions): Promise<void> {
    const client = this.#client;
    if (!options.absolute) await clear(client);
    const { header, version } = await client.must(Maintenance.method.status, {});
    this.#names.base = options.absolute ? 0n : header!.revision;
    this.#names.memberId = header!.memberId;
    this.#names.clusterId = header!.clusterId;
    this.#names.raftTerm = header!.raftTerm;
    this.#names.texts.set(`http://${options.endpoint}`, "client-url");
    this.#names.texts.set(version, "server-version");
    const { members } = await client.must(Cluster.method.memberList, {});
    for (const { peerURLs } of members) this.#names.texts.set(peerURLs[0], "peer-url");
  }

  /** Runs all commands; the output is complete when this resolves. */
  async run(commands: readonly string[]): Promise<string[]> {
    try {
      for (const command of commands) await this.#command(command);
      for (const [name, { stream }] of this.#streams) {
        if (stream.waiting > 0) this.#output.push(`${name}: ${stream.waiting} left unread`);
      }
    } finally {
      for (const { stream } of this.#streams.values()) stream.cancel();
    }
    return this.#output;
  }

  async #command(line: string): Promise<void> {
    const [verb, rest] = cut(line);
    switch (verb) {
      case "setup":
        return this.#setup(rest);
      case "churn":
        return this.#churn(rest);
      case "fill":
        return this.#fill(rest);
      case "open":
        return this.#open(rest);
      case "watch":
        return this.#watch(rest);
      case "keepalive":
        return this.#keepAlive(rest);
      case "send":
        return this.#send(rest);
      case "recv":
        return this.#receive(rest);
      case "unordered":
        return this.#receiveUnordered(rest);
      case "quiet":
        return this.#quiet(rest);
      case "halfclose":
        return this.#bidi(rest).halfClose();
      case "drop":
        this.#stream(rest).cancel();
        this.#streams.delete(rest);
        return;
      case "stream":
        return this.#serverStream(rest);
      case "raw":
        return this.#raw(rest);
      case "sleep":
        return sleep(Number(rest));
      case "gone":
        return this.#gone(rest);
      case "together":
        return this.#together(rest);
      case "snapshot":
        this.#output.push(await describeSnapshot(this.#client));
        return;
      case "http":
        this.#output.push(await httpRequest(this.#endpoint, rest, this.#names.texts));
        return;
      case "h2":
        this.#output.push(await http2Request(this.#endpoint, parseValue(rest)));
        return;
      case "tcp":
        this.#output.push(await tcpExchange(this.#endpoint, textOf(parseValue(rest))));
        return;
      default:
        this.#output.push(await this.#call(verb, rest));
    }
  }

  // ---- unary calls

  /** `Service.Method {request} with {metadata}`; `timeout_ms` among the metadata is the deadline of the client. */
  async #call(name: string, rest: string): Promise<string> {
    const method = findMethod(name);
    const { request, options } = this.#request(method, rest);
    const bytes = toBinary(method.input, request);
    return this.#print(method, await this.#client.unaryBytes(methodPath(method), bytes, options));
  }

  #request(method: DescMethod, text: string) {
    const { value, rest } = parsePrefix(text === "" ? "{}" : text);
    const request = buildMessage(method.input, value, this.#names);
    return { request, options: rest.startsWith("with ") ? callOptions(parseValue(rest.slice(5))) : {} };
  }

  #print(method: DescMethod, outcome: Outcome<Uint8Array>): string {
    if (!("response" in outcome)) return printFailure(outcome);
    return `ok ${printMessage(method.output, decode(method, outcome.response), this.#names)}`;
  }

  /** `Service/Method hex bytes of the message`. */
  async #raw(rest: string): Promise<void> {
    const [name, hex] = cut(rest);
    const method = findMethod(name);
    const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
    this.#output.push(this.#print(method, await this.#client.unaryBytes(methodPath(method), bytes)));
  }

  /** `call; call; ...` sent at once; nothing is promised about their order, so the answers are printed sorted. */
  async #together(rest: string): Promise<void> {
    const calls = rest.split(";").map((call) => cut(call.trim()));
    const answers = await Promise.all(calls.map(([name, request]) => this.#call(name, request)));
    this.#output.push(...answers.sort());
  }

  // ---- shorthands for what a case needs and does not examine

  /** `a=1 b=2`: puts, in this order. */
  async #setup(rest: string): Promise<void> {
    for (const word of rest.split(" ")) {
      const [key, value] = word.split("=");
      await this.#client.must(KV.method.put, { key: Buffer.from(key), value: Buffer.from(value ?? "") });
    }
  }

  /** `prefix count [bytes of value]`: puts prefix00000 ..., 100 in a transaction. */
  async #fill(rest: string): Promise<void> {
    const [prefix, count, size] = rest.split(" ");
    const value = Buffer.alloc(Number(size ?? 1), "v");
    for (let first = 0; first < Number(count); first += 100) {
      const length = Math.min(100, Number(count) - first);
      const success = Array.from({ length }, (_, i) => ({
        request: {
          case: "requestPut" as const,
          value: { key: Buffer.from(prefix + String(first + i).padStart(5, "0")), value },
        },
      }));
      await this.#client.must(KV.method.txn, { success });
    }
  }

  /** `key count`: puts the key so often, one after the other. */
  async #churn(rest: string): Promise<void> {
    const [key, count] = rest.split(" ");
    for (let i = 1; i <= Number(count); i++) {
      await this.#client.must(KV.method.put, { key: Buffer.from(key), value: Buffer.from(String(i)) });
    }
  }

  /** `key milliseconds`: waits until the key is not there any more. */
  async #gone(rest: string): Promise<void> {
    const [key, limit] = rest.split(" ");
    const end = Date.now() + Number(limit);
    while (Date.now() < end) {
      const { count } = await this.#client.must(KV.method.range, { key: Buffer.from(key), countOnly: true });
      if (count === 0n) {
        this.#output.push(`${key} is gone`);
        return;
      }
      await sleep(50);
    }
    this.#output.push(`${key} is still there after ${limit} ms`);
  }

  // ---- streams

  /** `name Service.Method`: opens a stream in both directions and sends nothing. */
  #open(rest: string): void {
    const [name, after] = cut(rest);
    const [methodName, withOptions] = cut(after);
    const method = findBidi(methodName);
    const options = withOptions.startsWith("with ") ? callOptions(parseValue(withOptions.slice(5))) : {};
    const hasDeadline = options.timeoutMs !== undefined;
    this.#streams.set(name, { stream: this.#client.bidi(method, options), method, hasDeadline });
  }

  /** `name {create request}`: on the watch stream of that name, opened when it is not. */
  #watch(rest: string): void {
    const [name, create] = cut(rest);
    if (!this.#streams.has(name)) this.#open(`${name} Watch.Watch`);
    this.#send(`${name} {create_request: ${create}}`);
  }

  #keepAlive(rest: string): void {
    const [name] = cut(rest);
    if (!this.#streams.has(name)) this.#open(`${name} Lease.LeaseKeepAlive`);
    this.#send(rest);
  }

  #send(rest: string): void {
    const [name, text] = cut(rest);
    const { method } = this.#known(name);
    this.#bidi(name).send(buildMessage(method.input, parseValue(text), this.#names));
  }

  /** `name [count] [milliseconds]` */
  async #receive(rest: string): Promise<void> {
    const [name, count, limit] = rest.split(" ");
    const { stream, method, hasDeadline } = this.#known(name);
    for (let i = 0; i < Number(count ?? 1); i++) {
      const item = await stream.next(Number(limit ?? 5000));
      if (item === undefined) this.#output.push(`${name}: nothing`);
      else if ("status" in item) {
        this.#output.push(
          `${name}: end ${printFailure(hasDeadline ? atDeadline(item.status) : item.status)}`,
        );
      } else {
        const message = item.message as ReturnType<typeof decode>;
        this.#output.push(`${name}: ${printMessage(method.output, message, this.#names)}`);
      }
    }
  }

  /** As `recv`, for messages whose order is not promised: printed sorted. */
  async #receiveUnordered(rest: string): Promise<void> {
    const before = this.#output.length;
    await this.#receive(rest);
    this.#output.push(...this.#output.splice(before).sort());
  }

  async #quiet(rest: string): Promise<void> {
    const [name, time] = rest.split(" ");
    const stream = this.#stream(name);
    await sleep(Number(time ?? SILENCE_MS));
    if (stream.waiting > 0) this.#output.push(`${name} is not quiet`);
    else this.#output.push(`${name} is quiet`);
  }

  /** `Service.Method {request}`: all messages, then the status. */
  async #serverStream(rest: string): Promise<void> {
    const [name, after] = cut(rest);
    const method = findServerStream(name);
    const { request, options } = this.#request(method, after);
    const { messages, status } = await this.#client.serverStream(method, request, options).all();
    for (const message of messages)
      this.#output.push(`message ${printMessage(method.output, message, this.#names)}`);
    this.#output.push(`end ${printFailure(status)}`);
  }

  #known(name: string) {
    const known = this.#streams.get(name);
    if (known === undefined) throw new Error(`no stream ${name}`);
    return known;
  }

  #stream(name: string): ReadStream<unknown> {
    return this.#known(name).stream;
  }

  #bidi(name: string): BidiStream<unknown, unknown> {
    const stream = this.#stream(name);
    if (!(stream instanceof BidiStream)) throw new Error(`${name} only receives`);
    return stream;
  }
}

/** Leaves the store with no keys, no leases and no alarms. */
async function clear(client: TestClient): Promise<void> {
  const { alarms } = await client.must(Maintenance.method.alarm, { action: 0 });
  for (const { memberID, alarm } of alarms) {
    await client.must(Maintenance.method.alarm, { action: 2, memberID, alarm });
  }
  const { leases } = await client.must(Lease.method.leaseLeases, {});
  for (const { ID } of leases) await client.unary(Lease.method.leaseRevoke, { ID });
  await client.must(KV.method.deleteRange, EVERYTHING);
}

function decode(method: DescMethod, bytes: Uint8Array) {
  return fromBinary(method.output, bytes);
}

export function printFailure({ code, message }: Failure): string {
  if (code === 0) return "OK";
  const name = camel(StatusNames[code] ?? String(code));
  if (DEADLINE.test(message)) return `${name} (whoever noticed it first)`;
  return `${name} ${quote(message.replace(UNMARSHAL, "$1: ..."))}`;
}

/** A server whose own deadline passes first may reset the stream; grpc-js then says that the call was cancelled. */
function atDeadline(status: Failure): Failure {
  const isReset = status.message === "Call cancelled";
  return isReset ? { code: StatusNames.DEADLINE_EXCEEDED, message: "context deadline exceeded" } : status;
}

/** In the words of grpc-js, or of the server when it was quicker. */
const DEADLINE = /^(?:Deadline exceeded after|context deadline exceeded$)/;

/** What follows is the protobuf library's own text, which differs between libraries and even between its runs. */
const UNMARSHAL = /^(grpc: (?:error unmarshalling request|failed to unmarshal the received message)): .*/s;

/** INVALID_ARGUMENT -> InvalidArgument, as the codes are called everywhere else. */
function camel(name: string): string {
  return name.toLowerCase().replace(/(^|_)(\w)/g, (_, __, letter: string) => letter.toUpperCase());
}

function callOptions(value: Value): TestCallOptions {
  const metadata = Object.fromEntries(textEntries(value));
  const { timeout_ms: timeout, ...rest } = metadata;
  return timeout === undefined ? { metadata: rest } : { metadata: rest, timeoutMs: Number(timeout) };
}

function textOf(value: Value): string {
  if (value.kind !== "text") throw new Error("a text is needed");
  return value.text;
}

function cut(line: string): [string, string] {
  const space = line.indexOf(" ");
  return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1).trim()];
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
