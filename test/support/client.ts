// The tests' own client: grpc-js for the transport, generated messages for the bytes. It shares nothing with src/rpc and
// src/client, because it is what tests them. Calls never throw on a gRPC error: the outcome is a response or a code and
// a text. Streams are read one message at a time, each read with a deadline, so a silent server fails a test and does
// not hang it.

import {
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type CallOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";

export type Failure = { readonly code: number; readonly message: string };
export type Outcome<T> = { readonly response: T } | Failure;

export interface TestCallOptions {
  metadata?: Readonly<Record<string, string>>;
  /** The client gives up after this long; the default is generous. */
  timeoutMs?: number;
}

type Bytes = Uint8Array;
const DEFAULT_TIMEOUT_MS = 20_000;
const copy = (bytes: Bytes): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const same = (bytes: Buffer): Buffer => bytes;

/** The path of a method on the wire, as in `/etcdserverpb.KV/Range`. */
export function methodPath(method: { parent: { typeName: string }; name: string }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

export class TestClient {
  readonly #client: Client;

  constructor(endpoint: string) {
    this.#client = new Client(endpoint, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.enable_retries": 0,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 200,
    });
  }

  /** Waits until the connection stands. */
  ready(timeoutMs = 10_000): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeoutMs, (error) => (error ? reject(error) : resolve()));
    });
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: TestCallOptions = {},
  ): Promise<Outcome<MessageShape<O>>> {
    const bytes = toBinary(method.input, create(method.input, request));
    const outcome = await this.unaryBytes(methodPath(method), bytes, options);
    return "response" in outcome ? { response: fromBinary(method.output, outcome.response) } : outcome;
  }

  /** The response, or an error that names the method: for calls that a test needs and does not examine. */
  async must<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: TestCallOptions = {},
  ): Promise<MessageShape<O>> {
    const outcome = await this.unary(method, request, options);
    if ("response" in outcome) return outcome.response;
    throw new Error(`${methodPath(method)}: code ${outcome.code} ${outcome.message}`);
  }

  /** A unary call with the message given as bytes, valid or not. */
  unaryBytes(path: string, bytes: Bytes, options: TestCallOptions = {}): Promise<Outcome<Buffer>> {
    return new Promise((resolve) => {
      const done = (error: ServiceError | null, response?: Buffer) => {
        if (error !== null) resolve({ code: error.code, message: error.details });
        else resolve({ response: response! });
      };
      this.#client.makeUnaryRequest(path, copy, same, bytes, metadataOf(options), callOptions(options), done);
    });
  }

  serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: TestCallOptions = {},
  ): ReadStream<MessageShape<O>> {
    const bytes = toBinary(method.input, create(method.input, request));
    const decode = (buffer: Buffer) => fromBinary(method.output, buffer);
    const path = methodPath(method);
    const call = this.#client.makeServerStreamRequest(
      path,
      copy,
      decode,
      bytes,
      metadataOf(options),
      callOptions(options),
    );
    return new ReadStream(call);
  }

  bidi<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    options: TestCallOptions = {},
  ): BidiStream<MessageInitShape<I>, MessageShape<O>> {
    const encode = (message: MessageInitShape<I>) =>
      Buffer.from(toBinary(method.input, create(method.input, message)));
    const decode = (buffer: Buffer) => fromBinary(method.output, buffer);
    const path = methodPath(method);
    const call = this.#client.makeBidiStreamRequest(
      path,
      encode,
      decode,
      metadataOf(options),
      streamOptions(options),
    );
    return new BidiStream(call);
  }

  /** A stream of any kind with the messages given, and got, as bytes, valid or not. */
  streamBytes(path: string, options: TestCallOptions = {}): BidiStream<Bytes, Buffer> {
    const call = this.#client.makeBidiStreamRequest(
      path,
      copy,
      same,
      metadataOf(options),
      streamOptions(options),
    );
    return new BidiStream(call);
  }

  close(): void {
    this.#client.close();
  }
}

function metadataOf(options: TestCallOptions): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
  return metadata;
}

function callOptions(options: TestCallOptions): CallOptions {
  return { deadline: Date.now() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS) };
}

/** Streams live until they are closed, so they have a deadline only when one is asked for. */
function streamOptions(options: TestCallOptions): CallOptions {
  return options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
}

export type StreamItem<T> = { readonly message: T } | { readonly status: Failure };

/** The receiving side of a call, read item by item; the last item is the status. */
export class ReadStream<T> {
  readonly #call: ClientReadableStream<T> | ClientDuplexStream<never, T>;
  readonly #items: StreamItem<T>[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(call: ClientReadableStream<T> | ClientDuplexStream<never, T>) {
    this.#call = call;
    call.on("data", (message: T) => this.#push({ message }));
    call.on("error", () => {}); // the same is told by "status", which comes in every case
    call.on("status", (status) => this.#push({ status: { code: status.code, message: status.details } }));
  }

  #push(item: StreamItem<T>): void {
    this.#items.push(item);
    if ("status" in item) this.#ended = true;
    this.#wake?.();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Number of items that wait to be read. */
  get waiting(): number {
    return this.#items.length;
  }

  /** The next item, or undefined when none comes within the time. */
  async next(timeoutMs = 5_000): Promise<StreamItem<T> | undefined> {
    if (this.#items.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    return this.#items.shift();
  }

  /** The next message; throws when the stream ends or stays silent. */
  async message(timeoutMs = 5_000): Promise<T> {
    const item = await this.next(timeoutMs);
    if (item === undefined) throw new Error(`no message within ${timeoutMs} ms`);
    if ("status" in item) throw new Error(`stream ended: code ${item.status.code} ${item.status.message}`);
    return item.message;
  }

  /** All messages up to the status. */
  async all(timeoutMs = 20_000): Promise<{ messages: T[]; status: Failure }> {
    const messages: T[] = [];
    for (;;) {
      const item = await this.next(timeoutMs);
      if (item === undefined) throw new Error(`no message within ${timeoutMs} ms`);
      if ("status" in item) return { messages, status: item.status };
      messages.push(item.message);
    }
  }

  cancel(): void {
    this.#call.cancel();
  }
}

export class BidiStream<I, O> extends ReadStream<O> {
  readonly #duplex: ClientDuplexStream<I, O>;

  constructor(call: ClientDuplexStream<I, O>) {
    super(call as ClientDuplexStream<never, O>);
    this.#duplex = call;
  }

  send(message: I): void {
    this.#duplex.write(message);
  }

  halfClose(): void {
    this.#duplex.end();
  }
}
