// A database file of either kind, opened for looking: for tools. Reads only, takes no lock; of a file that a member is
// writing to it may see a torn state and say that it is damaged.

import { closeSync, openSync, readSync } from "node:fs";
import { utf8Text } from "#base";
import { FileSource } from "../bbolt/file-source.js";
import { MAGIC as BBOLT_MAGIC, hasTrailer, PAGE_HEADER } from "../bbolt/format.js";
import { ImageReader } from "../bbolt/image-reader.js";
import type { RecordVisitor } from "./backend.js";
import type { RecordSink } from "./exchange.js";
import { LmdbFile } from "./lmdb-file.js";
import { TreeRecords } from "./tree-records.js";

export interface DatabaseFile {
  readonly kind: "lmdb" | "bbolt";
  /** Facts about the file, by name. */
  readonly facts: Readonly<Record<string, number | boolean>>;
  /** Visits every record in the order and form of exchange, checking everything. */
  forEach(visit: RecordVisitor): void;
  close(): void;
}

/** Throws CorruptBackendError or CorruptImageError for what is neither, or damaged. */
export function openDatabaseFile(path: string): DatabaseFile {
  return isBbolt(path) ? openBbolt(path) : openLmdb(path);
}

function isBbolt(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(PAGE_HEADER + 4);
    readSync(fd, head, 0, head.length, 0);
    return head.readUInt32LE(PAGE_HEADER) === BBOLT_MAGIC;
  } finally {
    closeSync(fd);
  }
}

function openBbolt(path: string): DatabaseFile {
  const source = new FileSource(path);
  const reader = new ImageReader(source);
  return {
    kind: "bbolt",
    facts: {
      bytes: source.size,
      pageSize: reader.pageSize,
      pages: reader.pages,
      hasHash: hasTrailer(source.size),
    },
    forEach: (visit) => {
      for (const bucket of reader.buckets()) {
        const name = utf8Text(bucket.name);
        bucket.forEach((key, value) => {
          visit(name, key, value);
        });
      }
    },
    close: () => source.close(),
  };
}

function openLmdb(path: string): DatabaseFile {
  const file = new LmdbFile(path);
  const { free: _free, ...facts } = file.readTree();
  return {
    kind: "lmdb",
    facts: { bytes: file.size(), pageSize: file.pageSize, ...facts },
    forEach: (visit) => {
      const tree = file.readTree();
      file.walk(tree, undefined, undefined, () => true); // the tree and its free pages, before any record is shown
      new TreeRecords(file, tree).feed(new Visiting(visit));
    },
    close: () => file.close(),
  };
}

class Visiting implements RecordSink {
  private bucket = "";

  constructor(private readonly visit: RecordVisitor) {}

  beginBucket(name: Uint8Array): void {
    this.bucket = utf8Text(name);
  }

  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.visit(this.bucket, key.subarray(keyStart, keyEnd), value.subarray(start, end));
  }
}
