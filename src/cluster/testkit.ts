// For the tests of this room: three buckets in memory.

import { utf8, utf8Text } from "#base";
import type { ClusterBackend, ClusterBucket } from "./membership.js";

export class MemoryCluster implements ClusterBackend {
  private readonly records = new Map<string, Uint8Array>();

  get(bucket: ClusterBucket, key: Uint8Array): Uint8Array | undefined {
    return this.records.get(`${bucket} ${utf8Text(key)}`);
  }

  put(bucket: ClusterBucket, key: Uint8Array, value: Uint8Array): void {
    this.records.set(`${bucket} ${utf8Text(key)}`, value);
  }

  delete(bucket: ClusterBucket, key: Uint8Array): void {
    this.records.delete(`${bucket} ${utf8Text(key)}`);
  }

  scan(bucket: ClusterBucket, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    for (const [name, value] of [...this.records].sort()) {
      const [where, key] = name.split(" ");
      if (where === bucket && !visit(utf8(key), value)) return;
    }
  }

  dump(): string {
    return [...this.records]
      .sort()
      .map(([name, value]) => `${name} ${utf8Text(value)}`)
      .join("\n");
  }
}
