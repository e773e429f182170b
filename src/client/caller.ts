// One call: pick a connection, send, and decide after a failure whether to try again.
//
// Reads may always be tried again while the failure is Unavailable. Writes must happen at most once: they are tried again
// only when the request certainly did not reach a server (the connection was gone before it was written, or the server
// says it has not looked at it). Waiting for a connection is no try at all, so it is safe for both.

import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { StatusCode } from "#proto";
import { Balancer, type Pick } from "./balancer.js";
import type { CallOptions, ResolvedConfig } from "./config.js";
import { canceled, deadlineExceeded, EtcdError, errorOf, statusText } from "./errors.js";
import { CallFailure, type CallSettings, type ClientStream, type StreamObserver } from "./transport.js";

/** What servers count clients by. */
const API_VERSION = "3.7";
const METADATA: Readonly<Record<string, string>> = { "client-api-version": API_VERSION };
const METADATA_LEADER: Readonly<Record<string, string>> = { ...METADATA, hasleader: "true" };

/** Calls that change nothing, or nothing that a repetition makes worse (a lease granted twice expires by itself). */
const REPEATABLE: ReadonlySet<string> = new Set([
  "/etcdserverpb.KV/Range",
  "/etcdserverpb.KV/RangeStream",
  "/etcdserverpb.Lease/LeaseGrant",
  "/etcdserverpb.Lease/LeaseRevoke",
  "/etcdserverpb.Lease/LeaseTimeToLive",
  "/etcdserverpb.Lease/LeaseLeases",
  "/etcdserverpb.Lease/LeaseKeepAlive",
  "/etcdserverpb.Watch/Watch",
  "/etcdserverpb.Cluster/MemberList",
  "/etcdserverpb.Maintenance/Alarm",
  "/etcdserverpb.Maintenance/Status",
  "/etcdserverpb.Maintenance/Hash",
  "/etcdserverpb.Maintenance/HashKV",
  "/etcdserverpb.Maintenance/Snapshot",
  "/etcdserverpb.Maintenance/MoveLeader",
]);

export type UnaryMethod<I extends DescMessage, O extends DescMessage> = DescMethod & {
  readonly methodKind: "unary";
  readonly input: I;
  readonly output: O;
};

/** The path of a method, as it stands in the HTTP/2 request. */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

export class Caller {
  readonly config: ResolvedConfig;
  readonly balancer: Balancer;

  constructor(config: ResolvedConfig) {
    this.config = config;
    this.balancer = new Balancer(config);
  }

  /** A unary call in the generated messages; `request` may be encoded already. */
  async call<I extends DescMessage, O extends DescMessage>(
    method: UnaryMethod<I, O>,
    request: MessageShape<I> | Uint8Array,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const bytes = request instanceof Uint8Array ? request : toBinary(method.input, request);
    const response = await this.unary(pathOf(method), bytes, options);
    return fromBinary(method.output, response);
  }

  /**
   * A unary call in bytes.
   * @throws EtcdError
   */
  async unary(path: string, request: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    const timeoutMs = options.timeoutMs ?? this.config.callTimeoutMs;
    const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
    for (let attempt = 0; ; attempt++) {
      if (attempt > 0) await this.pause(attempt, deadline, options.signal);
      const pick =
        this.balancer.readyPick(options.endpoint) ?? (await this.pick(path, attempt, deadline, options));
      try {
        return await pick.connection.unary(path, request, settingsOf(deadline, options));
      } catch (error) {
        if (!(error instanceof CallFailure)) throw error;
        this.report(path, pick.endpoint, attempt, statusText(error.code, error.detail));
        if (options.signal?.aborted) throw canceled();
        if (
          deadline !== undefined &&
          error.code === StatusCode.DeadlineExceeded &&
          performance.now() >= deadline
        ) {
          throw deadlineExceeded();
        }
        if (attempt + 1 >= this.config.maxUnaryRetries || !mayRetry(path, error)) throw errorOf(error);
      }
    }
  }

  /** Opens a stream on some connection. Streams are never retried here: their owners know how to go on. */
  async stream(path: string, observer: StreamObserver, options: CallOptions = {}): Promise<ClientStream> {
    const deadline = options.timeoutMs === undefined ? undefined : performance.now() + options.timeoutMs;
    const pick = await this.pick(path, 0, deadline, options);
    try {
      return await pick.connection.stream(path, settingsOf(deadline, options), observer);
    } catch (error) {
      throw error instanceof CallFailure ? errorOf(error) : error;
    }
  }

  /** A call with one request and a stream of responses, which the caller takes at its own pace. */
  async *serverStream(
    path: string,
    request: Uint8Array,
    options: CallOptions = {},
  ): AsyncGenerator<Uint8Array, void> {
    const inbox = new StreamInbox();
    const stream = await this.stream(path, inbox, options);
    inbox.attach(stream);
    try {
      stream.send(request);
      stream.halfClose();
      for (;;) {
        const message = await inbox.take();
        if (message === undefined) return;
        yield message;
      }
    } finally {
      if (!inbox.ended) stream.cancel();
    }
  }

  close(): void {
    this.balancer.close();
  }

  private async pick(
    path: string,
    attempt: number,
    deadline: number | undefined,
    options: CallOptions,
  ): Promise<Pick> {
    try {
      const left = deadline === undefined ? undefined : deadline - performance.now();
      return await this.balancer.pick(options.endpoint, left, options.signal);
    } catch (error) {
      const cause = this.balancer.lastFailure;
      if (error instanceof EtcdError && cause !== undefined) {
        const detail = `latest balancer error: ${cause.detail}`;
        this.report(path, "", attempt, statusText(error.code, detail));
      }
      throw error;
    }
  }

  /** Between rounds over a majority of the endpoints there is a pause; within a round the next endpoint is tried at once. */
  private async pause(
    attempt: number,
    deadline: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const majority = Math.floor(this.config.endpoints.length / 2) + 1;
    if (attempt % majority !== 0) return;
    const { backoffWaitMs, backoffJitter } = this.config;
    await new Promise((resolve) =>
      setTimeout(resolve, backoffWaitMs * (1 + backoffJitter * (Math.random() * 2 - 1))),
    );
    if (signal?.aborted) throw canceled();
    if (deadline !== undefined && performance.now() >= deadline) throw deadlineExceeded();
  }

  private report(method: string, endpoint: string, attempt: number, status: string): void {
    this.config.onAttemptFailed({ method, endpoint, attempt, status });
  }
}

function mayRetry(path: string, failure: CallFailure): boolean {
  if (failure.code !== StatusCode.Unavailable) return false;
  return failure.notSent || REPEATABLE.has(path);
}

function settingsOf(deadline: number | undefined, options: CallOptions): CallSettings {
  return {
    metadata: options.requireLeader === true ? METADATA_LEADER : METADATA,
    timeoutMs: deadline === undefined ? undefined : Math.max(1, deadline - performance.now()),
    signal: options.signal,
  };
}

/** Messages held for a reader before the stream is paused. */
const INBOX_MAX = 16;

/** Turns a stream's callbacks into messages to be taken one by one. */
class StreamInbox implements StreamObserver {
  private readonly messages: Uint8Array[] = [];
  private wake: (() => void) | undefined;
  private failure: CallFailure | undefined;
  private stream: ClientStream | undefined;
  private paused = false;
  ended = false;

  attach(stream: ClientStream): void {
    this.stream = stream;
  }

  onMessage(message: Uint8Array): void {
    this.messages.push(message);
    if (this.messages.length >= INBOX_MAX && !this.paused) {
      this.paused = true;
      this.stream?.pause();
    }
    this.wake?.();
  }

  onEnd(failure: CallFailure | undefined): void {
    this.ended = true;
    this.failure = failure;
    this.wake?.();
  }

  /** The next message, or undefined at the end. Throws what the stream failed with. */
  async take(): Promise<Uint8Array | undefined> {
    while (this.messages.length === 0) {
      if (this.ended) {
        if (this.failure !== undefined) throw errorOf(this.failure);
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.wake = undefined;
    }
    const message = this.messages.shift();
    if (this.paused && this.messages.length === 0) {
      this.paused = false;
      this.stream?.resume();
    }
    return message;
  }
}
