// The connector that a client uses when it is given none: one of the rpc room's channels for every connection. A channel
// would connect again by itself; here it is thrown away when its connection is lost, because the balancer wants to know.

import { copyBytes } from "#base";
import { StatusCode } from "#proto";
import { type CallMetadata, type CallStatus, type ClientCall, RpcChannel, RpcStatusError } from "#rpc";
import { describeTarget } from "./endpoint.js";
import {
  CallFailure,
  type CallSettings,
  type ClientStream,
  type Connection,
  type Connector,
  type ConnectSettings,
  type StreamObserver,
  type Target,
} from "./transport.js";

/** Metadata objects are few and long-lived, so their lists are made once. */
const METADATA = new WeakMap<object, CallMetadata>();

export const defaultConnector: Connector = {
  async connect(target: Target, settings: ConnectSettings): Promise<Connection> {
    if (target.tls)
      throw new CallFailure(StatusCode.Unavailable, "connection error: TLS is not supported", true);
    const channel = new RpcChannel({
      address: target.kind === "unix" ? { path: target.path } : { host: target.host, port: target.port },
      connectTimeoutMs: settings.timeoutMs,
      keepaliveTimeMs: settings.keepaliveMs,
      keepaliveTimeoutMs: settings.keepaliveTimeoutMs,
      maxSendBytes: settings.maxSendBytes,
      maxReceiveBytes: settings.maxReceiveBytes,
    });
    try {
      await channel.connect();
    } catch (error) {
      channel.close();
      throw dialFailure(error, target);
    }
    return new RpcConnection(channel, settings.onLost);
  },
};

class RpcConnection implements Connection {
  private readonly channel: RpcChannel;

  constructor(channel: RpcChannel, onLost: () => void) {
    this.channel = channel;
    channel.onDisconnect = () => {
      channel.onDisconnect = undefined;
      onLost();
    };
  }

  async unary(path: string, request: Uint8Array, settings: CallSettings): Promise<Uint8Array> {
    try {
      return await this.channel.unary(path, request, optionsOf(settings));
    } catch (error) {
      throw failureOf(error);
    }
  }

  async stream(path: string, settings: CallSettings, observer: StreamObserver): Promise<ClientStream> {
    const stream = new RpcStream(observer);
    try {
      stream.call = await this.channel.open(path, stream, optionsOf(settings));
      return stream;
    } catch (error) {
      throw failureOf(error);
    }
  }

  close(): void {
    this.channel.onDisconnect = undefined;
    this.channel.close();
  }
}

class RpcStream implements ClientStream {
  call: ClientCall | undefined;
  private readonly observer: StreamObserver;
  private givenUp = false;

  constructor(observer: StreamObserver) {
    this.observer = observer;
  }

  onMessage(message: Uint8Array): void {
    if (!this.givenUp) this.observer.onMessage(copyBytes(message));
  }

  onEnd(status: CallStatus): void {
    if (this.givenUp) return;
    this.observer.onEnd(status.code === StatusCode.OK ? undefined : failureOfStatus(status));
  }

  send(message: Uint8Array): void {
    this.call?.send(message);
  }

  halfClose(): void {
    this.call?.end();
  }

  cancel(): void {
    this.givenUp = true;
    this.call?.cancel();
  }

  pause(): void {
    this.call?.hold();
  }

  resume(): void {
    this.call?.release();
  }
}

function optionsOf({ metadata, timeoutMs, signal }: CallSettings): {
  metadata: CallMetadata;
  timeoutMs?: number;
  signal?: AbortSignal;
} {
  let list = METADATA.get(metadata);
  if (list === undefined) {
    list = Object.entries(metadata);
    METADATA.set(metadata, list);
  }
  return { metadata: list, timeoutMs, signal };
}

function failureOf(error: unknown): unknown {
  return error instanceof RpcStatusError ? failureOfStatus(error.status) : error;
}

function failureOfStatus(status: CallStatus): CallFailure {
  return new CallFailure(status.code, status.message, status.unprocessed);
}

/** Says which address it was that could not be reached, in the words of Go's dialler. */
function dialFailure(error: unknown, target: Target): unknown {
  if (!(error instanceof RpcStatusError)) return error;
  const network = target.kind === "unix" ? "unix" : "tcp";
  const reason = /ECONNREFUSED/.test(error.message) ? "connect: connection refused" : undefined;
  if (reason === undefined) return failureOfStatus(error.status);
  const text = `transport: Error while dialing: dial ${network} ${describeTarget(target)}: ${reason}`;
  return new CallFailure(StatusCode.Unavailable, `connection error: desc = ${JSON.stringify(text)}`, true);
}
