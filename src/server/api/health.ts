// grpc.health.v1: the whole server is one service, named "". It serves, except while it is told not to (a
// defragmentation under the gate that says so, or the server stopping).

import { create, toBinary } from "@bufbuild/protobuf";
import { healthpb, StatusCode } from "#proto";
import type { StreamCall, StreamObserver, UnaryCall } from "./call.js";
import { decodeMessage } from "./decode.js";

const ServingStatus = healthpb.HealthCheckResponse_ServingStatus;

export class HealthService {
  private serving = true;
  private readonly watchers = new Set<HealthWatcher>();
  private readonly onChange: (serving: boolean) => void;

  constructor(onChange: (serving: boolean) => void) {
    this.onChange = onChange;
    onChange(true);
  }

  setServing(serving: boolean): void {
    if (serving === this.serving) return;
    this.serving = serving;
    this.onChange(serving);
    for (const watcher of this.watchers) watcher.send(this.encoded());
  }

  check(call: UnaryCall, message: Uint8Array): void {
    const { service } = decodeMessage(healthpb.HealthCheckRequestSchema, message);
    if (service !== "") return call.fail(StatusCode.NotFound, "unknown service");
    call.reply(this.encoded());
  }

  list(call: UnaryCall, message: Uint8Array): void {
    decodeMessage(healthpb.HealthListRequestSchema, message);
    const statuses = { "": this.response() };
    call.reply(
      toBinary(healthpb.HealthListResponseSchema, create(healthpb.HealthListResponseSchema, { statuses })),
    );
  }

  watch(call: StreamCall, message: Uint8Array): StreamObserver {
    const { service } = decodeMessage(healthpb.HealthCheckRequestSchema, message);
    const watcher = new HealthWatcher(call, () => this.watchers.delete(watcher));
    if (service === "") {
      this.watchers.add(watcher);
      watcher.send(this.encoded());
    } else watcher.send(encode(ServingStatus.SERVICE_UNKNOWN));
    return watcher;
  }

  private response(): healthpb.HealthCheckResponse {
    const status = this.serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
    return create(healthpb.HealthCheckResponseSchema, { status });
  }

  private encoded(): Uint8Array {
    return toBinary(healthpb.HealthCheckResponseSchema, this.response());
  }
}

function encode(status: healthpb.HealthCheckResponse_ServingStatus): Uint8Array {
  return toBinary(healthpb.HealthCheckResponseSchema, create(healthpb.HealthCheckResponseSchema, { status }));
}

class HealthWatcher implements StreamObserver {
  private readonly call: StreamCall;
  private readonly forget: () => void;

  constructor(call: StreamCall, forget: () => void) {
    this.call = call;
    this.forget = forget;
  }

  send(status: Uint8Array): void {
    this.call.send(status);
  }

  onMessage(): void {
    // The request was the one message.
  }

  onHalfClose(): void {
    // Expected right after the request; the watch goes on.
  }

  onCancel(): void {
    this.forget();
  }

  onDrain(): void {
    // States are few and small.
  }
}
