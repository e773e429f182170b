// What the client does when connections misbehave: on a connector of the test's own, where every failure can be arranged.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { utf8, utf8Text } from "#base";
import { ErrCompacted, mvccpb, rpcpb, StatusCode } from "#proto";
import { Client } from "./client.js";
import { EtcdError, WatchCanceledError } from "./errors.js";
import {
  CallFailure,
  type ClientStream,
  type Connection,
  type Connector,
  type StreamObserver,
  type Target,
} from "./transport.js";
import type { Watcher, WatchResponse } from "./watch.js";

type UnaryHandler = (endpoint: number, path: string) => Uint8Array | CallFailure;

class FakeStream implements ClientStream {
  readonly sent: rpcpb.WatchRequest[] = [];
  readonly observer: StreamObserver;
  paused = false;
  canceled = false;

  constructor(observer: StreamObserver) {
    this.observer = observer;
  }

  send(message: Uint8Array): void {
    this.sent.push(fromBinary(rpcpb.WatchRequestSchema, message));
  }

  halfClose(): void {}

  cancel(): void {
    this.canceled = true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  answer(init: Parameters<typeof create<typeof rpcpb.WatchResponseSchema>>[1]): void {
    this.observer.onMessage(toBinary(rpcpb.WatchResponseSchema, create(rpcpb.WatchResponseSchema, init)));
  }

  get creations(): rpcpb.WatchCreateRequest[] {
    return this.sent.flatMap(({ requestUnion: u }) => (u.case === "createRequest" ? [u.value] : []));
  }
}

/** Endpoints are ports; those in `down` refuse connections. */
class FakeCluster implements Connector {
  readonly down = new Set<number>();
  readonly streams: FakeStream[] = [];
  readonly calls: string[] = [];
  readonly lost = new Map<number, () => void>();
  handler: UnaryHandler = () => new Uint8Array(0);

  connect(target: Target, { onLost }: { onLost(): void }): Promise<Connection> {
    const port = target.kind === "tcp" ? target.port : 0;
    if (this.down.has(port)) return Promise.reject(new CallFailure(StatusCode.Unavailable, "refused", true));
    this.lost.set(port, onLost);
    return Promise.resolve({
      unary: (path) => {
        this.calls.push(`${port} ${path.replace(/.*\//, "")}`);
        const answer = this.handler(port, path);
        return answer instanceof CallFailure ? Promise.reject(answer) : Promise.resolve(answer);
      },
      stream: (_path, _settings, observer) => {
        const stream = new FakeStream(observer);
        this.streams.push(stream);
        return Promise.resolve(stream);
      },
      close: () => {},
    });
  }
}

const clients: Client[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function start(
  ports = [1],
  options: { maxUnaryRetries?: number } = {},
): { cluster: FakeCluster; client: Client } {
  const cluster = new FakeCluster();
  const endpoints = ports.map((port) => `127.0.0.1:${port}`);
  const client = new Client({
    endpoints,
    connector: cluster,
    backoffWaitMs: 1,
    callTimeoutMs: 2000,
    ...options,
  });
  clients.push(client);
  return { cluster, client };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(condition()).toBe(true);
}

const unavailable = new CallFailure(StatusCode.Unavailable, "connection reset");

describe("retries", () => {
  it("goes round the endpoints that stand", async () => {
    const { cluster, client } = start([1, 2, 3]);
    cluster.down.add(2);
    await client.kv.get("a");
    await until(() => cluster.lost.has(1) && cluster.lost.has(3));
    cluster.calls.length = 0;
    for (let i = 0; i < 4; i++) await client.kv.get("a");
    expect(new Set(cluster.calls)).toEqual(new Set(["1 Range", "3 Range"]));
  });

  it("repeats a read that was cut off", async () => {
    const { cluster, client } = start([1, 2]);
    let failures = 2;
    cluster.handler = () => (failures-- > 0 ? unavailable : new Uint8Array(0));
    await client.kv.get("a");
    expect(cluster.calls).toHaveLength(3);
  });

  it("does not repeat a write that was cut off: it may have been done", async () => {
    const { cluster, client } = start();
    cluster.handler = () => unavailable;
    const error = await client.kv.put("a", "b").catch((e: unknown) => e);
    expect((error as EtcdError).message).toBe("rpc error: code = Unavailable desc = connection reset");
    expect(cluster.calls).toHaveLength(1);
  });

  it("repeats a write that certainly was not seen", async () => {
    const { cluster, client } = start();
    let failures = 1;
    cluster.handler = () =>
      failures-- > 0 ? new CallFailure(StatusCode.Unavailable, "goaway", true) : new Uint8Array(0);
    await client.kv.put("a", "b");
    expect(cluster.calls).toHaveLength(2);
  });

  it("gives up after as many tries as configured, and at once for errors that stay", async () => {
    const { cluster, client } = start([1], { maxUnaryRetries: 3 });
    cluster.handler = () => unavailable;
    await expect(client.kv.get("a")).rejects.toThrow(EtcdError);
    expect(cluster.calls).toHaveLength(3);
    cluster.handler = () => new CallFailure(ErrCompacted.code, ErrCompacted.message);
    const error = await client.kv.get("a").catch((e: unknown) => e);
    expect((error as EtcdError).row).toBe(ErrCompacted);
    expect(cluster.calls).toHaveLength(4);
  });

  it("takes an endpoint back when it stands again", async () => {
    const { cluster, client } = start();
    cluster.down.add(1);
    const waiting = client.kv.put("a", "b");
    setTimeout(() => cluster.down.delete(1), 30);
    await waiting;
    expect(cluster.calls).toEqual(["1 Put"]);
  });

  it("ends with the caller's signal", async () => {
    const { cluster, client } = start();
    cluster.down.add(1);
    const abort = new AbortController();
    const waiting = client.kv.put("a", "b", { signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toThrow("context canceled");
  });
});

function event(key: string, revision: bigint): mvccpb.Event {
  return create(mvccpb.EventSchema, { kv: { key: utf8(key), modRevision: revision } });
}

async function next(responses: AsyncIterator<WatchResponse>): Promise<string[]> {
  const { value, done } = await responses.next();
  return done === true
    ? ["end"]
    : (value as WatchResponse).events.map(({ kv }) => `${utf8Text(kv.key)}@${kv.modRevision}`);
}

async function opened(
  client: Client,
  cluster: FakeCluster,
  options = {},
): Promise<{ watcher: Watcher; stream: FakeStream }> {
  const before = cluster.streams.length;
  const watcher = client.watch.create("k", { prefix: true, ...options });
  await until(() => cluster.streams.length > before && cluster.streams[before].creations.length > 0);
  return { watcher, stream: cluster.streams[before] };
}

describe("watch", () => {
  it("takes up from the last revision, with the same request", async () => {
    const { cluster, client } = start();
    const { watcher, stream } = await opened(client, cluster, { filters: ["delete"], prevKv: true });
    const responses = watcher[Symbol.asyncIterator]();
    stream.answer({ created: true, watchId: 0n, header: { revision: 10n } });
    stream.answer({ watchId: 0n, header: { revision: 12n }, events: [event("k1", 11n), event("k2", 12n)] });
    expect(await next(responses)).toEqual(["k1@11", "k2@12"]);
    stream.observer.onEnd(unavailable);
    await until(() => cluster.streams.length === 2 && cluster.streams[1].creations.length === 1);
    const again = cluster.streams[1].creations[0];
    expect(again).toMatchObject({
      startRevision: 13n,
      prevKv: true,
      filters: [rpcpb.WatchCreateRequest_FilterType.NODELETE],
    });
    cluster.streams[1].answer({ created: true, watchId: 7n, header: { revision: 15n } });
    cluster.streams[1].answer({ watchId: 7n, header: { revision: 15n }, events: [event("k3", 15n)] });
    expect(await next(responses)).toEqual(["k3@15"]);
  });

  it("takes up from its creation when nothing has happened since", async () => {
    const { cluster, client } = start();
    const { stream } = await opened(client, cluster);
    stream.answer({ created: true, watchId: 0n, header: { revision: 10n } });
    stream.observer.onEnd(unavailable);
    await until(() => cluster.streams.length === 2 && cluster.streams[1].creations.length === 1);
    expect(cluster.streams[1].creations[0].startRevision).toBe(11n);
  });

  it("puts fragments together, and throws half a response away when the stream breaks", async () => {
    const { cluster, client } = start();
    const { watcher, stream } = await opened(client, cluster, { fragment: true });
    const responses = watcher[Symbol.asyncIterator]();
    stream.answer({ created: true, watchId: 0n, header: { revision: 1n } });
    stream.answer({ watchId: 0n, fragment: true, events: [event("a", 2n)] });
    stream.answer({ watchId: 0n, header: { revision: 2n }, events: [event("b", 2n)] });
    expect(await next(responses)).toEqual(["a@2", "b@2"]);
    stream.answer({ watchId: 0n, fragment: true, events: [event("c", 3n)] });
    stream.observer.onEnd(unavailable);
    await until(() => cluster.streams.length === 2 && cluster.streams[1].creations.length === 1);
    const second = cluster.streams[1];
    expect(second.creations[0].startRevision).toBe(3n);
    second.answer({ created: true, watchId: 0n, header: { revision: 3n } });
    second.answer({ watchId: 0n, header: { revision: 3n }, events: [event("c", 3n), event("d", 3n)] });
    expect(await next(responses)).toEqual(["c@3", "d@3"]);
  });

  it("tells of history that was compacted meanwhile", async () => {
    const { cluster, client } = start();
    const { watcher, stream } = await opened(client, cluster);
    stream.answer({ created: true, watchId: 0n, header: { revision: 1n } });
    stream.observer.onEnd(unavailable);
    await until(() => cluster.streams.length === 2 && cluster.streams[1].creations.length === 1);
    cluster.streams[1].answer({ created: true, watchId: 0n, header: { revision: 90n } });
    cluster.streams[1].answer({
      watchId: 0n,
      canceled: true,
      compactRevision: 50n,
      header: { revision: 90n },
    });
    const error = await next(watcher[Symbol.asyncIterator]()).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(WatchCanceledError);
    expect(error).toMatchObject({ row: ErrCompacted, compactRevision: 50 });
  });

  it("matches answers to requests in their order, refusals among them", async () => {
    const { cluster, client } = start();
    const { watcher: first, stream } = await opened(client, cluster);
    const second = client.watch.create("z");
    await until(() => stream.creations.length === 2);
    stream.answer({
      created: true,
      canceled: true,
      watchId: -1n,
      cancelReason: "mvcc: watcher range is empty",
    });
    stream.answer({ created: true, watchId: 0n, header: { revision: 1n } });
    stream.answer({ watchId: 0n, header: { revision: 2n }, events: [event("z", 2n)] });
    await expect(next(first[Symbol.asyncIterator]())).rejects.toThrow("mvcc: watcher range is empty");
    expect(await next(second[Symbol.asyncIterator]())).toEqual(["z@2"]);
  });

  it("ends for good on a status that will not heal", async () => {
    const { cluster, client } = start();
    const { watcher, stream } = await opened(client, cluster);
    stream.observer.onEnd(new CallFailure(StatusCode.PermissionDenied, "no"));
    await expect(next(watcher[Symbol.asyncIterator]())).rejects.toThrow(
      "rpc error: code = PermissionDenied desc = no",
    );
    expect(cluster.streams).toHaveLength(1);
  });

  it("cancels at the server what is closed, and the stream with the last", async () => {
    const { cluster, client } = start();
    const { watcher, stream } = await opened(client, cluster);
    stream.answer({ created: true, watchId: 4n, header: { revision: 1n } });
    const other = client.watch.create("other");
    await until(() => stream.creations.length === 2);
    stream.answer({ created: true, watchId: 5n, header: { revision: 1n } });
    watcher.close();
    expect(stream.sent.at(-1)?.requestUnion).toMatchObject({ case: "cancelRequest", value: { watchId: 4n } });
    other.close();
    expect(stream.canceled).toBe(true);
  });

  it("holds the server back while a reader does not read", async () => {
    const { cluster, client } = start();
    const { watcher, stream } = await opened(client, cluster);
    stream.answer({ created: true, watchId: 0n, header: { revision: 1n } });
    let revision = 2n;
    while (!stream.paused && revision < 5000n) {
      stream.answer({ watchId: 0n, header: { revision }, events: [event("k", revision++)] });
    }
    expect(stream.paused).toBe(true);
    let read = 2n;
    for await (const response of watcher) {
      expect(response.events[0].kv.modRevision).toBe(Number(read++));
      if (read === revision) break;
    }
    expect(read).toBe(revision);
  });
});
