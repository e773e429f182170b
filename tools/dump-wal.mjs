#!/usr/bin/env node
// Prints a write-ahead log, one record a line: offset, size of the frame, sum, type and content.
//
//   node tools/dump-wal.mjs [--values] <directory of the log, or data directory>
//
// Without --values the data of entries is shown by length only: it holds keys, values and passwords' hashes. Exit 1 when
// the log is damaged; the reason goes to stderr. Nothing is changed.

import { existsSync } from "node:fs";
import { printable } from "../dist/base/index.js";
import { decodeEntry, decodeHardState } from "../dist/proto/index.js";
import {
  decodeWalSnapshot,
  NodeDisk,
  RECORD_TYPE_NAMES,
  RecordType,
  walkWal,
} from "../dist/storage/index.js";
import { print } from "./print.mjs";

const ENTRY_TYPES = ["normal", "conf-change", "conf-change-v2"];

const args = process.argv.slice(2);
const showValues = args.includes("--values");
const [path] = args.filter((arg) => !arg.startsWith("--"));
if (path === undefined) {
  console.error("usage: dump-wal [--values] <directory>");
  process.exit(2);
}
const directory = existsSync(`${path}/member/wal`) ? `${path}/member/wal` : path;

let currentFile = "";
try {
  const end = await walkWal(new NodeDisk(), directory, printRecord);
  if (end === undefined) throw new Error(`no segments in ${directory}`);
  print(`${end.torn ? "torn record" : "end"} at ${end.offset} of ${end.file}`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

function printRecord(record) {
  if (record.file !== currentFile) {
    currentFile = record.file;
    print(currentFile);
  }
  const name = RECORD_TYPE_NAMES[record.type] || `type ${record.type}`;
  const place = `${String(record.offset).padStart(10)} ${String(record.frameBytes).padStart(8)}`;
  print(
    `${place} ${record.crc.toString(16).padStart(8, "0")} ${name.padEnd(8)} ${content(record)}`.trimEnd(),
  );
}

function content({ type, data }) {
  switch (type) {
    case RecordType.Entry: {
      const entry = decodeEntry(data);
      const value = showValues ? ` ${printable(entry.data)}` : "";
      return `index=${entry.index} term=${entry.term} ${ENTRY_TYPES[entry.type]} bytes=${entry.data.length}${value}`;
    }
    case RecordType.State: {
      const state = decodeHardState(data);
      return `term=${state.term} vote=${state.vote.toString(16)} commit=${state.commit}`;
    }
    case RecordType.Snapshot: {
      const snapshot = decodeWalSnapshot(data, 0, data.length);
      const voters = snapshot.confState?.voters.map((id) => id.toString(16)).join(",") ?? "-";
      return `index=${snapshot.index} term=${snapshot.term} voters=${voters}`;
    }
    default:
      return showValues ? printable(data) : data.length > 0 ? `bytes=${data.length}` : "";
  }
}
