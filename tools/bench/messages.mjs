// The few messages of etcd's API that the bench sends, and the few fields it looks at. Written by hand so that the
// client costs little; numbers are those of rpc.proto and kv.proto.

export const PUT = "/etcdserverpb.KV/Put";
export const RANGE = "/etcdserverpb.KV/Range";
export const RANGE_STREAM = "/etcdserverpb.KV/RangeStream";
export const COMPACT = "/etcdserverpb.KV/Compact";
export const WATCH = "/etcdserverpb.Watch/Watch";
export const STATUS = "/etcdserverpb.Maintenance/Status";
export const DEFRAGMENT = "/etcdserverpb.Maintenance/Defragment";
export const SNAPSHOT = "/etcdserverpb.Maintenance/Snapshot";

const EMPTY = Buffer.alloc(0);

/** @param {number} value @returns {Buffer} */
export function varint(value) {
  const bytes = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A length-delimited field. @param {number} number @param {Uint8Array} data */
export function bytesField(number, data) {
  return Buffer.concat([varint(number * 8 + 2), varint(data.length), data]);
}

/** A varint field; zero is left out, as proto3 does. */
export function numberField(number, value) {
  return value === 0 ? EMPTY : Buffer.concat([varint(number * 8), varint(value)]);
}

export function putRequest(key, value) {
  return Buffer.concat([bytesField(1, key), bytesField(2, value)]);
}

export function rangeRequest(key, { end = EMPTY, countOnly = false } = {}) {
  return Buffer.concat([
    bytesField(1, key),
    end.length === 0 ? EMPTY : bytesField(2, end),
    numberField(9, countOnly ? 1 : 0),
  ]);
}

/** The end of the range of all keys that begin with `prefix`, whose last byte is below 0xff. */
export function prefixEnd(prefix) {
  const end = Buffer.from(prefix);
  end[end.length - 1]++;
  return end;
}

/** Compaction that answers when the old revisions are gone. */
export function compactionRequest(revision) {
  return Buffer.concat([numberField(1, revision), numberField(2, 1)]);
}

export function watchCreateRequest(key, startRevision = 0) {
  return bytesField(1, Buffer.concat([bytesField(1, key), numberField(3, startRevision)]));
}

/** Reads varints where the last one began; one cursor, so that nothing is allocated. */
class Cursor {
  at = 0;

  varint(buf) {
    let byte = buf[this.at++];
    let value = byte & 0x7f;
    let scale = 128;
    while (byte > 0x7f) {
      byte = buf[this.at++];
      value += (byte & 0x7f) * scale;
      scale *= 128;
    }
    return value;
  }

  /** Passes the value of a field with this tag. */
  skip(buf, tag) {
    const type = tag & 7;
    if (type === 0) this.varint(buf);
    else if (type === 1) this.at += 8;
    else if (type === 5) this.at += 4;
    else {
      const length = this.varint(buf);
      this.at += length;
    }
  }
}

const outer = new Cursor();
const inner = new Cursor();

/** The first field `number` of the message: a number, or the bounds of its bytes; undefined when absent.
 *  @returns {{value: number, start: number, end: number} | undefined} */
export function findField(buf, number, start = 0, end = buf.length) {
  outer.at = start;
  while (outer.at < end) {
    const tag = outer.varint(buf);
    if (Math.floor(tag / 8) === number) {
      const value = outer.varint(buf);
      return { value, start: outer.at, end: outer.at + value };
    }
    outer.skip(buf, tag);
  }
  return undefined;
}

/** header.revision of any response. */
export function headerRevision(buf) {
  const header = findField(buf, 1);
  return header === undefined ? 0 : (findField(buf, 3, header.start, header.end)?.value ?? 0);
}

/** What a watch response brought; reused, so read it before the next call. */
export class WatchResponse {
  watchId = 0;
  created = false;
  canceled = false;
  compactRevision = 0;

  /** @param {(watchId: number, modRevision: number, version: number) => void} onEvent */
  read(buf, start, end, onEvent) {
    this.watchId = 0;
    this.created = false;
    this.canceled = false;
    this.compactRevision = 0;
    outer.at = start;
    while (outer.at < end) {
      const tag = outer.varint(buf);
      if (tag === 0x5a) {
        const length = outer.varint(buf);
        readEvent(buf, outer.at, outer.at + length, this.watchId, onEvent);
        outer.at += length;
      } else if (tag === 0x10) this.watchId = outer.varint(buf);
      else if (tag === 0x18) this.created = outer.varint(buf) === 1;
      else if (tag === 0x20) this.canceled = outer.varint(buf) === 1;
      else if (tag === 0x28) this.compactRevision = outer.varint(buf);
      else outer.skip(buf, tag);
    }
  }
}

function readEvent(buf, start, end, watchId, onEvent) {
  inner.at = start;
  let modRevision = 0;
  let version = 0;
  while (inner.at < end) {
    const tag = inner.varint(buf);
    if (tag !== 0x12) {
      inner.skip(buf, tag);
      continue;
    }
    const length = inner.varint(buf);
    const keyValueEnd = inner.at + length;
    while (inner.at < keyValueEnd) {
      const field = inner.varint(buf);
      if (field === 0x18) modRevision = inner.varint(buf);
      else if (field === 0x20) {
        version = inner.varint(buf);
        if (modRevision > 0) break;
      } else inner.skip(buf, field);
    }
    break;
  }
  onEvent(watchId, modRevision, version);
}
