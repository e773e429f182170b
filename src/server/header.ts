// Response headers. Cluster and member id never change while a member runs, so their bytes are made once; revision and
// term follow. Hot: one header per response.

import { varintSize, WireWriter } from "#base";

export class HeaderWriter {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  private readonly ids: Uint8Array;

  constructor(clusterId: bigint, memberId: bigint) {
    this.clusterId = clusterId;
    this.memberId = memberId;
    const w = new WireWriter(32);
    w.byte(0x08);
    w.bigint(clusterId);
    w.byte(0x10);
    w.bigint(memberId);
    this.ids = w.finish();
  }

  /** Writes the header as field 1 of a response. Zero revision or term is left out, as proto3 does. */
  write(w: WireWriter, revision: number, term: number): void {
    let size = this.ids.length;
    if (revision !== 0) size += 1 + varintSize(revision);
    if (term !== 0) size += 1 + varintSize(term);
    w.byte(0x0a);
    w.byte(size);
    w.raw(this.ids);
    if (revision !== 0) {
      w.byte(0x18);
      w.varint(revision);
    }
    if (term !== 0) {
      w.byte(0x20);
      w.varint(term);
    }
  }
}
