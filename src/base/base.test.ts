import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compareBytes,
  concatBytes,
  crc32c,
  equalBytes,
  Panic,
  panic,
  printable,
  Ring,
  SeededRandom,
  utf8,
  varintSize,
  WireError,
  WireReader,
  WireWriter,
} from "./index.js";

describe("crc32c", () => {
  it("gives the check values of RFC 3720 B.4 and of the CRC catalogue", () => {
    expect(crc32c(0, utf8("123456789"))).toBe(0xe3069283);
    expect(crc32c(0, new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(0, new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  });

  it("continues: a sum over parts is the sum over the whole, at any cut", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
        const at = Math.min(cut, bytes.length);
        expect(crc32c(crc32c(0, bytes, 0, at), bytes, at)).toBe(crc32c(0, bytes));
      }),
    );
  });

  it("differs for every single-bit flip", () => {
    const bytes = utf8("the quick brown fox");
    const sum = crc32c(0, bytes);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      expect(crc32c(0, flipped)).not.toBe(sum);
    }
  });
});

describe("Ring", () => {
  it("behaves like an array used as a queue", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer())), (operations) => {
        const ring = new Ring<number>(2);
        const model: number[] = [];
        for (const op of operations) {
          if (op === null) expect(ring.shift()).toBe(model.shift());
          else {
            ring.push(op);
            model.push(op);
          }
          expect(ring.length).toBe(model.length);
          expect(ring.peek()).toBe(model[0]);
          expect(ring.peek(2)).toBe(model[2]);
        }
      }),
    );
  });
});

describe("SeededRandom", () => {
  it("repeats itself from its seed and differs between seeds", () => {
    const draw = (seed: number) =>
      Array.from({ length: 20 }, () => new SeededRandom(seed)).map((r) => r.uint32());
    expect(draw(1)).toEqual(draw(1));
    expect(new SeededRandom(1).uint32()).not.toBe(new SeededRandom(2).uint32());
  });

  it("spreads evenly: 16 buckets of 160 000 draws are within 5 standard deviations", () => {
    const random = new SeededRandom(7);
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 160_000; i++) counts[random.below(16)]++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt(10_000));
  });
});

describe("bytes", () => {
  it("orders as unsigned bytes, prefixes first", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5 }), fc.uint8Array({ maxLength: 5 }), (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Math.sign(Buffer.compare(a, b)));
        expect(equalBytes(a, b)).toBe(compareBytes(a, b) === 0);
        expect(Array.from(concatBytes([a, b]))).toEqual([...a, ...b]);
      }),
    );
  });

  it("prints what is not ASCII as hex", () => {
    expect(printable(new Uint8Array([0x61, 0, 0xff, 0x5c]))).toBe("a\\x00\\xff\\x5c");
  });
});

describe("wire", () => {
  it("knows the size of every varint that it writes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (value) => {
        const w = new WireWriter(1);
        w.varint(value);
        expect(w.length).toBe(varintSize(value));
        expect(new WireReader(w.finish()).uint64()).toBe(value);
      }),
    );
  });

  it.each([[""], ["80"], ["00"], ["07"], ["80 00"], ["80 80 80 80 10"], ["8a 80 80 80 80 80 01"]])(
    "takes %o for no tag",
    (hex) => {
      const bytes = Uint8Array.from(hex.split(" ").filter(Boolean), (byte) => Number.parseInt(byte, 16));
      expect(() => new WireReader(bytes).tag()).toThrow(WireError);
    },
  );

  it("reads tags up to the largest field number", () => {
    const w = new WireWriter(1);
    for (const tag of [8, 0x7f, 0x80, 2 ** 32 - 1]) w.varint(tag);
    const r = new WireReader(w.finish());
    expect([r.tag(), r.tag(), r.tag(), r.tag(), r.done]).toEqual([8, 0x7f, 0x80, 2 ** 32 - 1, true]);
  });

  it("writes strings and bytes with their lengths", () => {
    const w = new WireWriter(1);
    w.string("grüße");
    w.bytes(utf8("x".repeat(100)));
    const r = new WireReader(w.finish());
    expect(printable(r.bytes())).toBe("gr\\xc3\\xbc\\xc3\\x9fe");
    expect(r.bytes().length).toBe(100);
    expect(r.done).toBe(true);
  });
});

it("a panic carries its fields", () => {
  try {
    panic("commit past end of log", { toIndex: 2 });
  } catch (error) {
    expect(error).toBeInstanceOf(Panic);
    expect((error as Panic).fields).toEqual({ toIndex: 2 });
  }
});
