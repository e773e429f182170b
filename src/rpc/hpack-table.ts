// The index space of HPACK (RFC 7541 §2.3): indices 1 to 61 are the static table, what follows is the dynamic table
// with the newest entry first. The dynamic table is a ring, so that an insertion moves nothing.

import { BUDGETS } from "./budgets.js";
import { FIELD_OVERHEAD_BYTES, HeaderField } from "./header-field.js";

/** RFC 7541 Appendix A; a space divides name and value. */
const STATIC_FIELDS: readonly string[] = [
  ":authority",
  ":method GET",
  ":method POST",
  ":path /",
  ":path /index.html",
  ":scheme http",
  ":scheme https",
  ":status 200",
  ":status 204",
  ":status 206",
  ":status 304",
  ":status 400",
  ":status 404",
  ":status 500",
  "accept-charset",
  "accept-encoding gzip, deflate",
  "accept-language",
  "accept-ranges",
  "accept",
  "access-control-allow-origin",
  "age",
  "allow",
  "authorization",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "etag",
  "expect",
  "expires",
  "from",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "link",
  "location",
  "max-forwards",
  "proxy-authenticate",
  "proxy-authorization",
  "range",
  "referer",
  "refresh",
  "retry-after",
  "server",
  "set-cookie",
  "strict-transport-security",
  "transfer-encoding",
  "user-agent",
  "vary",
  "via",
  "www-authenticate",
];

/** Static entries by index; slot 0 is not an index and is never handed out. */
export const STATIC_TABLE: readonly HeaderField[] = [
  new HeaderField(":unused", ""),
  ...STATIC_FIELDS.map((text) => {
    const space = text.indexOf(" ");
    return space < 0
      ? new HeaderField(text, "")
      : new HeaderField(text.slice(0, space), text.slice(space + 1));
  }),
];

export const STATIC_COUNT = STATIC_FIELDS.length;

/** Static index of a name, and of a name with value ("name\0value"), for the encoder. */
export const STATIC_INDEX: ReadonlyMap<string, number> = buildStaticIndex();

function buildStaticIndex(): Map<string, number> {
  const index = new Map<string, number>();
  for (let i = STATIC_COUNT; i >= 1; i--) {
    const field = STATIC_TABLE[i];
    index.set(field.name, i);
    index.set(`${field.name}\0${field.value}`, i);
  }
  return index;
}

/** No more entries than this fit into the largest dynamic table that we allow: each counts at least the overhead. */
const RING_SLOTS = 128;
const RING_MASK = RING_SLOTS - 1;
if (BUDGETS.headerTableBytes / FIELD_OVERHEAD_BYTES > RING_SLOTS)
  throw new Error("the HPACK ring is too small");

/** A dynamic table. `generation` changes whenever an index may mean another field than before. */
export class DynamicTable {
  generation = 0;
  /** Entries ever inserted; the newest has the number `inserted`, the oldest `inserted - count + 1`. */
  inserted = 0;
  count = 0;
  bytes = 0;
  private bytesMax: number = BUDGETS.headerTableBytes;
  private readonly slots: (HeaderField | undefined)[] = new Array(RING_SLOTS).fill(undefined);

  /** The field at HPACK index `index` (static or dynamic), or undefined when there is none. */
  lookup(index: number): HeaderField | undefined {
    if (index <= STATIC_COUNT) return index === 0 ? undefined : STATIC_TABLE[index];
    const age = index - STATIC_COUNT - 1;
    if (age >= this.count) return undefined;
    return this.slots[(this.inserted - age) & RING_MASK];
  }

  /** Inserts as the newest entry, evicting old ones; a field larger than the table empties it (RFC 7541 §4.4). */
  insert(field: HeaderField): void {
    this.generation++;
    this.evictTo(this.bytesMax - field.size);
    if (field.size > this.bytesMax) return;
    this.inserted++;
    this.slots[this.inserted & RING_MASK] = field;
    this.count++;
    this.bytes += field.size;
  }

  /** Applies a size update; the caller has checked it against the limit in force. */
  resize(bytesMax: number): void {
    this.generation++;
    this.bytesMax = bytesMax;
    this.evictTo(bytesMax);
  }

  private evictTo(bytes: number): void {
    while (this.count > 0 && this.bytes > bytes) {
      const oldest = (this.inserted - this.count + 1) & RING_MASK;
      this.bytes -= this.slots[oldest]!.size;
      this.slots[oldest] = undefined;
      this.count--;
    }
  }
}
