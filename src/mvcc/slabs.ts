// Memory for the key index: blocks of 8-byte units cut from large slabs, so that a million keys are a few hundred
// objects to the garbage collector instead of millions. A block is named by a `ref`, a 32-bit number: the slab in the
// upper 15 bits, the unit offset inside it in the lower 17. Ref 0 is "none".
//
// Sizes are rounded up to a class: exact up to 64 units, then eight classes per doubling (at most an eighth is lost).
// A freed block goes onto the free list of its class and is handed out again, last in first out. Blocks never merge
// and memory never goes back to the system: the index of a store grows to its high-water mark and stays there. A block
// of more than half a slab gets a slab of its own, which does go back when it is freed.
//
// A block's content is whatever its last owner left; whoever allocates writes every field.

import { panic } from "#base";

const UNIT_BITS = 17;
const SLAB_UNITS = 1 << UNIT_BITS; // 1 MiB
const OFFSET_MASK = SLAB_UNITS - 1;
const SLABS_MAX = 1 << (32 - UNIT_BITS);
/** The first slabs are small: a test cluster has many stores with few keys. */
const FIRST_SLAB_UNITS = 1 << 12;
const EXACT_CLASSES = 64;
const CLASSED_UNITS_MAX = SLAB_UNITS / 2;
const CLASS_COUNT = EXACT_CLASSES + 1 + 8 * (UNIT_BITS - 1 - 6);

/** One piece of memory under three views. */
export class Slab {
  readonly f64: Float64Array;
  readonly u32: Uint32Array;
  readonly u8: Uint8Array;

  constructor(readonly units: number) {
    const memory = new ArrayBuffer(units * 8);
    this.f64 = new Float64Array(memory);
    this.u32 = new Uint32Array(memory);
    this.u8 = new Uint8Array(memory);
  }
}

/** Offset of a ref inside its slab, in units. */
export function offsetOf(ref: number): number {
  return ref & OFFSET_MASK;
}

export class Slabs {
  /** By slab number; public, because every access to a block begins here. */
  readonly slabs: Slab[] = [];
  /** Bytes taken from the system. */
  bytesReserved = 0;
  /** Bytes in blocks that are handed out, rounding included. */
  bytesUsed = 0;
  private readonly free = new Uint32Array(CLASS_COUNT);
  private readonly emptySlots: number[] = [];
  private current = 0;
  private next = 1; // unit 0 of slab 0 stays unused, which keeps ref 0 free for "none"

  constructor() {
    this.addSlab(FIRST_SLAB_UNITS);
  }

  /** The slab that holds a block. */
  slabOf(ref: number): Slab {
    return this.slabs[ref >>> UNIT_BITS];
  }

  /** A block of at least `units`; its content is undefined. */
  allocate(units: number): number {
    if (units > CLASSED_UNITS_MAX) return this.allocateAlone(units);
    const sizeClass = classOf(units);
    this.bytesUsed += classUnits(sizeClass) * 8;
    const ref = this.free[sizeClass];
    if (ref === 0) return this.carve(classUnits(sizeClass));
    this.free[sizeClass] = this.slabOf(ref).u32[offsetOf(ref) * 2];
    return ref;
  }

  /** Takes a block back. @param units what it was allocated with */
  release(ref: number, units: number): void {
    if (units > CLASSED_UNITS_MAX) return this.releaseAlone(ref, units);
    const sizeClass = classOf(units);
    this.bytesUsed -= classUnits(sizeClass) * 8;
    this.shelve(ref, sizeClass);
  }

  private shelve(ref: number, sizeClass: number): void {
    this.slabOf(ref).u32[offsetOf(ref) * 2] = this.free[sizeClass];
    this.free[sizeClass] = ref;
  }

  private carve(units: number): number {
    if (this.next + units > this.slabs[this.current].units) {
      this.shelveRest();
      // 32 KiB, then 256 KiB, then whole slabs.
      this.current = this.addSlab(Math.min(SLAB_UNITS, Math.max(this.slabs[this.current].units * 8, units)));
      this.next = 0;
    }
    const ref = (this.current << UNIT_BITS) + this.next;
    this.next += units;
    return ref >>> 0;
  }

  /** Cuts what is left of the current slab into blocks for the free lists. */
  private shelveRest(): void {
    let rest = this.slabs[this.current].units - this.next;
    while (rest > 0) {
      let sizeClass = classOf(Math.min(rest, CLASSED_UNITS_MAX));
      if (classUnits(sizeClass) > rest) sizeClass--;
      this.shelve(((this.current << UNIT_BITS) + this.next) >>> 0, sizeClass);
      this.next += classUnits(sizeClass);
      rest -= classUnits(sizeClass);
    }
  }

  private allocateAlone(units: number): number {
    this.bytesUsed += units * 8;
    return (this.addSlab(units) << UNIT_BITS) >>> 0;
  }

  private releaseAlone(ref: number, units: number): void {
    const slot = ref >>> UNIT_BITS;
    this.bytesUsed -= units * 8;
    this.bytesReserved -= units * 8;
    this.slabs[slot] = EMPTY_SLAB;
    this.emptySlots.push(slot);
  }

  private addSlab(units: number): number {
    const slot = this.emptySlots.pop() ?? this.slabs.length;
    if (slot >= SLABS_MAX) panic("key index is full", { slabs: slot });
    this.slabs[slot] = new Slab(units);
    this.bytesReserved += units * 8;
    return slot;
  }
}

const EMPTY_SLAB = new Slab(0);

/** The smallest class that holds `units`. */
function classOf(units: number): number {
  if (units <= EXACT_CLASSES) return units;
  const exponent = 31 - Math.clz32(units - 1); // 2^exponent < units <= 2^(exponent + 1)
  const step = exponent - 3;
  return EXACT_CLASSES + (exponent - 6) * 8 + ((units - (1 << exponent) + (1 << step) - 1) >>> step);
}

/** Units of a block of the class. */
function classUnits(sizeClass: number): number {
  if (sizeClass <= EXACT_CLASSES) return sizeClass;
  const above = sizeClass - EXACT_CLASSES - 1;
  const exponent = 6 + (above >>> 3);
  return (1 << exponent) + (((above & 7) + 1) << (exponent - 3));
}
