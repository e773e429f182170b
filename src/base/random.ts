// Randomness is an argument everywhere, so that a run can be replayed from its seed. The generator is xoshiro128**
// (Blackman and Vigna, "Scrambled linear pseudorandom number generators"), seeded through splitmix32. It is not for
// secrets: those come from node:crypto, outside the pure rooms.

/** A source of uniform random numbers. */
export interface Random {
  /** Uniform in [0, 2^32). */
  uint32(): number;
  /** Uniform integer in [0, bound). `bound` is a positive integer up to 2^32. */
  below(bound: number): number;
  /** Uniform in [0, 1). */
  float(): number;
}

export class SeededRandom implements Random {
  private a = 0;
  private b = 0;
  private c = 0;
  private d = 0;

  constructor(seed: number) {
    let s = seed | 0;
    const next = (): number => {
      s = (s + 0x9e3779b9) | 0;
      let z = s ^ (s >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z ^= z >>> 15;
      z = Math.imul(z, 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.a = next();
    this.b = next();
    this.c = next();
    this.d = next() | 1;
  }

  uint32(): number {
    const scrambled = Math.imul(rotateLeft(Math.imul(this.b, 5), 7), 9) >>> 0;
    const shifted = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= shifted;
    this.d = rotateLeft(this.d, 11);
    return scrambled;
  }

  below(bound: number): number {
    // Multiply-shift: the bias is below bound / 2^32, far under what any caller could notice.
    return Math.floor((this.uint32() / 0x100000000) * bound);
  }

  float(): number {
    return this.uint32() / 0x100000000;
  }
}

function rotateLeft(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}
