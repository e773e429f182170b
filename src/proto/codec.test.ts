// Each hand codec against the codec generated from the schema, both ways, over random messages incl. int64 edges.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WireReader, WireWriter } from "#base";
import { mvccpb, raftpb, rpcpb } from "./generated.js";
import {
  DeleteRangeRequest,
  KeyValue,
  PutHead,
  PutRequest,
  RangeRequest,
  ResponseHeader,
  TxnRequest,
} from "./kv.js";
import {
  decodeDeleteRangeRequest,
  decodeKeyValue,
  decodePutHead,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  encodeDeleteRangeRequest,
  encodeKeyValue,
  encodePutRequest,
  encodeRangeRequest,
  writeResponseHeader,
  writeRevisionHeader,
} from "./kv-codec.js";
import {
  ConfChange,
  ConfChangeSingle,
  ConfChangeV2,
  ConfState,
  Entry,
  HardState,
  RaftMessage,
  Snapshot,
} from "./raft.js";
import * as codec from "./raft-codec.js";

const MAX = Number.MAX_SAFE_INTEGER;
const bytes = fc.uint8Array({ maxLength: 40 });
const safe = fc.oneof(fc.integer({ min: -5, max: 300 }), fc.integer({ min: -MAX, max: MAX }));
const unsigned = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: MAX }));
const int64 = fc.oneof(fc.constant(0n), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
const uint64 = fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));

function written(write: (w: WireWriter) => void): Uint8Array {
  const w = new WireWriter(1);
  write(w);
  return w.finish();
}

const plain = (value: Uint8Array): number[] => Array.from(value);

describe("kv codecs agree with the generated ones", () => {
  it("KeyValue", () => {
    fc.assert(
      fc.property(bytes, safe, safe, safe, bytes, int64, (key, create_, mod, version, value, lease) => {
        const kv = Object.assign(new KeyValue(), {
          key,
          createRevision: create_,
          modRevision: mod,
          version,
          value,
          lease,
        });
        const theirs = toBinary(
          mvccpb.KeyValueSchema,
          create(mvccpb.KeyValueSchema, {
            key,
            createRevision: BigInt(create_),
            modRevision: BigInt(mod),
            version: BigInt(version),
            value,
            lease,
          }),
        );
        expect(plain(written((w) => encodeKeyValue(w, kv)))).toEqual(plain(theirs));
        const back = decodeKeyValue(theirs);
        expect({ ...back, key: plain(back.key), value: plain(back.value) }).toEqual({
          ...kv,
          key: plain(key),
          value: plain(value),
        });
      }),
    );
  });

  it("RangeRequest", () => {
    fc.assert(
      fc.property(
        bytes,
        bytes,
        fc.array(safe, { minLength: 6, maxLength: 6 }),
        fc.boolean(),
        (key, end, n, flag) => {
          const q = Object.assign(new RangeRequest(), {
            key,
            rangeEnd: end,
            limit: n[0],
            revision: n[1],
            sortOrder: 2,
            sortTarget: 9,
            serializable: flag,
            keysOnly: !flag,
            countOnly: flag,
            minModRevision: n[2],
            maxModRevision: n[3],
            minCreateRevision: n[4],
            maxCreateRevision: n[5],
          });
          const mine = written((w) => encodeRangeRequest(w, q));
          const theirs = fromBinary(rpcpb.RangeRequestSchema, mine);
          expect(plain(toBinary(rpcpb.RangeRequestSchema, theirs))).toEqual(plain(mine));
          expect(theirs.maxCreateRevision).toBe(BigInt(n[5]));
          const back = decodeRangeRequest(mine);
          expect({ ...back, key: plain(back.key), rangeEnd: plain(back.rangeEnd) }).toEqual({
            ...q,
            key: plain(key),
            rangeEnd: plain(end),
          });
        },
      ),
    );
  });

  it("PutRequest and DeleteRangeRequest", () => {
    const used = new PutHead();
    fc.assert(
      fc.property(bytes, bytes, int64, fc.boolean(), fc.boolean(), (key, value, lease, a, b) => {
        const put = Object.assign(new PutRequest(), {
          key,
          value,
          lease,
          prevKv: a,
          ignoreValue: b,
          ignoreLease: !a,
        });
        const mine = written((w) => encodePutRequest(w, put));
        const theirs = fromBinary(rpcpb.PutRequestSchema, mine);
        expect(plain(toBinary(rpcpb.PutRequestSchema, theirs))).toEqual(plain(mine));
        expect(decodePutRequest(mine).lease).toBe(lease);
        const { keyLength, valueLength, ignoreValue, ignoreLease } = put;
        const head = decodePutHead(mine, 0, mine.length, used);
        expect({ ...head }).toEqual({ keyLength, valueLength, lease, ignoreValue, ignoreLease });
        const del = Object.assign(new DeleteRangeRequest(), { key, rangeEnd: value, prevKv: b });
        const deletion = written((w) => encodeDeleteRangeRequest(w, del));
        const theirDeletion = fromBinary(rpcpb.DeleteRangeRequestSchema, deletion);
        expect(plain(toBinary(rpcpb.DeleteRangeRequestSchema, theirDeletion))).toEqual(plain(deletion));
        expect(decodeDeleteRangeRequest(deletion).prevKv).toBe(b);
      }),
    );
  });

  it("TxnRequest, nested", () => {
    const leaf = create(rpcpb.TxnRequestSchema, {
      compare: [
        {
          result: rpcpb.Compare_CompareResult.NOT_EQUAL,
          target: rpcpb.Compare_CompareTarget.LEASE,
          key: new Uint8Array([1]),
          rangeEnd: new Uint8Array([2]),
          targetUnion: { case: "lease", value: -7n },
        },
      ],
      success: [{ request: { case: "requestPut", value: { key: new Uint8Array([9]) } } }, {}],
    });
    const outer = create(rpcpb.TxnRequestSchema, {
      failure: [{ request: { case: "requestTxn", value: leaf } }],
    });
    const decoded = decodeTxnRequest(toBinary(rpcpb.TxnRequestSchema, outer));
    const inner = decoded?.failure[0];
    if (!(inner instanceof TxnRequest)) throw new Error("not a transaction");
    expect(inner.compare[0]).toMatchObject({ result: 3, target: 4, unionField: 8, lease: -7n });
    expect(plain(inner.compare[0].rangeEnd)).toEqual([2]);
    expect(inner.success[0]).toBeInstanceOf(PutRequest);
    expect(inner.success[1]).toBeUndefined();
  });

  it("refuses transactions nested beyond any budget instead of overflowing the stack", () => {
    let bytesOf: Uint8Array = new Uint8Array(0);
    for (let depth = 0; depth < 200; depth++) {
      const inner = bytesOf;
      const op = written((w) => {
        w.byte(0x22);
        w.bytes(inner);
      });
      bytesOf = written((w) => {
        w.byte(0x12);
        w.bytes(op);
      });
    }
    expect(decodeTxnRequest(bytesOf)).toBeUndefined();
  });

  it("response headers", () => {
    const header = Object.assign(new ResponseHeader(), {
      clusterId: 2n ** 64n - 1n,
      memberId: 2n ** 63n,
      revision: MAX,
      raftTerm: MAX,
    });
    const put = fromBinary(
      rpcpb.PutResponseSchema,
      written((w) => writeResponseHeader(w, header)),
    );
    expect(put.header).toMatchObject({
      clusterId: 2n ** 64n - 1n,
      memberId: 2n ** 63n,
      revision: BigInt(MAX),
    });
    const inner = fromBinary(
      rpcpb.PutResponseSchema,
      written((w) => writeRevisionHeader(w, 12345)),
    );
    expect(inner.header).toMatchObject({ clusterId: 0n, revision: 12345n });
    expect(
      fromBinary(
        rpcpb.PutResponseSchema,
        written((w) => writeRevisionHeader(w, 0)),
      ).header?.revision,
    ).toBe(0n);
  });

  it("clamps what exceeds 2^53, keeping every comparison true", () => {
    for (const value of [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n]) {
      const sent = toBinary(rpcpb.RangeRequestSchema, create(rpcpb.RangeRequestSchema, { revision: value }));
      expect(decodeRangeRequest(sent).revision).toBe(value > 0n ? MAX : -MAX);
    }
  });
});

describe("raft codecs agree with the generated ones", () => {
  const entry = fc
    .tuple(unsigned, unsigned, fc.integer({ min: 0, max: 2 }), bytes)
    .map(([term, index, type, data]) => new Entry(term, index, type as Entry["type"], data));
  const confState = fc
    .tuple(fc.array(uint64), fc.array(uint64), fc.array(uint64), fc.array(uint64), fc.boolean())
    .map((c) => new ConfState(...c));
  const snapshot = fc
    .tuple(fc.integer({ min: 1, max: MAX }), unsigned, confState, bytes)
    .map(([index, term, cs, data]) => new Snapshot(index, term, cs, data));

  const encodedEntry = (e: Entry) => written((w) => codec.encodeEntry(w, e));

  it("Entry, and its size", () => {
    fc.assert(
      fc.property(entry, (e) => {
        const mine = encodedEntry(e);
        expect(mine.length).toBe(codec.entrySize(e));
        const theirs = fromBinary(raftpb.EntrySchema, mine);
        expect([theirs.Term, theirs.Index, theirs.Type]).toEqual([BigInt(e.term), BigInt(e.index), e.type]);
        const back = codec.decodeEntry(mine);
        expect([back.term, back.index, back.type, plain(back.data)]).toEqual([
          e.term,
          e.index,
          e.type,
          plain(e.data),
        ]);
      }),
    );
  });

  it("HardState and ConfState", () => {
    fc.assert(
      fc.property(unsigned, uint64, unsigned, confState, (term, vote, commit, cs) => {
        const hs = new HardState(term, vote, commit);
        expect(codec.decodeHardState(written((w) => codec.encodeHardState(w, hs)))).toEqual(hs);
        const bytesOf = written((w) => codec.encodeConfState(w, cs));
        expect(codec.decodeConfState(bytesOf)).toEqual(cs);
        expect(fromBinary(raftpb.ConfStateSchema, bytesOf).votersOutgoing).toEqual(cs.votersOutgoing);
      }),
    );
  });

  it("Message", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 23 }),
        uint64,
        uint64,
        fc.array(entry),
        fc.option(snapshot),
        bytes,
        unsigned,
        fc.boolean(),
        (type, to, from, entries, snap, context, n, reject) => {
          const m = new RaftMessage(type as RaftMessage["type"]);
          m.to = to;
          m.from = from;
          m.term = n;
          m.logTerm = n;
          m.index = n;
          m.commit = n;
          m.rejectHint = n;
          m.reject = reject;
          m.entries = entries;
          m.snapshot = snap ?? undefined;
          m.context = context;
          m.vote = to;
          m.responses = [new RaftMessage(4)];
          const mine = written((w) => codec.encodeMessage(w, m));
          const theirs = fromBinary(raftpb.MessageSchema, mine);
          expect(theirs.entries.length).toBe(entries.length);
          const reencoded = toBinary(raftpb.MessageSchema, theirs);
          const normal = (x: RaftMessage) => plain(written((w) => codec.encodeMessage(w, x)));
          expect(normal(codec.decodeMessage(mine))).toEqual(plain(mine));
          expect(normal(codec.decodeMessage(reencoded))).toEqual(plain(mine));
        },
      ),
    );
  });

  it("ConfChange and ConfChangeV2", () => {
    fc.assert(
      fc.property(uint64, uint64, fc.integer({ min: 0, max: 3 }), bytes, (id, node, type, context) => {
        const v1 = new ConfChange(id, type as ConfChange["type"], node, context);
        const bytesV1 = written((w) => codec.encodeConfChange(w, v1));
        const back = codec.decodeConfChange(bytesV1);
        expect([back.id, back.type, back.nodeId, plain(back.context)]).toEqual([
          id,
          type,
          node,
          plain(context),
        ]);
        expect(fromBinary(raftpb.ConfChangeSchema, bytesV1).nodeId).toBe(node);
        const v2 = new ConfChangeV2(
          1,
          [new ConfChangeSingle(v1.type, node), new ConfChangeSingle(0, id)],
          context,
        );
        const backV2 = codec.decodeConfChangeV2(written((w) => codec.encodeConfChangeV2(w, v2)));
        expect([backV2.transition, backV2.changes, plain(backV2.context)]).toEqual([
          1,
          v2.changes,
          plain(context),
        ]);
      }),
    );
  });
});

describe("WireReader", () => {
  it("never reads past its end and never returns for garbage: any bytes give a message or a WireError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (garbage) => {
        for (const decode of [decodePutRequest, decodeRangeRequest, decodeTxnRequest, codec.decodeMessage]) {
          try {
            decode(garbage, 0, garbage.length);
          } catch (error) {
            expect((error as Error).name).toBe("WireError");
          }
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("reads every varint that the writer writes", () => {
    fc.assert(
      fc.property(int64, (value) => {
        const r = new WireReader(written((w) => w.bigint(value)));
        expect(r.bigInt64()).toBe(value);
        expect(r.done).toBe(true);
      }),
    );
  });
});
