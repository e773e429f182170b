// HalfSipHash-1-3: a keyed hash of byte strings to 32 bits. Watched keys are chosen by clients, and a client who can
// predict a hash table's order can pile all his keys into one slot and make every lookup walk them; with a secret key
// he cannot. Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), in the 32-bit variant that
// kernels use for the same purpose.

import type { Random } from "#base";

export class KeyHash {
  private readonly k0: number;
  private readonly k1: number;

  constructor(random: Random) {
    this.k0 = random.uint32() | 0;
    this.k1 = random.uint32() | 0;
  }

  /** A 32-bit integer (signed, never 0) over all of `key`. */
  of(key: Uint8Array): number {
    let v0 = this.k0;
    let v1 = this.k1;
    let v2 = this.k0 ^ 0x6c796765;
    let v3 = this.k1 ^ 0x74656462;
    const length = key.length;
    const whole = length & ~3;
    // One round per four bytes, three to finish; the last word carries the rest of the bytes and the length.
    for (let at = 0, rounds = (whole >> 2) + 4; rounds > 0; rounds--) {
      let word = 0;
      if (rounds > 4) {
        word = key[at] | (key[at + 1] << 8) | (key[at + 2] << 16) | (key[at + 3] << 24);
        at += 4;
      } else if (rounds === 4) {
        word = length << 24;
        for (let shift = 0; at < length; shift += 8) word |= key[at++] << shift;
      } else if (rounds === 3) {
        v2 ^= 0xff;
      }
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3 || 1;
  }
}
