// One of the two servers that are compared: its member, its client, the names of its numbers, and its watchers.

import { Maintenance } from "../../src/proto/gen/etcdserverpb/rpc_pb.js";
import type { Outcome } from "../support/index.js";
import {
  findMethod,
  methodPath,
  newMember,
  type Target,
  type TargetName,
  TestClient,
} from "../support/index.js";
import { Names } from "../support/messages.js";
import { printAnswer } from "./comparison.js";
import type { Operation } from "./operations.js";
import { WatchLog } from "./watch-log.js";

/** What one side said to one operation. */
export interface Answer {
  readonly line: string;
  /** From the header, 0 when there is none. */
  readonly revision: number;
}

export class Side {
  readonly name: TargetName;
  readonly watches: WatchLog;
  readonly #member: Target;
  readonly #client: TestClient;
  readonly #names: Names;

  private constructor(member: Target, client: TestClient, names: Names) {
    this.name = member.name;
    this.#member = member;
    this.#client = client;
    this.#names = names;
    this.watches = new WatchLog(client, names);
  }

  static async start(name: TargetName): Promise<Side> {
    const member = newMember(name);
    await member.start();
    const client = new TestClient(member.endpoint);
    await client.ready();
    const { header } = await client.must(Maintenance.method.status, {});
    const names = new Names();
    names.wholeLists = true;
    names.memberId = header!.memberId;
    names.clusterId = header!.clusterId;
    names.raftTerm = header!.raftTerm;
    return new Side(member, client, names);
  }

  async perform(operation: Operation): Promise<Answer> {
    const path = methodPath(findMethod(operation.method));
    const outcome: Outcome<Uint8Array> = await this.#client.unaryBytes(path, operation.bytes);
    const line = printAnswer(operation, outcome, this.#names);
    return { line, revision: Number(/header: full (\d+)/.exec(line)?.[1] ?? 0) };
  }

  async destroy(): Promise<void> {
    this.watches.close();
    this.#client.close();
    await this.#member.destroy();
  }
}
