// A gRPC server: the table of its methods, the calls to their handlers, and its connections. It listens on nothing
// itself; sockets are handed to `accept` (see listener.ts).

import type { Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import { type Clock, type Logger, Panic, SILENT, WireError } from "#base";
import { type RpcError, StatusCode } from "#proto";
import { BUDGETS, DEFAULTS } from "./budgets.js";
import { ConnectionGroup } from "./connection-group.js";
import { RESPONSE_HEADERS, statusBlock } from "./grpc-status.js";
import {
  type CallObserver,
  Method,
  type MethodKind,
  type ServerStreamHandler,
  type StreamHandler,
  type UnaryHandler,
} from "./method.js";
import { NODE_CLOCK } from "./node-clock.js";
import { ErrorCode } from "./protocol.js";
import type { RequestHead } from "./request-head.js";
import type { ServerCall } from "./server-call.js";
import { ServerConnection } from "./server-connection.js";

/** What Go's gRPC says of bytes that are no message, on a unary call and on a stream. */
const UNMARSHAL_UNARY = "grpc: error unmarshalling request";
const UNMARSHAL_STREAM = "grpc: failed to unmarshal the received message";

/** Called before each dispatch; an error ends the call in the handler's stead. Must not throw. */
export type Interceptor = (call: ServerCall) => RpcError | undefined;

export interface RpcServerOptions {
  /** Largest message that a client may send, in bytes. */
  readonly maxReceiveBytes: number;
  readonly maxSendBytes: number;
  /** Streams open at a time on one connection; capped by the budget. */
  readonly maxConcurrentStreams: number;
  /** Shortest time between a client's pings, and whether it may ping while no stream is open. */
  readonly keepaliveMinTimeMs: number;
  readonly keepalivePermitWithoutStream: boolean;
  /** The server's own pings; 0 turns them off. */
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly intercept: Interceptor | undefined;
  /** Hears of a panic in a handler; without it, a panic is thrown out of the event that led to it. */
  readonly onPanic: ((panic: Panic) => void) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class RpcServer {
  readonly options: RpcServerOptions;
  readonly group: ConnectionGroup;
  private readonly services = new Set<string>();
  private readonly methods = new Map<string, Method>();
  private readonly connections = new Set<ServerConnection>();
  private draining = false;
  private stopping: (() => void)[] = [];

  constructor(options: Partial<RpcServerOptions> = {}) {
    this.options = {
      maxReceiveBytes: options.maxReceiveBytes ?? DEFAULTS.maxReceiveBytes,
      maxSendBytes: options.maxSendBytes ?? DEFAULTS.maxSendBytes,
      maxConcurrentStreams: Math.min(
        options.maxConcurrentStreams ?? BUDGETS.concurrentStreams,
        BUDGETS.concurrentStreams,
      ),
      keepaliveMinTimeMs: options.keepaliveMinTimeMs ?? DEFAULTS.keepaliveMinTimeMs,
      keepalivePermitWithoutStream: options.keepalivePermitWithoutStream ?? false,
      keepaliveIntervalMs: options.keepaliveIntervalMs ?? DEFAULTS.keepaliveIntervalMs,
      keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? DEFAULTS.keepaliveTimeoutMs,
      intercept: options.intercept,
      onPanic: options.onPanic,
      clock: options.clock ?? NODE_CLOCK,
      logger: options.logger ?? SILENT,
    };
    this.group = new ConnectionGroup(this.options.clock, this.options.logger);
  }

  /** Adds a method; `service` is the full name, for example "etcdserverpb.KV". */
  register(service: string, name: string, kind: "unary", handler: UnaryHandler): Method;
  register(service: string, name: string, kind: "serverStream", handler: ServerStreamHandler): Method;
  register(service: string, name: string, kind: "clientStream" | "bidi", handler: StreamHandler): Method;
  register(
    service: string,
    name: string,
    kind: MethodKind,
    handler: UnaryHandler | ServerStreamHandler | StreamHandler,
  ): Method {
    const method = new Method(service, name, kind, handler);
    this.services.add(service);
    this.methods.set(method.path, method);
    return method;
  }

  /** All methods, in the order of their registration. */
  allMethods(): IterableIterator<Method> {
    return this.methods.values();
  }

  /** Takes over a socket that speaks HTTP/2; `first` are bytes already read from it. Requests that are not gRPC's go
   *  to `http`, or are refused when there is none. */
  accept(socket: Socket, first?: Buffer, http?: HttpServer): ServerConnection {
    const connection = new ServerConnection(socket, this, http);
    this.connections.add(connection);
    if (this.draining) connection.startDrain();
    if (first !== undefined) connection.onData(first);
    return connection;
  }

  /** Writes out the replies of all connections now rather than at the end of the turn. */
  flush(): void {
    this.group.flush();
  }

  /** Graceful stop: no new calls; resolves when all connections have closed, at the latest after `graceMs`. */
  stop(graceMs: number): Promise<void> {
    this.draining = true;
    return new Promise((resolve) => {
      const timer = this.options.clock.setTimer(graceMs, () => this.close());
      this.stopping.push(() => {
        this.options.clock.clearTimer(timer);
        resolve();
      });
      for (const connection of this.connections) connection.startDrain();
      this.reportStopped();
    });
  }

  /** Ends all connections at once; open calls are cancelled. */
  close(): void {
    for (const connection of this.connections) {
      connection.shutdown(ErrorCode.NoError, "the server is closing");
      connection.destroy("the server is closing");
    }
  }

  // -- for the connections ---------------------------------------------------------------------------------------------

  forget(connection: ServerConnection): void {
    this.connections.delete(connection);
    this.reportStopped();
  }

  findMethod(head: RequestHead): Method | undefined {
    return this.methods.get(head.path);
  }

  methodOf(head: RequestHead): Method | undefined {
    return head.route as Method | undefined;
  }

  /** A trailers-only response in the words of Go's gRPC. */
  unknownMethod(head: RequestHead): Buffer {
    const path = head.path;
    const slash = path.lastIndexOf("/");
    if (path[0] !== "/" || slash === 0)
      return unimplemented(`malformed method name: ${JSON.stringify(path)}`);
    const service = path.slice(1, slash);
    if (!this.services.has(service)) return unimplemented(`unknown service ${service}`);
    return unimplemented(`unknown method ${path.slice(slash + 1)} for service ${service}`);
  }

  /** Hands a call its one message. */
  dispatchMessage(call: ServerCall, message: Uint8Array): void {
    const refusal = this.options.intercept?.(call);
    if (refusal !== undefined) return call.failWith(refusal);
    try {
      this.keepObserver(call, call.method.callWith(call, message));
    } catch (error) {
      this.onHandlerError(call, error);
    }
  }

  /** Begins a call that takes a stream of messages. */
  dispatchOpen(call: ServerCall): void {
    const refusal = this.options.intercept?.(call);
    if (refusal !== undefined) return call.failWith(refusal);
    try {
      this.keepObserver(call, call.method.open(call));
    } catch (error) {
      this.onHandlerError(call, error);
    }
  }

  deliverMessage(call: ServerCall, message: Uint8Array): void {
    try {
      call.observer?.onMessage(message);
    } catch (error) {
      this.onHandlerError(call, error);
    }
  }

  deliverHalfClose(call: ServerCall): void {
    try {
      call.observer?.onHalfClose();
    } catch (error) {
      this.onHandlerError(call, error);
    }
  }

  deliverDrain(call: ServerCall): void {
    try {
      call.observer?.onDrain();
    } catch (error) {
      this.onHandlerError(call, error);
    }
  }

  deliverCancel(call: ServerCall, observer: CallObserver): void {
    try {
      observer.onCancel();
    } catch (error) {
      this.onHandlerError(call, error);
    }
  }

  private keepObserver(call: ServerCall, observer: CallObserver | undefined): void {
    if (observer !== undefined) call.observer = observer;
  }

  /** Bytes that are no message of the method's end the call, as Go's gRPC ends it. A panic is not ours to survive.
   *  Anything else is a bug in a handler: this call fails, and the log says why. */
  private onHandlerError(call: ServerCall, error: unknown): void {
    if (error instanceof Panic) return this.onPanic(call, error);
    if (error instanceof WireError) {
      const what = call.method.kind === "unary" ? UNMARSHAL_UNARY : UNMARSHAL_STREAM;
      return call.fail(StatusCode.Internal, `${what}: ${error.message}`);
    }
    this.options.logger.error("a handler failed", {
      method: call.method.path,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    call.fail(StatusCode.Internal, "internal error");
  }

  private onPanic(call: ServerCall, panic: Panic): void {
    if (this.options.onPanic === undefined) throw panic;
    this.options.onPanic(panic);
    call.fail(StatusCode.Internal, "internal error");
  }

  private reportStopped(): void {
    if (this.connections.size > 0) return;
    const waiting = this.stopping;
    this.stopping = [];
    for (const resolve of waiting) resolve();
  }
}

function unimplemented(text: string): Buffer {
  return statusBlock(StatusCode.Unimplemented, text, RESPONSE_HEADERS);
}
