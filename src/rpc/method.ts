// The methods of a server: what a :path means, who answers it, and what has been counted about it.

import type { StatusCode } from "#proto";
import type { ServerCall } from "./server-call.js";

export type MethodKind = "unary" | "serverStream" | "clientStream" | "bidi";

/** What a streaming handler is told. Message views are valid only during the call. */
export interface CallObserver {
  onMessage(message: Uint8Array): void;
  /** The client will send no more. */
  onHalfClose(): void;
  /** The call is over without the handler's doing: cancelled, deadline, connection lost. Nothing can be sent. */
  onCancel(): void;
  /** `send` has returned false; now there is room again. */
  onDrain(): void;
}

/** Answers with `call.reply` or `call.fail`, at once or later. The message is a view, valid only during the call. */
export type UnaryHandler = (call: ServerCall, message: Uint8Array) => void;
/** Sends with `call.send` and ends with `call.end` or `call.fail`; may return an observer for onCancel and onDrain. */
export type ServerStreamHandler = (call: ServerCall, message: Uint8Array) => CallObserver | undefined;
/** Called when the call begins; the observer gets its messages. Undefined when the call has been ended already. */
export type StreamHandler = (call: ServerCall) => CallObserver | undefined;

/** Hears of every call of a method that has ended. Must not throw. */
export interface CallTimer {
  /** @param tookMs from the call's beginning to its last word, not to the client's reading it */
  onHandled(call: ServerCall, code: StatusCode, tookMs: number): void;
}

/** Counters of one method, read when somebody scrapes them. */
export class MethodStats {
  started = 0;
  messagesReceived = 0;
  messagesSent = 0;
  /** Calls ended, indexed by status code. */
  readonly handled: number[] = new Array(17).fill(0);
}

export class Method {
  readonly service: string;
  readonly name: string;
  /** "/service/name", as in :path. */
  readonly path: string;
  readonly kind: MethodKind;
  /** True when the handler is called with the one request message rather than with the call's beginning. */
  readonly takesOneMessage: boolean;
  readonly stats = new MethodStats();
  /** Set by whoever wants to know how long calls take. */
  timer: CallTimer | undefined = undefined;
  private readonly onRequest: UnaryHandler | ServerStreamHandler | undefined;
  private readonly onOpen: StreamHandler | undefined;

  constructor(
    service: string,
    name: string,
    kind: MethodKind,
    handler: UnaryHandler | ServerStreamHandler | StreamHandler,
  ) {
    this.service = service;
    this.name = name;
    this.path = `/${service}/${name}`;
    this.kind = kind;
    this.takesOneMessage = kind === "unary" || kind === "serverStream";
    this.onRequest = this.takesOneMessage ? (handler as UnaryHandler | ServerStreamHandler) : undefined;
    this.onOpen = this.takesOneMessage ? undefined : (handler as StreamHandler);
  }

  /** Calls the handler of a method that takes one message. */
  callWith(call: ServerCall, message: Uint8Array): CallObserver | undefined {
    return this.onRequest!(call, message) ?? undefined;
  }

  /** Calls the handler of a method that takes a stream of messages. */
  open(call: ServerCall): CallObserver | undefined {
    return this.onOpen!(call);
  }
}
