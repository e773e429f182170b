// What a command works with: its arguments and flags, the streams, and a client, made when first asked for. Making the
// client is when the environment is read and the output format is checked: arguments are judged before that.

import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  type CallOptions,
  Client,
  type ClientConfig,
  type Connector,
  EtcdError,
  type UnaryMethod,
} from "#client";
import {
  applyEnvironment,
  CONFLICT_TEXT,
  envName,
  type FlagValues,
  formatValue,
  UNRECOGNIZED_TEXT,
} from "../flags/index.js";
import { type Output, type Printer, printerFor, type Streams } from "../print/index.js";
import { badArgs, ExitCode, ExitError, type Invocation } from "./command.js";
import type { LineReader } from "./line-reader.js";
import { logLine } from "./log-line.js";

/** The process around a command. */
export interface Host {
  readonly streams: Streams;
  readonly stdin: LineReader;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The whole command line, without node and the program. */
  readonly argv: readonly string[];
  /** For tests: another way to open connections. */
  readonly connector?: Connector;
}

const ENV_PREFIX = "ETCDCTL";
/** Read by `watch` itself. */
export const WATCH_KEY = "ETCDCTL_WATCH_KEY";
export const WATCH_RANGE_END = "ETCDCTL_WATCH_RANGE_END";

export class Context {
  readonly host: Host;
  readonly args: readonly string[];
  readonly flags: FlagValues;
  private readonly isWatch: boolean;
  private readonly clients: Client[] = [];
  private chosen: Printer | undefined;
  private prepared = false;

  constructor(host: Host, invocation: Invocation, commandName: string) {
    this.host = host;
    this.args = invocation.args;
    this.flags = invocation.flags;
    this.isWatch = commandName === "watch";
  }

  get streams(): Streams {
    return this.host.streams;
  }

  get printer(): Printer {
    this.prepare();
    if (this.chosen === undefined) throw new Error("no printer");
    return this.chosen;
  }

  /** Renders an answer now, for commands that give more than one. */
  print(output: Output): void {
    this.printer.print(output, this.streams);
  }

  /** Endpoints as given, after the environment. */
  get endpoints(): string[] {
    this.prepare();
    return this.flags.list("endpoints").map((endpoint) => endpoint.trim());
  }

  /** A client of all endpoints, or of `endpoints`; closed when the command ends. */
  client(endpoints?: readonly string[]): Client {
    this.prepare();
    const names = endpoints ?? this.endpoints;
    try {
      const client = new Client(this.config(names));
      this.clients.push(client);
      return client;
    } catch (error) {
      throw badArgs(error instanceof Error ? error.message : String(error));
    }
  }

  /** A call under the command timeout. */
  async call<I extends DescMessage, O extends DescMessage>(
    client: Client,
    method: UnaryMethod<I, O>,
    request: MessageShape<I> | Uint8Array,
  ): Promise<MessageShape<O>> {
    return client.call(method, request, this.timeout);
  }

  get timeout(): CallOptions {
    return { timeoutMs: this.flags.ms("command-timeout") };
  }

  close(): void {
    for (const client of this.clients) client.close();
  }

  private config(endpoints: readonly string[]): ClientConfig {
    const positive = (name: string): number | undefined => this.flags.number(name) || undefined;
    return {
      endpoints,
      dialTimeoutMs: this.flags.ms("dial-timeout"),
      keepaliveMs: this.flags.ms("keepalive-time"),
      keepaliveTimeoutMs: this.flags.ms("keepalive-timeout"),
      maxSendBytes: positive("max-request-bytes"),
      maxReceiveBytes: positive("max-recv-bytes"),
      connector: this.host.connector,
      onAttemptFailed: ({ endpoint, method, attempt, status }) => {
        const fields = { target: endpoints.join(","), peer: endpoint, method, attempt, error: status };
        this.streams.err(logLine("warn", "retrying of unary invoker failed", fields));
      },
    };
  }

  /** Environment, debug dump, refusals and the printer: once. */
  private prepare(): void {
    if (this.prepared) return;
    this.prepared = true;
    this.applyEnvironment();
    if (this.flags.bool("debug")) this.dumpFlags();
    this.refuseUnsupported();
    this.chosen = printerFor(this.flags.text("write-out"), this.flags.bool("hex"));
    if (this.chosen === undefined) throw new ExitError(ExitCode.BadFeature, "unsupported output format");
  }

  private applyEnvironment(): void {
    const known = this.isWatch ? [WATCH_KEY, WATCH_RANGE_END] : [];
    const report = applyEnvironment(this.flags, ENV_PREFIX, this.host.env, known);
    for (const variable of report.unrecognized) {
      this.streams.err(logLine("warn", UNRECOGNIZED_TEXT, { "environment-variable": variable }));
    }
    if (report.conflict !== undefined) {
      this.streams.err(logLine("fatal", CONFLICT_TEXT, { "environment-variable": report.conflict }));
      throw new ExitError(ExitCode.Error);
    }
  }

  private dumpFlags(): void {
    const flags = this.flags.flags.filter((flag) => flag.name !== "help");
    for (const flag of flags.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      this.streams.err(`${envName(ENV_PREFIX, flag)}=${formatValue(flag, this.flags.value(flag.name))}\n`);
    }
  }

  /** Options that need functions this client does not have: saying so beats connecting in the clear. */
  private refuseUnsupported(): void {
    for (const name of ["cert", "key", "cacert"]) {
      if (this.flags.has(name) && this.flags.text(name) === "")
        throw badArgs(`empty string is passed to --${name} option`);
    }
    const unsupported = ["cert", "key", "cacert", "user", "password", "auth-jwt-token", "discovery-srv"];
    const asked = unsupported.find((name) => this.flags.text(name) !== "");
    if (asked !== undefined) throw badArgs(`--${asked} is not supported by this version`);
    if (!this.flags.bool("insecure-transport"))
      throw badArgs("--insecure-transport=false is not supported by this version");
  }
}

/** Turns a failed call into an exit with `code`, its text behind `prefix`. */
export async function exitOnFailure<T>(
  code: number,
  call: Promise<T>,
  text: (message: string) => string = (message) => message,
): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    throw new ExitError(code, text(error.message));
  }
}
