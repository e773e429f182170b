// HPACK decoding (RFC 7541 §3, §6). A block is decoded whole, because every block changes the state that the next one
// depends on: even the headers of a refused stream go through here.
//
// Against hostile blocks: integers stop at 2^28, strings end inside the block, the dynamic table never grows beyond
// what we announced, and once the decoded list passes its limit no further field is kept (an index costs its sender
// one byte and could cost us thousands), while decoding goes on for the sake of the table.
//
// A block that leaves the dynamic table as it was decodes to the same fields each time. Clients that index their
// headers send such blocks over and over, so the last few are remembered by their bytes; a hit costs a comparison.

import { BUDGETS } from "./budgets.js";
import { HeaderField } from "./header-field.js";
import { DynamicTable } from "./hpack-table.js";
import { huffmanDecode, huffmanDecodedMax } from "./huffman.js";

/** One decoded header block. Shared between all requests that sent the same bytes: treat as immutable. */
export class HeaderBlock {
  readonly fields: HeaderField[] = [];
  /** Size as SETTINGS_MAX_HEADER_LIST_SIZE counts it. */
  listBytes = 0;
  /** True when the list passed its limit; `fields` is then incomplete. */
  oversize = false;
  /** A free slot for what the owner of the connection makes of the fields. */
  parsed: unknown = undefined;
}

class CachedBlock {
  readonly bytes: Uint8Array;
  readonly block: HeaderBlock;

  constructor(bytes: Uint8Array, block: HeaderBlock) {
    this.bytes = bytes;
    this.block = block;
  }
}

const INTEGER_MAX = 0x0fff_ffff;
/** Blocks longer than this are not worth remembering. */
const CACHED_BLOCK_BYTES = 512;

/** Scratch for Huffman strings, shared by all decoders: a string never outlives the call that decodes it. */
const scratch = Buffer.allocUnsafeSlow(huffmanDecodedMax(BUDGETS.headerBlockBytes));

export class HpackDecoder {
  readonly table = new DynamicTable();
  private readonly cache: CachedBlock[] = [];
  private cacheGeneration = 0;
  private cacheNext = 0;

  // The block being read. `pos` is set to -1 on an error.
  private buf: Buffer = scratch;
  private pos = 0;
  private end = 0;

  /** Decodes the whole block `buf[start, end)`; undefined means COMPRESSION_ERROR and the connection is lost. */
  decode(buf: Buffer, start: number, end: number): HeaderBlock | undefined {
    const known = this.recall(buf, start, end);
    if (known !== undefined) return known;
    const generation = this.table.generation;
    this.buf = buf;
    this.pos = start;
    this.end = end;
    const block = new HeaderBlock();
    const complete = this.readBlock(block);
    this.buf = scratch;
    if (!complete) return undefined;
    if (this.table.generation === generation && !block.oversize) this.remember(buf, start, end, block);
    return block;
  }

  private readBlock(block: HeaderBlock): boolean {
    let updatesAllowed = true;
    while (this.pos < this.end) {
      const first = this.buf[this.pos];
      if ((first & 0xe0) === 0x20) {
        if (!updatesAllowed || !this.readSizeUpdate()) return false;
        continue;
      }
      updatesAllowed = false;
      const field = (first & 0x80) !== 0 ? this.readIndexed() : this.readLiteral(first);
      if (field === undefined) return false;
      block.listBytes += field.size;
      if (block.listBytes > BUDGETS.headerListBytes) block.oversize = true;
      else block.fields.push(field);
    }
    return true;
  }

  private readIndexed(): HeaderField | undefined {
    const index = this.readInteger(7);
    return index < 0 ? undefined : this.table.lookup(index);
  }

  /** Literals: 01xxxxxx inserts, 0000xxxx and 0001xxxx (never indexed) do not. */
  private readLiteral(first: number): HeaderField | undefined {
    const inserts = (first & 0x40) !== 0;
    const index = this.readInteger(inserts ? 6 : 4);
    if (index < 0) return undefined;
    const name = index === 0 ? this.readString() : this.table.lookup(index)?.name;
    if (name === undefined) return undefined;
    const value = this.readString();
    if (value === undefined) return undefined;
    const field = new HeaderField(name, value);
    if (inserts) this.table.insert(field);
    return field;
  }

  private readSizeUpdate(): boolean {
    const bytes = this.readInteger(5);
    if (bytes < 0 || bytes > BUDGETS.headerTableBytes) return false;
    this.table.resize(bytes);
    return true;
  }

  /** An integer with an N-bit prefix (RFC 7541 §5.1), or -1 when it is cut off or beyond any sense. */
  private readInteger(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.buf[this.pos++] & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 28; shift += 7) {
      if (this.pos >= this.end) return -1;
      const byte = this.buf[this.pos++];
      value += (byte & 0x7f) * 2 ** shift;
      if (value > INTEGER_MAX) return -1;
      if (byte < 0x80) return value;
    }
    return -1;
  }

  private readString(): string | undefined {
    if (this.pos >= this.end) return undefined;
    const coded = (this.buf[this.pos] & 0x80) !== 0;
    const length = this.readInteger(7);
    if (length < 0 || length > this.end - this.pos) return undefined;
    const start = this.pos;
    this.pos = start + length;
    if (!coded) return this.buf.toString("latin1", start, this.pos);
    const decoded = huffmanDecode(this.buf, start, this.pos, scratch);
    return decoded < 0 ? undefined : scratch.toString("latin1", 0, decoded);
  }

  private recall(buf: Buffer, start: number, end: number): HeaderBlock | undefined {
    if (this.cacheGeneration !== this.table.generation) {
      this.cacheGeneration = this.table.generation;
      this.cache.length = 0;
      this.cacheNext = 0;
      return undefined;
    }
    const length = end - start;
    for (let i = 0; i < this.cache.length; i++) {
      const bytes = this.cache[i].bytes;
      if (bytes.length !== length) continue;
      let at = 0;
      while (at < length && bytes[at] === buf[start + at]) at++;
      if (at === length) return this.cache[i].block;
    }
    return undefined;
  }

  private remember(buf: Buffer, start: number, end: number, block: HeaderBlock): void {
    if (end - start > CACHED_BLOCK_BYTES) return;
    // An owned copy: the chunk that `buf` is part of is not to be pinned.
    const entry = new CachedBlock(Uint8Array.prototype.slice.call(buf, start, end), block);
    if (this.cache.length < BUDGETS.headerBlockCacheEntries) this.cache.push(entry);
    else {
      this.cache[this.cacheNext] = entry;
      this.cacheNext = (this.cacheNext + 1) % BUDGETS.headerBlockCacheEntries;
    }
  }
}
