// The Huffman code of HPACK (RFC 7541 §5.2, Appendix B). The code is canonical: codes ascend by length and then by
// symbol, so the 257 code lengths are all there is to know, and both directions are tables built from them at load.
//
// Decoding walks four bits at a time through a state machine: a state is an inner node of the code tree; no code is
// shorter than five bits, so four bits complete at most one symbol. A string may end only with fewer than eight bits
// of padding, all ones, and the end-of-string symbol itself never occurs in it.

import { assert } from "#base";

/** Code length of each symbol, 0 to 255 and then end-of-string, one base-36 digit each. */
const CODE_LENGTHS =
  "dnsssssssoussuss" +
  "ssssssusssssssss" +
  "6aacd68baa8b8666" +
  "555666666678f6ca" +
  "d677777777777777" +
  "7777777787" +
  "8djde6" +
  "f565656665776665" +
  "6765567777" +
  "7fbeds" +
  "kmkkmmmnmnnnnnon" +
  "oomnonnnnlmnmnno" +
  "mlkmmnnlnmmolmnn" +
  "llmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqop" +
  "jlqrrqrollqqsrrr" +
  "koklmllnmmppooqn" +
  "qrqqrrrrrsrrrrrq" +
  "u";

const END_OF_STRING = 256;
const SYMBOLS = 257;

const lengths = new Uint8Array(SYMBOLS);
const codes = new Uint32Array(SYMBOLS);

/** Transition of state * 16 + four bits: next state in the low 9 bits, then a flag, then the symbol. */
const EMITS = 0x200;
const FAILS = 0x400;
const SYMBOL_SHIFT = 16;
const transitions = new Int32Array(256 * 16);
/** States in which a string may end: on a path of at most seven ones from the root. */
const mayEnd = new Uint8Array(256);

function assignCodes(): void {
  assert(CODE_LENGTHS.length === SYMBOLS, "a code length for every symbol");
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    lengths[symbol] = Number.parseInt(CODE_LENGTHS[symbol], 36);
  }
  let code = 0;
  for (let length = 5; length <= 30; length++) {
    for (let symbol = 0; symbol < SYMBOLS; symbol++) if (lengths[symbol] === length) codes[symbol] = code++;
    if (length < 30) code *= 2;
  }
  assert(code === 2 ** 30, "the Huffman code is complete");
}

/** Children of inner nodes: a positive number is an inner node, a negative one the symbol ~n. */
function buildTree(): [number, number][] {
  const nodes: [number, number][] = [[0, 0]];
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    let node = 0;
    for (let bit = lengths[symbol] - 1; bit > 0; bit--) {
      const side = (codes[symbol] >>> bit) & 1;
      if (nodes[node][side] === 0) nodes[node][side] = nodes.push([0, 0]) - 1;
      node = nodes[node][side];
    }
    nodes[node][codes[symbol] & 1] = ~symbol;
  }
  assert(nodes.length === 256, "257 leaves hang from 256 inner nodes");
  return nodes;
}

function buildTransitions(): void {
  const nodes = buildTree();
  for (let state = 0; state < 256; state++) {
    for (let bits = 0; bits < 16; bits++) transitions[state * 16 + bits] = transition(nodes, state, bits);
  }
  let node = 0;
  for (let ones = 0; ones < 8; ones++) {
    mayEnd[node] = 1;
    node = nodes[node][1];
  }
}

function transition(nodes: [number, number][], state: number, bits: number): number {
  let node = state;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = nodes[node][(bits >>> bit) & 1];
    if (child === ~END_OF_STRING) return FAILS;
    if (child < 0) {
      emitted = EMITS | (~child << SYMBOL_SHIFT);
      node = 0;
    } else node = child;
  }
  return emitted | node;
}

assignCodes();
buildTransitions();

/** Longest decoded form of `count` coded bytes: no code is shorter than five bits. */
export function huffmanDecodedMax(count: number): number {
  return Math.ceil((count * 8) / 5);
}

/** Decodes `buf[start, end)` into `out` and returns the count of bytes written, or -1 when it is not a valid string.
 *  `out` must hold `huffmanDecodedMax(end - start)` bytes. */
export function huffmanDecode(buf: Uint8Array, start: number, end: number, out: Uint8Array): number {
  let state = 0;
  let at = 0;
  for (let pos = start; pos < end; pos++) {
    const byte = buf[pos];
    const high = transitions[(state << 4) | (byte >>> 4)];
    if ((high & EMITS) !== 0) out[at++] = high >>> SYMBOL_SHIFT;
    const low = transitions[((high & 0xff) << 4) | (byte & 15)];
    if (((high | low) & FAILS) !== 0) return -1;
    if ((low & EMITS) !== 0) out[at++] = low >>> SYMBOL_SHIFT;
    state = low & 0xff;
  }
  return mayEnd[state] === 1 ? at : -1;
}

/** Bytes that `text` (latin1) takes when coded. */
export function huffmanSize(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += lengths[text.charCodeAt(i) & 0xff];
  return (bits + 7) >>> 3;
}

/** Writes `text` (latin1) coded at `at` and returns the offset after it; the last byte is padded with ones. */
export function huffmanEncode(text: string, out: Uint8Array, at: number): number {
  let held = 0;
  let heldBits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    let rest = lengths[symbol];
    // At most 7 bits are held, and a code may have 30: it goes in by at most 16 bits at a time.
    while (rest > 0) {
      const take = Math.min(rest, 16);
      rest -= take;
      held = (held << take) | ((codes[symbol] >>> rest) & ((1 << take) - 1));
      heldBits += take;
      while (heldBits >= 8) {
        heldBits -= 8;
        out[at++] = held >>> heldBits;
      }
      held &= (1 << heldBits) - 1;
    }
  }
  if (heldBits > 0) out[at++] = (held << (8 - heldBits)) | ((1 << (8 - heldBits)) - 1);
  return at;
}
