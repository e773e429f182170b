// Random operations, all drawn from one seed: a small key space, so that keys collide; every option of every request;
// and a share of requests that are wrong on purpose. The generator knows nothing of the answers but the revision, which
// its caller tells it, so that past, compacted and future revisions are asked for in useful proportions.
//
// Left out, because two correct servers may answer differently: sorting with ties under a limit, leases that run out
// during the run, ids chosen by the server.

import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { SeededRandom } from "#base";
import {
  CompactionRequestSchema,
  type Compare_CompareResult,
  type Compare_CompareTarget,
  type CompareSchema,
  DeleteRangeRequestSchema,
  HashKVRequestSchema,
  LeaseGrantRequestSchema,
  LeaseLeasesRequestSchema,
  LeaseRevokeRequestSchema,
  LeaseTimeToLiveRequestSchema,
  PutRequestSchema,
  RangeRequestSchema,
  type RequestOpSchema,
  TxnRequestSchema,
} from "../../src/proto/gen/etcdserverpb/rpc_pb.js";

export interface Operation {
  /** As in `KV.Put`. */
  readonly method: string;
  readonly bytes: Uint8Array;
  /** May change state; everything else may be sent together with its neighbours. */
  readonly write: boolean;
  /** The order of equal elements in the answer is not promised. */
  readonly unordered: boolean;
}

type Init<D extends DescMessage> = MessageInitShape<D>;
type RangeInit = Exclude<Init<typeof RangeRequestSchema>, { $typeName: string }>;

const KEYS = 48;
const LEASES = 12;
const LEASE_TTL_SECONDS = 100_000;
const text = (value: string): Uint8Array => Buffer.from(value);
const ZERO = new Uint8Array(1);

export class Operations {
  /** The current revision, as the last answers told. */
  revision = 1;
  compacted = 0;
  readonly #random: SeededRandom;
  #values = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  next(): Operation {
    const draw = this.#random.below(1000);
    if (draw < 330) return this.#rangeOperation();
    if (draw < 600) return make("KV.Put", PutRequestSchema, this.#put(), true);
    if (draw < 690) return make("KV.DeleteRange", DeleteRangeRequestSchema, this.#deleteRange(), true);
    if (draw < 850) return make("KV.Txn", TxnRequestSchema, this.#txn(2), true);
    if (draw < 965) return this.#leaseOperation();
    if (draw < 985) return this.#hash();
    if (draw < 990) return this.#compact();
    return make("KV.Range", RangeRequestSchema, { key: new Uint8Array(0), countOnly: this.#oneIn(2) }, false);
  }

  /** A put outside the key space. */
  fence(): Operation {
    return make("KV.Put", PutRequestSchema, { key: text("fence") }, true);
  }

  #oneIn(n: number): boolean {
    return this.#random.below(n) === 0;
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#random.below(items.length)];
  }

  // ---- parts of requests

  #key(): Uint8Array {
    const draw = this.#random.below(100);
    if (draw === 0) return ZERO;
    if (draw === 1) return Buffer.from([0xff, this.#random.below(4)]);
    if (draw === 2) return text(`k${this.#random.below(KEYS)}\0tail`);
    return text(`k${String(this.#random.below(KEYS)).padStart(2, "0")}`);
  }

  /** Nothing, the end of a prefix, any other key, or "all from here". */
  #rangeEnd(): Uint8Array {
    switch (this.#random.below(5)) {
      case 0:
        return ZERO;
      case 1:
        return text("l");
      case 2:
        return text(`k${this.#random.below(6)}`);
      default:
        return this.#key();
    }
  }

  #revision(): bigint {
    const draw = this.#random.below(20);
    if (draw < 12) return 0n;
    if (draw === 12) return -1n;
    if (draw === 13) return BigInt(this.revision + 1 + this.#random.below(3));
    if (draw === 14) return BigInt(Math.max(1, this.compacted - this.#random.below(5)));
    if (draw === 15) return BigInt(Math.max(1, this.compacted));
    return BigInt(this.compacted + 1 + this.#random.below(Math.max(1, this.revision - this.compacted)));
  }

  #nearRevision(): bigint {
    return BigInt(Math.max(0, this.revision - this.#random.below(200)));
  }

  #lease(): bigint {
    return this.#oneIn(3) ? BigInt(1 + this.#random.below(LEASES)) : 0n;
  }

  #value(): Uint8Array {
    const draw = this.#random.below(20);
    if (draw === 0) return new Uint8Array(0);
    if (draw === 1) return Buffer.alloc(1 + this.#random.below(20_000), 0x80 + this.#random.below(0x80));
    if (draw < 8) return text(String(this.#random.below(5)));
    return text(`v${this.#values++}`);
  }

  // ---- KV

  #range(ties: boolean): RangeInit {
    const request: RangeInit = {
      key: this.#key(),
      rangeEnd: this.#oneIn(3) ? new Uint8Array(0) : this.#rangeEnd(),
      revision: this.#revision(),
      serializable: this.#oneIn(6),
      keysOnly: this.#oneIn(6),
      countOnly: this.#oneIn(10),
    };
    if (this.#oneIn(3)) this.#addFilters(request);
    const byKey = !ties || this.#oneIn(2);
    request.sortOrder = this.#random.below(3);
    request.sortTarget = byKey ? 0 : 1 + this.#random.below(4);
    if (byKey && this.#oneIn(2)) request.limit = BigInt(this.#random.below(12) - 1);
    return request;
  }

  #addFilters(request: RangeInit): void {
    const draw = this.#random.below(16);
    if ((draw & 1) !== 0) request.minModRevision = this.#nearRevision();
    if ((draw & 2) !== 0) request.maxModRevision = this.#nearRevision();
    if ((draw & 4) !== 0) request.minCreateRevision = this.#nearRevision();
    if ((draw & 8) !== 0) request.maxCreateRevision = this.#nearRevision();
  }

  #rangeOperation(): Operation {
    const request = this.#range(true);
    return make("KV.Range", RangeRequestSchema, request, false, request.sortTarget !== 0);
  }

  #put(): Init<typeof PutRequestSchema> {
    const ignoreValue = this.#oneIn(12);
    const ignoreLease = this.#oneIn(12);
    return {
      key: this.#oneIn(200) ? new Uint8Array(0) : this.#key(),
      value: ignoreValue && !this.#oneIn(6) ? new Uint8Array(0) : this.#value(),
      lease: ignoreLease && !this.#oneIn(6) ? 0n : this.#lease(),
      prevKv: this.#oneIn(3),
      ignoreValue,
      ignoreLease,
    };
  }

  #deleteRange(): Init<typeof DeleteRangeRequestSchema> {
    const rangeEnd = this.#oneIn(2) ? new Uint8Array(0) : text(`k${this.#random.below(6)}`);
    return { key: this.#oneIn(200) ? new Uint8Array(0) : this.#key(), rangeEnd, prevKv: this.#oneIn(3) };
  }

  /** Now and then a range that takes nearly everything, so that generations end in numbers. */
  #txn(depth: number): Init<typeof TxnRequestSchema> {
    const few = (most: number) => this.#random.below(most + 1);
    if (depth === 2 && this.#oneIn(100))
      return { success: Array.from({ length: 129 }, () => this.#requestOp(0)) };
    return {
      compare: Array.from({ length: few(2) }, () => this.#compare()),
      success: Array.from({ length: few(4) }, () => this.#requestOp(depth)),
      failure: Array.from({ length: few(3) }, () => this.#requestOp(depth)),
    };
  }

  #requestOp(depth: number): Init<typeof RequestOpSchema> {
    const draw = this.#random.below(20);
    if (draw < 7) return { request: { case: "requestRange", value: this.#range(false) } };
    if (draw < 14) return { request: { case: "requestPut", value: this.#put() } };
    if (draw < 17) return { request: { case: "requestDeleteRange", value: this.#deleteRange() } };
    if (draw === 19 && this.#oneIn(20)) return {};
    if (depth === 0) return { request: { case: "requestRange", value: this.#range(false) } };
    return { request: { case: "requestTxn", value: this.#txn(depth - 1) } };
  }

  #compare(): Init<typeof CompareSchema> {
    const target = this.#random.below(5) as Compare_CompareTarget;
    return {
      key: this.#oneIn(200) ? new Uint8Array(0) : this.#key(),
      rangeEnd: this.#oneIn(5) ? this.#rangeEnd() : new Uint8Array(0),
      result: this.#random.below(4) as Compare_CompareResult,
      target,
      targetUnion: this.#targetUnion(target),
    };
  }

  #targetUnion(target: Compare_CompareTarget): Init<typeof CompareSchema>["targetUnion"] {
    if (this.#oneIn(10)) return { case: undefined };
    switch (Number(target)) {
      case 0:
        return { case: "version", value: BigInt(this.#random.below(4)) };
      case 1:
        return { case: "createRevision", value: this.#oneIn(2) ? 0n : this.#nearRevision() };
      case 2:
        return { case: "modRevision", value: this.#oneIn(2) ? 0n : this.#nearRevision() };
      case 3:
        return { case: "value", value: text(String(this.#random.below(5))) };
      default:
        return { case: "lease", value: this.#lease() };
    }
  }

  #compact(): Operation {
    const draw = this.#random.below(10);
    const ahead = Math.max(1, this.revision - this.compacted);
    let revision = this.compacted + this.#random.below(ahead + 1);
    if (draw === 0) revision = this.revision + 5;
    if (draw === 1) revision = this.compacted;
    // After a compaction at 0 etcd answers every HashKV of the current revision, asked for as 0, with the hash it left.
    revision = Math.max(revision, 1);
    return make("KV.Compact", CompactionRequestSchema, { revision: BigInt(revision), physical: true }, true);
  }

  // ---- the rest

  #hash(): Operation {
    const revision = this.#oneIn(2) ? 0n : this.#revision();
    return make("Maintenance.HashKV", HashKVRequestSchema, { revision }, true);
  }

  #leaseOperation(): Operation {
    const ID = BigInt(1 + this.#random.below(LEASES + 2));
    switch (this.#pick([0, 0, 0, 1, 2, 2, 2, 3])) {
      case 0: {
        const wrong = this.#oneIn(40);
        const TTL = BigInt(wrong ? 9_000_000_001 : LEASE_TTL_SECONDS * Number(ID));
        return make("Lease.LeaseGrant", LeaseGrantRequestSchema, { ID, TTL }, true);
      }
      case 1:
        return make("Lease.LeaseRevoke", LeaseRevokeRequestSchema, { ID }, true);
      case 2:
        return make(
          "Lease.LeaseTimeToLive",
          LeaseTimeToLiveRequestSchema,
          { ID, keys: this.#oneIn(2) },
          false,
        );
      default:
        return make("Lease.LeaseLeases", LeaseLeasesRequestSchema, {}, false);
    }
  }
}

function make<D extends DescMessage>(
  method: string,
  schema: D,
  request: Init<D>,
  write: boolean,
  unordered = false,
): Operation {
  return { method, bytes: toBinary(schema, create(schema, request)), write, unordered };
}
