// A connector on @grpc/grpc-js: an independent gRPC implementation to hold the client against in tests.

import * as grpc from "@grpc/grpc-js";
import {
  CallFailure,
  type CallSettings,
  type ClientStream,
  type Connection,
  type Connector,
  type ConnectSettings,
  describeTarget,
  type StreamObserver,
  type Target,
} from "#client";
import type { StatusCode } from "#proto";

const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
const same = (bytes: Buffer): Uint8Array => bytes;

class GrpcJsConnection implements Connection {
  private readonly client: grpc.Client;

  constructor(client: grpc.Client) {
    this.client = client;
  }

  unary(path: string, request: Uint8Array, settings: CallSettings): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const call = this.client.makeUnaryRequest<Uint8Array, Uint8Array>(
        path,
        identity,
        same,
        request,
        metadataOf(settings),
        optionsOf(settings),
        (error, response) => (error === null ? resolve(response!) : reject(failureOf(error))),
      );
      settings.signal?.addEventListener("abort", () => call.cancel());
    });
  }

  async stream(path: string, settings: CallSettings, observer: StreamObserver): Promise<ClientStream> {
    const call = this.client.makeBidiStreamRequest<Uint8Array, Uint8Array>(
      path,
      identity,
      same,
      metadataOf(settings),
      optionsOf(settings),
    );
    let given = false;
    call.on("data", (message: Uint8Array) => given || observer.onMessage(message));
    call.on("error", () => {});
    call.on("status", (status: grpc.StatusObject) => {
      if (given) return;
      observer.onEnd(status.code === grpc.status.OK ? undefined : failureOf(status));
    });
    return {
      send: (message) => void call.write(message),
      halfClose: () => call.end(),
      cancel: () => {
        given = true;
        call.cancel();
      },
      pause: () => void call.pause(),
      resume: () => void call.resume(),
    };
  }

  close(): void {
    this.client.close();
  }
}

function metadataOf(settings: CallSettings): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const name in settings.metadata) metadata.set(name, settings.metadata[name]);
  return metadata;
}

function optionsOf(settings: CallSettings): grpc.CallOptions {
  return settings.timeoutMs === undefined ? {} : { deadline: Date.now() + settings.timeoutMs };
}

function failureOf(status: { code: number; details: string }): CallFailure {
  return new CallFailure(status.code as StatusCode, status.details);
}

export const grpcJsConnector: Connector = {
  connect(target: Target, settings: ConnectSettings): Promise<Connection> {
    const address = target.kind === "unix" ? `unix:${target.path}` : describeTarget(target);
    const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
      "grpc.max_receive_message_length": settings.maxReceiveBytes,
      "grpc.max_send_message_length": settings.maxSendBytes,
      "grpc.use_local_subchannel_pool": 1,
    });
    const channel = client.getChannel();
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + settings.timeoutMs;
      const watch = (state: grpc.connectivityState): void => {
        if (state === grpc.connectivityState.READY) {
          channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => settings.onLost());
          return resolve(new GrpcJsConnection(client));
        }
        if (state === grpc.connectivityState.TRANSIENT_FAILURE) return refuse();
        channel.watchConnectivityState(state, deadline, (error) =>
          error ? refuse() : watch(channel.getConnectivityState(true)),
        );
      };
      const refuse = (): void => {
        client.close();
        const detail = `connection error: desc = "transport: Error while dialing: dial tcp ${address}: connect: connection refused"`;
        reject(new CallFailure(14, detail, true));
      };
      watch(channel.getConnectivityState(true));
    });
  },
};
